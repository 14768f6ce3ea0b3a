//! `NetPlan`: addresses, routes, DNS, MTU as they must become.

pub(crate) mod build;
pub(crate) mod diff;

pub use self::build::PlanError;
pub use self::diff::Difference;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

pub use super::settings::{DnsSec, DnsTransport};

/// The network as it must become while the session is connected. Two equal plans need no work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a request of its own, and they are independent"
)]
pub struct NetPlan {
    /// The device's name as the profile wants it: `tun` for the first free `tunN`, else the name itself.
    pub device: String,
    /// MTU of the device.
    pub mtu: u16,
    /// Length of the device's transmit queue in packets, if the profile sets it.
    pub queue_length: Option<u32>,
    /// Addresses of the device.
    pub addresses: Vec<DeviceAddress>,
    /// Routes, in the order in which they are to be added.
    pub routes: Vec<Route>,
    /// Routes to hosts whose addresses are still to be looked up, before the tunnel stands.
    pub host_routes: Vec<HostRoute>,
    /// The server's address (and others) that must stay outside of the tunnel: host routes by the way that was best
    /// before.
    pub bypass: Vec<IpAddr>,
    /// `redirect-gateway bypass-dhcp`: the DHCP servers of the host's links stay outside of the tunnel.
    pub bypass_dhcp: bool,
    /// `redirect-gateway bypass-dns`: the name servers in use before stay outside of the tunnel.
    pub bypass_dns: bool,
    /// Drop IPv4 that would leave the host beside the tunnel (`block-ipv4`).
    pub block_ipv4: bool,
    /// Drop IPv6 that would leave the host beside the tunnel (`block-ipv6`).
    pub block_ipv6: bool,
    /// `redirect-gateway block-local`: the local subnets are not reachable while connected.
    pub block_local: bool,
    /// Name resolution.
    pub dns: DnsPlan,
    /// `SO_MARK` of the transport socket, if the profile sets it.
    pub mark: Option<u32>,
    /// The routing table for the routes (`route-table`), the main one by default.
    pub table: Option<u32>,
}

impl NetPlan {
    /// Makes the device take no packets above `payload` bytes, as far as its addresses allow that: IPv6 needs 1280.
    pub fn fit_into(&mut self, payload: u16) {
        const IPV6_NEEDS: u16 = 1280;
        let ipv6 = self.addresses.iter().any(|it| it.network.addr().is_ipv6());
        let least = if ipv6 { IPV6_NEEDS } else { 0 };
        self.mtu = self.mtu.min(payload.max(least));
    }

    /// Whether it takes all traffic of a family into the tunnel, or keeps it from going anywhere else.
    #[must_use]
    pub fn captures(&self) -> bool {
        /// `def1` has two halves of all addresses, and IPv6 its `2000::/3`.
        const MOST: u8 = 3;
        let takes_most = |route: &Route| {
            matches!(route.via, RouteVia::Tunnel(_)) && route.destination.prefix_len() <= MOST
        };
        self.block_ipv4 || self.block_ipv6 || self.routes.iter().any(takes_most)
    }
}

/// An address of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceAddress {
    /// Address and prefix length.
    pub network: IpNet,
    /// The far end, for `net30` and `p2p` and where IPv6 names one.
    pub peer: Option<IpAddr>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where to. No host bits are set.
    pub destination: IpNet,
    /// Which way.
    pub via: RouteVia,
    /// Its metric, if one is wanted.
    pub metric: Option<u32>,
}

/// A route to each IPv4 address of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// The host's name.
    pub host: String,
    /// How many bits of each address count.
    pub prefix: u8,
    /// Which way.
    pub via: RouteVia,
    /// Its metric, if one is wanted.
    pub metric: Option<u32>,
}

/// Which way a route goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteVia {
    /// Through a gateway that lies outside of the tunnel.
    Gateway(IpAddr),
    /// The way the default route went before the tunnel (`net_gateway`).
    PreviousDefault,
    /// Into the tunnel; with the gateway inside of it where one is named. Where the device has no address of the
    /// destination's family: nowhere, and not outside.
    Tunnel(Option<IpAddr>),
}

/// Name resolution while connected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsPlan {
    /// Servers, the most wanted first; a port of 0 is the default one.
    pub servers: Vec<DnsServer>,
    /// Suffixes tried for short names.
    pub search_domains: Vec<String>,
    /// Domains that are to be resolved by these servers and by no others; empty: everything is.
    pub routing_domains: Vec<String>,
    /// DNSSEC, if the server asked for something.
    pub dnssec: Option<DnsSec>,
    /// The transport, if the server asked for something.
    pub transport: Option<DnsTransport>,
}

impl DnsPlan {
    /// Whether there is nothing to set up.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty() && self.search_domains.is_empty() && self.routing_domains.is_empty()
    }
}

/// One DNS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsServer {
    /// Address and port; a port of 0 is the transport's default.
    pub address: SocketAddr,
    /// The name for TLS, with DNS over TLS.
    pub name: Option<String>,
}
