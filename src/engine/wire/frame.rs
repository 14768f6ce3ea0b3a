//! The two-byte length prefix of TCP, resumable at any byte.
