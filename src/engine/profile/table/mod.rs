//! `OptionRow`: name, arity, scope, treatment; one row per directive.

pub mod connection;
pub mod network;
pub mod tls;
pub mod unsupported;
