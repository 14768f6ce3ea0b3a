//! Key ids, the current and the retiring key, when to renegotiate.
