//! What we call, not what we serve.

pub mod config;
pub mod logger;
pub mod netcfg;
pub mod resolved;
pub mod systemd;
