//! Seal and open: CBC with HMAC, for old servers.
