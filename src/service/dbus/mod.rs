//! Connect, claim the name, serve the object.

pub mod authz;
pub mod backend;
pub mod call;
pub mod error;
pub mod log_signal;
pub mod names;
pub mod object;
pub mod peers;
pub mod proxy;
pub mod starter;
