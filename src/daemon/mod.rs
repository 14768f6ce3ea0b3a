//! Sessions as they run: the loop that carries out what the engine's session asks, in the foreground, as a unit, or for
//! the stock session manager; and the starter.

pub mod check;
pub mod client_identity;
pub mod executor;
pub mod exit_report;
pub mod findings;
pub mod managed;
pub mod network_tasks;
pub mod profile_bytes;
pub mod profile_copy;
pub mod profile_file;
pub mod readable_keys;
pub mod session_loop;
pub mod signals;
pub mod standalone;
pub mod starter;
pub mod stored_device;
pub mod stored_session;

use std::sync::Arc;

use openvpn_engine::config::Environment;

use crate::sys::clock_trust::SystemClock;
use rustls::time_provider::DefaultTimeProvider;

/// Cryptography by *ring*, and the system's clock.
#[must_use]
pub fn environment() -> Environment {
    Environment {
        provider: Arc::new(rustls::crypto::ring::default_provider()),
        wall_clock: Arc::new(DefaultTimeProvider),
        clock_trust: Some(Arc::new(SystemClock)),
    }
}

#[cfg(test)]
mod check_tests;
