//! Which server certificate is acceptable.
