//! What systemd gives a service.

pub mod credentials;
pub mod exit;
pub mod fd_store;
pub mod notify;
pub mod unit;
pub mod watchdog;
