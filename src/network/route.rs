//! Routes as the kernel has them: add, remove, list, ask.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the lists of the kernel's messages are open"
)]

use std::fmt;
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlag, RouteMessage, RouteNextHop, RouteNextHopFlag,
    RouteProtocol, RouteScope, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;

use crate::network::netlink::{Ask, Kernel, ROUTE_PROTOCOL};

/// The main routing table.
pub(crate) const MAIN_TABLE: u32 = 254;

/// The tables of devices begin here.
pub(crate) const FIRST_OWN_TABLE: u32 = 194_000;

/// What the kernel stores where a route of IPv6 has no metric.
const DEFAULT_METRIC_OF_IPV6: u32 = 1024;

/// One route of ours, with its way found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KernelRoute {
    pub(crate) destination: IpNet,
    pub(crate) table: u32,
    pub(crate) metric: Option<u32>,
    pub(crate) target: Target,
}

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To the next table.
    Throw,
    /// To an error for the sender.
    Unreachable,
    /// Out of an interface.
    Way(Way),
}

/// The next hop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    /// The router; `None`: the destination is on the link.
    pub(crate) gateway: Option<IpAddr>,
    /// The interface's index.
    pub(crate) interface: u32,
}

/// A route that somebody has put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SeenRoute {
    pub(crate) route: KernelRoute,
    /// It carries our protocol number.
    pub(crate) ours: bool,
    /// The kernel made it for an address of the interface.
    pub(crate) of_address: bool,
    /// Whether the network that the host is in asked for it.
    pub(crate) learned: Learned,
    /// Its interface can send.
    pub(crate) alive: bool,
}

/// Table, destination and metric.
pub(crate) type RouteKey = (u32, IpNet, Option<u32>);

/// Whether a route is one of the network's that the host is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Learned {
    /// Somebody put it there.
    #[default]
    No,
    /// A DHCP server named it, or a router by an ICMP redirect.
    Dhcp,
    /// A router advertised it.
    RouterAdvertisement,
}

impl fmt::Display for KernelRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination)?;
        match self.target {
            Target::Throw => write!(f, " (throw)")?,
            Target::Unreachable => write!(f, " (unreachable)")?,
            Target::Way(Way { gateway, interface }) => {
                if let Some(gateway) = gateway {
                    write!(f, " via {gateway}")?;
                }
                write!(f, " on interface {interface}")?;
            }
        }
        if let Some(metric) = self.metric {
            write!(f, " metric {metric}")?;
        }
        if self.table != MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}

impl KernelRoute {
    /// Whether the kernel takes two routes for one: it has a single route per destination, table and metric.
    #[cfg(test)]
    pub(crate) fn same_key(&self, other: &Self) -> bool {
        self.key() == other.key()
    }

    /// Whether the route vanishes with this interface.
    pub(crate) fn is_through(&self, index: u32) -> bool {
        matches!(self.target, Target::Way(way) if way.interface == index)
    }

    /// Whether packets go into the tunnel by it, or nowhere.
    pub(crate) fn leads_into(&self, tunnel: u32) -> bool {
        self.target == Target::Unreachable || self.is_through(tunnel)
    }

    /// With its metric as the kernel stores it: where none is wanted it is 0 for IPv4, 1024 for IPv6.
    pub(crate) fn normal(self) -> Self {
        let default = self
            .destination
            .addr()
            .is_ipv6()
            .then_some(DEFAULT_METRIC_OF_IPV6);
        Self {
            metric: self.metric.filter(|metric| *metric != 0).or(default),
            ..self
        }
    }

    /// What the kernel tells routes apart by.
    pub(crate) fn key(&self) -> RouteKey {
        (self.table, self.destination, self.normal().metric)
    }
}

/// Adds a route; `AlreadyExists` if there is one to the same destination with the same metric, unless that one is
/// known to be ours and may be replaced.
pub(crate) async fn add(kernel: &Kernel, route: &KernelRoute, replace: bool) -> io::Result<()> {
    create(kernel, message_of(route), replace).await
}

