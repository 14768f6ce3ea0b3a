//! How the socket of an attempt is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use openvpn_engine::config::SocketSettings;

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
    /// What is set for a socket to `server`. A local name that is no address is not looked up.
    #[must_use]
    pub fn new(settings: &SocketSettings, server: SocketAddr) -> Self {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let host = match &settings.local {
            Some(local) => local.parse().ok(),
            None => settings.local_port.map(|_| any),
        };
        Self {
            local: host.map(|host| SocketAddr::new(host, settings.local_port.unwrap_or(0))),
            device: settings.device.clone(),
            mark: settings.mark,
            send_buffer: settings
                .send_buffer
                .and_then(|size| usize::try_from(size).ok()),
            receive_buffer: settings
                .receive_buffer
                .and_then(|size| usize::try_from(size).ok()),
            float: settings.float,
            inherited: None,
        }
    }
}
