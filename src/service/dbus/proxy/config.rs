//! The configuration manager: fetch a profile.
