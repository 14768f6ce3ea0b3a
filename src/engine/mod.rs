//! The pure half: the protocol, the profile, the session. No socket, no clock, no task, no randomness of its own.
//!
//! Time comes in as `now`, randomness and the wall clock through [`config::Surroundings`]; results go out through
//! `poll_output`.
#![forbid(unsafe_code)]

pub mod config;
pub mod connection;
pub mod control;
pub mod crypto;
pub mod data;
pub mod error;
pub mod event;
pub mod netplan;
pub mod pki;
pub mod profile;
pub mod proxy;
pub mod secret;
pub mod session;
pub mod settings;
pub mod timers;
pub mod wire;
