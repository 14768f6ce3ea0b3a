//! One attempt as the session orders it: the connection's configuration, and the socket for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use openvpn_engine::config::ConnectionConfig;
use openvpn_engine::config::SocketSettings;
use openvpn_engine::proxy::ProxySetup;

/// One attempt at one address.
#[derive(Debug)]
pub struct Attempt {
    /// All that the connection needs.
    pub config: ConnectionConfig,
    /// How to reach the server, if not directly.
    pub proxy_setup: Option<ProxySetup>,
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
    /// A UDP socket kept from before, used in place of a fresh one so that the port stays; or a TCP socket that is
    /// connected already.
    pub inherited: Option<OwnedFd>,
}

impl SocketOptions {
    /// What is wished for a socket to `server`. A local name that is no address is not looked up.
    #[must_use]
    pub fn new(wishes: &SocketSettings, server: SocketAddr) -> Self {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let host = match &wishes.local {
            Some(local) => local.parse().ok(),
            None => wishes.local_port.map(|_| any),
        };
        Self {
            local: host.map(|host| SocketAddr::new(host, wishes.local_port.unwrap_or(0))),
            device: wishes.device.clone(),
            mark: wishes.mark,
            send_buffer: wishes
                .send_buffer
                .and_then(|size| usize::try_from(size).ok()),
            receive_buffer: wishes
                .receive_buffer
                .and_then(|size| usize::try_from(size).ok()),
            float: wishes.float,
            inherited: None,
        }
    }
}
