//! The client side of the OpenVPN protocol as pure state machines. No socket, no clock, no task, no randomness of its own.
//!
//! Time comes in as `now`, randomness and the wall clock through [`config::Environment`]; results go out through
//! `poll_output`. `examples/client.rs` is a whole client in about 100 lines.
//!
//! # The two machines
//!
//! [`connection::Connection`] is one attempt at one server: control channel, then data channel. [`session::Session`] is
//! attempt after attempt, from the profile to the exit: which server next, whom to ask, what a failure means. Who connects
//! once drives the first alone; a daemon drives the second, which has the first begun through its effects.
//!
//! Both have the same law. Give an input and the time, then call `poll_output` until it says `Wait`, doing each thing on
//! the way. `Wait` names the next deadline; when it passes without other input, say so. Times are
//! [`Instant`](std::time::Instant)s of one clock that never runs backwards, and should run on while the machine sleeps.
//!
//! # From a profile to a packet
//!
//! 1. [`profile::Profile::parse`] understands the text of a profile; the files it names are read by the caller.
//! 2. [`config::ConnectionTemplate::new`] opens keys and certificates, once for all attempts; its `attempt` makes the
//!    [`config::ConnectionConfig`] of one.
//! 3. [`connection::Connection::new`] begins the attempt. Packets go in by `open`, control packets come out as
//!    [`event::Output::Transmit`], and [`event::Event::Pushed`] says that the tunnel carries traffic.
//! 4. `open` and `seal` decrypt and encrypt data packets where they lie, without allocating.
//! 5. [`netplan::NetPlan`] says which addresses, routes and DNS servers that means for the host.
//!
//! # The rooms, from the bottom up
//!
//! - `wire`: bytes to packets and back. [`crypto`]: keys, ciphers, replay windows. [`pki`]: certificates and keys.
//! - `control`: the control channel, from acknowledgements over TLS to the server's messages. [`data`]: the data channel.
//! - [`connection`]: one attempt. [`session`]: the life of a session.
//! - Beside them: [`profile`] understands `.ovpn` files and what servers push, [`netplan`] makes addresses, routes and DNS
//!   of both, [`proxy`] has the conversations with proxies.
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
    pub use crate::control::tls::{Tls, TlsError, TlsFactory, TlsSetupError};
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
