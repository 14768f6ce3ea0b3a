//! What a session and its tunnel tell each other, attempt by attempt.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::config::ConnectionConfig;
use super::super::config::build::SocketSettings;
use super::super::event::{Event, Input};
use super::super::proxy::ProxySetup;
use super::remotes::Lookup;

/// The number of an attempt within its session; the first has 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct AttemptId(pub u64);

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One attempt at one address, as the tunnel is to begin it.
#[derive(Debug)]
pub struct Attempt {
    /// Its number; each report of it carries it.
    pub id: AttemptId,
    /// All that the connection needs.
    pub config: ConnectionConfig,
    /// How the socket is to be.
    pub socket: SocketSettings,
    /// How to reach the server through a proxy, whose address the endpoint has then.
    pub proxy_setup: Option<ProxySetup>,
    /// The proxy needs the server's address: this is to be looked up before.
    pub server_lookup: Option<Lookup>,
    /// How long each step of opening the transport may take: a TCP connect, an answer of a SOCKS proxy.
    pub open_timeout: Duration,
    /// Keep packets to this address out of the tunnel that is still in force.
    pub protect: Option<IpAddr>,
}

/// What the tunnel is to do. There is at most one attempt at a time.
#[derive(Debug)]
pub enum TunnelOrder {
    /// End this attempt at once, without an exit notification. Answered by [`Event::Ended`], also where the attempt
    /// has not begun or is over already.
    Abandon(AttemptId),
    /// Begin an attempt. Answered by [`TunnelReport::Opened`] and events, of which the last is [`Event::Ended`].
    Begin(Box<Attempt>),
    /// Tell the connection of the attempt under way; without one it is forgotten. [`Input::Stop`] ends an attempt
    /// also while its transport is being opened.
    Input(Input),
}

/// What the tunnel says of an attempt.
#[derive(Debug)]
pub enum TunnelReport {
    /// The connection says so. After [`Event::Ended`] the attempt is over and its transport closed; it is the only
    /// report of an attempt for which no transport could be opened.
    Event(Event),
    /// The transport is open; the handshake begins.
    Opened {
        /// Our address on it.
        local: SocketAddr,
        /// Where packets are sent: the server's address, or that of the proxy in front of it.
        peer: SocketAddr,
    },
}
