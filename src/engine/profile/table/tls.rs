//! Rows: identity, trust, wrapping, ciphers.
