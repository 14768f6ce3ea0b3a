//! How long to wait before it.
