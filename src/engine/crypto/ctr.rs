//! AES-256-CTR, for tls-crypt alone.
