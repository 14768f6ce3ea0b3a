//! Credentials, challenges, tokens, pending authentication.
