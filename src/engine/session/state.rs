//! The states, each owning what it needs.
