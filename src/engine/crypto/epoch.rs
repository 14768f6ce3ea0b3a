//! The epoch ratchet: the next key from this one.
