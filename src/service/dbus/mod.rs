//! Connect, claim the name, serve the object.

pub mod administration;
mod answers;
pub mod authz;
pub mod backend;
pub mod call;
pub mod error;
pub mod log_signal;
pub mod members;
pub mod names;
pub mod object;
pub mod peers;
pub mod properties;
pub mod proxy;
pub mod starter;
