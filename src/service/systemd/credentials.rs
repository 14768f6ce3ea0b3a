//! Secrets from LoadCredential=.