/// The same where no other route leads to the router, which is on the link all the same.
pub(crate) async fn add_on_link(
    kernel: &Kernel,
    route: &KernelRoute,
    replace: bool,
) -> io::Result<()> {
    let mut message = message_of(route);
    message.header.flags.push(RouteFlag::Onlink);
    create(kernel, message, replace).await
}

async fn create(kernel: &Kernel, message: RouteMessage, replace: bool) -> io::Result<()> {
    let ask = if replace {
        Ask::CreateOrReplace
    } else {
        Ask::Create
    };
    kernel
        .request(RouteNetlinkMessage::NewRoute(message), ask)
        .await?;
    Ok(())
}

/// Removes a route of ours. One that is gone already is as good.
pub(crate) async fn remove(kernel: &Kernel, route: &KernelRoute) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelRoute(message_of(route));
    match kernel.request(message, Ask::Perform).await {
        Err(error) if is_gone(&error) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Removes a route that somebody else made for us, whatever protocol it carries. One that is gone already is as good.
pub(crate) async fn remove_foreign(kernel: &Kernel, route: &KernelRoute) -> io::Result<()> {
    let mut message = message_of(route);
    message.header.protocol = RouteProtocol::Unspec;
    let message = RouteNetlinkMessage::DelRoute(message);
    match kernel.request(message, Ask::Perform).await {
        Err(error) if is_gone(&error) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// All unicast and unreachable routes of one address family, in all tables.
pub(crate) async fn list(kernel: &Kernel, v6: bool) -> io::Result<Vec<SeenRoute>> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(v6);
    let answers = kernel
        .request(RouteNetlinkMessage::GetRoute(message), Ask::Dump)
        .await?;
    let mut seen = Vec::new();
    for answer in answers {
        if let RouteNetlinkMessage::NewRoute(message) = answer {
            seen.extend(seen_of(&message));
        }
    }
    Ok(seen)
}

/// Where a packet would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leads {
    /// To this host itself.
    Here,
    /// Nowhere.
    Nowhere,
    /// Out of an interface.
    Out(Way),
}

/// Asks the kernel which way a packet to `address` would go now, by all its rules and tables.
pub(crate) async fn way_to(kernel: &Kernel, address: IpAddr) -> io::Result<Leads> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(address.is_ipv6());
    message.header.destination_prefix_length = if address.is_ipv6() { 128 } else { 32 };
    message
        .attributes
        .push(RouteAttribute::Destination(route_address(address)));
    let answers = match kernel
        .request(RouteNetlinkMessage::GetRoute(message), Ask::Query)
        .await
    {
        Err(error) if has_no_way(&error) => return Ok(Leads::Nowhere),
        other => other?,
    };
    let Some(RouteNetlinkMessage::NewRoute(found)) = answers.into_iter().next() else {
        return Ok(Leads::Nowhere);
    };
    Ok(match (found.header.kind, way_of(&found)) {
        (RouteType::Local, _) => Leads::Here,
        (RouteType::Unicast, Some(way)) => Leads::Out(way),
        _ => Leads::Nowhere,
    })
}

/// Whether an error of removing means that there was nothing to remove.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::SRCH | Errno::NODEV | Errno::NXIO | Errno::ADDRNOTAVAIL | Errno::NOENT)
    )
}

/// Whether an error of asking or adding means that no way leads there.
pub(crate) fn has_no_way(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH | Errno::ACCESS | Errno::INVAL)
    )
}

