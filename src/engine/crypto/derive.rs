//! Data keys from the TLS exporter (and, if kept, from the old PRF).
