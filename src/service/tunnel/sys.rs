//! The system calls of the hot path that no crate wraps.
