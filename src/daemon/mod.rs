//! ROOM daemon

pub mod check;
pub mod client_identity;
pub mod executor;
pub mod exit_report;
pub mod findings;
pub mod managed;
pub mod network_tasks;
pub mod profile_copy;
pub mod profile_file;
pub mod session_loop;
pub mod signals;
pub mod standalone;
pub mod starter;
pub mod stored_device;
pub mod stored_session;

#[cfg(test)]
mod check_tests;
