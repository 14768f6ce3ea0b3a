//! Addresses, routes and redirection as options say them, in the profile as well as pushed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

/// `ifconfig A B`: what `second` is depends on the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ifconfig4 {
    /// Our address.
    pub local: Ipv4Addr,
    /// The netmask (`subnet`) or the far end's address (`net30`, `p2p`).
    pub second: Ipv4Addr,
}

/// `ifconfig-ipv6 A/bits [B]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ifconfig6 {
    /// Our address with its prefix length; host bits are set.
    pub network: Ipv6Net,
    /// The far end, if named.
    pub remote: Option<Ipv6Addr>,
}

/// `topology`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// A /30 per client; what servers mean that push none.
    #[default]
    Net30,
    /// Two host addresses, with nothing between them.
    P2p,
    /// One subnet for all clients.
    Subnet,
}

/// `route-gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteGateway {
    /// An address inside of the tunnel.
    Address(Ipv4Addr),
    /// By DHCP; only a layer-2 tunnel could ask.
    Dhcp,
}

/// `route` and `route-ipv6`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteOption {
    /// Where to.
    pub destination: RouteDestination,
    /// Which way.
    pub gateway: RouteWay,
    /// The metric, if named; `route-metric` stands in.
    pub metric: Option<u32>,
}

/// Where a route leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDestination {
    /// A name that must be resolved first; only from the profile, or with `allow-pull-fqdn`.
    Host(String),
    /// The default gateway that there was before the tunnel.
    NetGateway,
    /// A network without host bits.
    Network(IpNet),
    /// The server's address.
    RemoteHost,
    /// The gateway inside of the tunnel.
    VpnGateway,
}

/// Which way a route goes, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteWay {
    /// Through this address.
    Address(IpAddr),
    /// Not said: into the tunnel.
    Default,
    /// The way the default route went before the tunnel.
    NetGateway,
    /// Through the server's own address.
    RemoteHost,
    /// Into the tunnel.
    VpnGateway,
}

/// The flags of `redirect-gateway` and `redirect-private`, joined over all lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the option, and they are independent"
)]
pub struct Redirect {
    /// The default route goes into the tunnel; not so with `redirect-private`.
    pub default_route: bool,
    /// `def1`: two halves in place of the default route.
    pub def1: bool,
    /// `local`: the server is on our own link, and needs no bypass.
    pub local: bool,
    /// `autolocal`: find out whether the server is on our own link.
    pub autolocal: bool,
    /// `bypass-dhcp`: the DHCP server stays outside of the tunnel.
    pub bypass_dhcp: bool,
    /// `bypass-dns`: the DNS servers in use stay outside of the tunnel.
    pub bypass_dns: bool,
    /// `block-local`: the local subnets are not reachable.
    pub block_local: bool,
    /// IPv4 is redirected; off with `!ipv4`.
    pub ipv4: bool,
    /// IPv6 is redirected; on with `ipv6`.
    pub ipv6: bool,
}
