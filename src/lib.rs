//! An OpenVPN client for Linux, native to systemd.
//!
//! Two halves: [`engine`] decides and touches nothing; [`service`] touches the world and decides nothing.

pub mod engine;
#[cfg(feature = "service")]
pub mod service;
#[cfg(test)]
mod testing;
