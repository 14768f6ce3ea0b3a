//! The pure half: the protocol, the profile, the session. No socket, no clock, no task, no randomness of its own.
//!
//! Time comes in as `now`, randomness and the wall clock through [`config::Environment`]; results go out through
//! `poll_output`.
//!
//! # From the bottom up
//!
//! - [`wire`]: bytes to packets and back. [`crypto`]: keys, ciphers, replay windows.
//! - [`control`]: the control channel, from acknowledgements over TLS to the server's messages. [`data`]: the data
//!   channel; opens and seals packets where they lie.
//! - [`connection`]: one attempt at one server. Owns a control channel, then a data channel.
//! - [`session`]: attempt after attempt, from registration to exit: which server next, whom to ask, what a failure means.
//!
//! Beside them: [`profile`] understands `.ovpn` files and what servers push, [`pki`] certificates and keys, [`netplan`]
//! makes addresses, routes and DNS of both, [`proxy`] talks ways through proxies open.
//!
//! # How a machine is driven
//!
//! Both machines, [`connection::Connection`] and [`session::machine::Session`], have the same law. Give an input and the
//! time, then call `poll_output` until it says `Wait`, doing each thing on the way. `Wait` names the next deadline; when it
//! passes without other input, say so. Times are [`Instant`](std::time::Instant)s of one clock that never runs backwards,
//! and should run on while the machine sleeps.
#![forbid(unsafe_code)]

pub mod config;
pub mod connection;
mod control;
pub mod crypto;
pub mod data;
pub mod error;
pub mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod netplan;
pub mod pki;
pub mod profile;
pub mod proxy;
pub mod secret;
pub mod session;
pub mod settings;
/// How packets are put into a TCP stream, and found in it.
pub mod tcp {
    pub use crate::wire::frame::{EmptyFrame, PREFIX_LEN, prefix, split_frames};
}
/// The TLS of the control channel, as far as a profile can be checked against it without connecting.
pub mod tls {
    pub use crate::control::tls::{TlsFactory, TlsSetupError};
}
#[cfg(test)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one event among many"
)]
mod simulation;
#[cfg(test)]
mod testing;
mod timers;
mod wire;
