//! systemd's side of a service: notification, watchdog, descriptor store, credentials, units, resolved, password agents.

pub mod ask_password;
pub mod credentials;
pub mod exit;
pub mod fd_store;
pub mod manager;
pub mod notify;
pub mod resolved;
pub mod unit;
pub mod watchdog;

#[cfg(test)]
mod file_tests;
