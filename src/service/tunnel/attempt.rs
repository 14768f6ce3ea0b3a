//! One attempt as the session orders it: the connection's configuration, and the socket for it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::engine::config::ConnectionConfig;
use crate::engine::proxy::Detour;

/// One attempt at one address.
#[derive(Debug)]
pub struct Attempt {
    /// All that the connection needs.
    pub config: ConnectionConfig,
    /// How to reach the server, if not directly.
    pub detour: Option<Detour>,
    /// The socket.
    pub socket: SocketOptions,
    /// How long each step of opening the transport may take: a TCP connect, an answer of a SOCKS proxy.
    pub open_timeout: Duration,
}

/// How the socket is made.
#[derive(Debug, Default)]
pub struct SocketOptions {
    /// Where to bind (`local`, `lport`, `bind`). A port of 0 is a random one; `None`: all is left to the system.
    pub local: Option<SocketAddr>,
    /// The interface to bind to (`bind-dev`).
    pub device: Option<String>,
    /// The firewall mark (`mark`).
    pub mark: Option<u32>,
    /// `SO_SNDBUF` in bytes (`sndbuf`); our own default otherwise.
    pub send_buffer: Option<usize>,
    /// `SO_RCVBUF` in bytes (`rcvbuf`); our own default otherwise.
    pub receive_buffer: Option<usize>,
    /// Packets from any address are let in (`float`): the UDP socket is not connected.
    pub float: bool,
    /// A UDP socket kept from before, used in place of a fresh one so that the port stays.
    pub inherited: Option<OwnedFd>,
}