fn message_of(route: &KernelRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    let v6 = matches!(route.destination, IpNet::V6(_));
    message.header.address_family = family(v6);
    message.header.protocol = RouteProtocol::Other(ROUTE_PROTOCOL);
    message.header.destination_prefix_length = route.destination.prefix_len();
    message.header.scope = RouteScope::Universe;
    message.header.kind = RouteType::Unicast;
    match u8::try_from(route.table) {
        Ok(table) => message.header.table = table,
        Err(_) => message.attributes.push(RouteAttribute::Table(route.table)),
    }
    message
        .attributes
        .push(RouteAttribute::Destination(route_address(
            route.destination.addr(),
        )));
    match route.target {
        Target::Throw => message.header.kind = RouteType::Throw,
        Target::Unreachable => message.header.kind = RouteType::Unreachable,
        Target::Way(Way { gateway, interface }) => {
            message.attributes.push(RouteAttribute::Oif(interface));
            match gateway {
                // By one of scope "link" in a table that counts first, the kernel would look for the next hops of
                // everybody's routes in the tunnel.
                None if !v6 && route.table < FIRST_OWN_TABLE => {
                    message.header.scope = RouteScope::Link;
                }
                None => {}
                Some(IpAddr::V6(gateway)) if !v6 => message
                    .attributes
                    .push(RouteAttribute::Via(RouteVia::Inet6(gateway))),
                Some(gateway) => message
                    .attributes
                    .push(RouteAttribute::Gateway(route_address(gateway))),
            }
        }
    }
    if let Some(metric) = route.metric {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    message
}

fn seen_of(message: &RouteMessage) -> Option<SeenRoute> {
    let header = &message.header;
    if header.source_prefix_length != 0 || header.flags.contains(&RouteFlag::Cloned) {
        return None;
    }
    let target = match header.kind {
        RouteType::Unicast => Target::Way(way_of(message)?),
        RouteType::Throw => Target::Throw,
        RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit => Target::Unreachable,
        _ => return None,
    };
    let v6 = header.address_family == AddressFamily::Inet6;
    Some(SeenRoute {
        route: KernelRoute {
            destination: destination_of(message, v6)?,
            table: table_of(message),
            metric: message
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    RouteAttribute::Priority(metric) => Some(*metric),
                    _ => None,
                }),
            target,
        },
        ours: header.protocol == RouteProtocol::Other(ROUTE_PROTOCOL),
        of_address: header.protocol == RouteProtocol::Kernel,
        learned: match header.protocol {
            RouteProtocol::Dhcp | RouteProtocol::IcmpRedirect => Learned::Dhcp,
            RouteProtocol::Ra => Learned::RouterAdvertisement,
            _ => Learned::No,
        },
        alive: ![RouteFlag::Dead, RouteFlag::Linkdown]
            .iter()
            .any(|flag| header.flags.contains(flag)),
    })
}

fn destination_of(message: &RouteMessage, v6: bool) -> Option<IpNet> {
    let address = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Destination(address) => ip_address(address),
            _ => None,
        })
        .unwrap_or_else(|| {
            if v6 {
                IpAddr::from([0_u16; 8])
            } else {
                IpAddr::from([0_u8; 4])
            }
        });
    IpNet::new(address, message.header.destination_prefix_length).ok()
}

fn table_of(message: &RouteMessage) -> u32 {
    message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        })
        .unwrap_or_else(|| u32::from(message.header.table))
}

/// The next hop of a route; of several ones the first that is alive.
fn way_of(message: &RouteMessage) -> Option<Way> {
    for attribute in &message.attributes {
        if let RouteAttribute::MultiPath(hops) = attribute {
            return hops.iter().find(|hop| is_alive(hop)).map(|hop| Way {
                gateway: gateway_of(&hop.attributes),
                interface: hop.interface_index,
            });
        }
    }
    let interface = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            RouteAttribute::Oif(index) => Some(*index),
            _ => None,
        })?;
    Some(Way {
        gateway: gateway_of(&message.attributes),
        interface,
    })
}

fn is_alive(hop: &RouteNextHop) -> bool {
    !hop.flags
        .iter()
        .any(|flag| [RouteNextHopFlag::Dead, RouteNextHopFlag::Linkdown].contains(flag))
}

fn gateway_of(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(address) => ip_address(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    })
}

fn ip_address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn route_address(address: IpAddr) -> RouteAddress {
    match address {
        IpAddr::V4(address) => RouteAddress::Inet(address),
        IpAddr::V6(address) => RouteAddress::Inet6(address),
    }
}

fn family(v6: bool) -> AddressFamily {
    if v6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    }
}
