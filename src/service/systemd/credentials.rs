//! Secrets from `LoadCredential=`.
