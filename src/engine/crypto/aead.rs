//! Sealing and opening in place, one key, one direction.
