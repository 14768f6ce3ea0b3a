//! A plan in the words of the stock netcfg service: nothing that it does not know, and nothing that it dies of.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use tracing::warn;

use crate::network::netcfg::service::Network;
use openvpn_engine::netplan::{DeviceAddress, DnsPlan, DnsSec, DnsTransport, NetPlan, RouteVia};

/// What the service is told of a plan. All addresses are of their family, networks have no host bits, and where there
/// is a route of a family there are an address and a gateway of it: versions 24 and 25 end with anything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RemotePlan {
    pub(crate) addresses: Vec<Address>,
    pub(crate) reroute_ipv4: bool,
    pub(crate) reroute_ipv6: bool,
    pub(crate) networks: Vec<Network>,
    pub(crate) mtu: Option<u16>,
    pub(crate) queue_length: Option<u16>,
    pub(crate) dns: Option<Dns>,
}

/// An address of the device, and the gateway of all routes of its family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) network: IpNet,
    pub(crate) gateway: IpAddr,
}

/// Name resolution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dns {
    pub(crate) servers: Vec<String>,
    pub(crate) domains: Vec<String>,
    pub(crate) scope: &'static str,
    pub(crate) dnssec: Option<&'static str>,
    pub(crate) transport: Option<&'static str>,
}

impl RemotePlan {
    /// Translates a plan. What cannot be said is left out, with a warning.
    pub(crate) fn of(plan: &NetPlan) -> Self {
        say_what_is_left_out(plan);
        let mut this = Self {
            addresses: addresses(plan),
            mtu: Some(plan.mtu).filter(|mtu| *mtu > 0),
            queue_length: plan
                .queue_length
                .map(|it| it.try_into().unwrap_or(u16::MAX)),
            dns: dns(&plan.dns),
            ..Self::default()
        };
        this.add_networks(plan);
        this
    }

    fn add_networks(&mut self, plan: &NetPlan) {
        self.reroute_ipv4 = self.has(false) && leads_inside(plan, &IPV4_HALVES);
        self.reroute_ipv6 = self.has(true) && leads_inside(plan, &IPV6_HALVES);
        for address in &plan.addresses {
            // The far end of a line of two is not in the device's own subnet.
            if let Some(peer) = address.peer.filter(|it| !address.network.contains(it)) {
                self.add(IpNet::from(peer), None, false);
            }
        }
        for route in &plan.routes {
            let excluded = match route.via {
                RouteVia::Tunnel(_) => false,
                RouteVia::PreviousDefault => true,
                RouteVia::Gateway(gateway) => {
                    warn!(destination = %route.destination, %gateway, "netcfg has no routes by such gateways: left out");
                    continue;
                }
            };
            let ipv6 = route.destination.addr().is_ipv6();
            if excluded && ipv6 {
                warn!(destination = %route.destination, "netcfg keeps no IPv6 out of the tunnel: left out");
                continue;
            }
            let halves: &[&str] = if ipv6 { &IPV6_HALVES } else { &IPV4_HALVES };
            let rerouted = if ipv6 {
                self.reroute_ipv6
            } else {
                self.reroute_ipv4
            };
            if rerouted && !excluded && is_one_of(route.destination, halves) {
                continue;
            }
            self.add(route.destination, route.metric, excluded);
        }
    }

    fn add(&mut self, destination: IpNet, metric: Option<u32>, excluded: bool) {
        let network = Network {
            address: destination.network(),
            prefix: destination.prefix_len(),
            metric,
            excluded,
        };
        let usable = excluded || self.has(network.address.is_ipv6());
        if !usable {
            warn!(%destination, "netcfg makes nothing unreachable: this may go outside of the tunnel");
        }
        if usable && !self.networks.contains(&network) {
            self.networks.push(network);
        }
    }

    fn has(&self, ipv6: bool) -> bool {
        self.addresses
            .iter()
            .any(|address| address.network.addr().is_ipv6() == ipv6)
    }
}

/// One address of each family: the service has no more.
fn addresses(plan: &NetPlan) -> Vec<Address> {
    let mut addresses: Vec<Address> = Vec::new();
    for address in &plan.addresses {
        let family = address.network.addr().is_ipv6();
        if addresses
            .iter()
            .any(|it| it.network.addr().is_ipv6() == family)
        {
            warn!(address = %address.network, "netcfg has one address of a family: left out");
            continue;
        }
        addresses.push(Address {
            network: address.network,
            gateway: gateway(plan, address),
        });
    }
    addresses
}

/// The gateway of all routes of the address's family. On such a device it only matters that the kernel takes it: one
/// in the device's subnet if the plan knows one, else our own address (IPv4) or any link-local one (IPv6).
fn gateway(plan: &NetPlan, address: &DeviceAddress) -> IpAddr {
    let routes = plan.routes.iter().filter_map(|route| match route.via {
        RouteVia::Tunnel(gateway) => gateway,
        RouteVia::Gateway(_) | RouteVia::PreviousDefault => None,
    });
    let own = address.network.addr();
    let known = address
        .peer
        .into_iter()
        .chain(routes)
        .find(|it| *it != own && address.network.contains(it));
    known.unwrap_or(match own {
        IpAddr::V4(_) => own,
        IpAddr::V6(_) => IpAddr::V6(ANY_LINK_LOCAL),
    })
}

fn dns(plan: &DnsPlan) -> Option<Dns> {
    if plan.is_empty() {
        return None;
    }
    let transport = match plan.transport {
        Some(DnsTransport::Tls) => Some("dot"),
        Some(DnsTransport::Plain) => Some("plain"),
        Some(DnsTransport::Https) => {
            warn!("DNS over HTTPS is not available");
            None
        }
        None => None,
    };
    let usual = match plan.transport {
        Some(DnsTransport::Tls) => 853,
        Some(DnsTransport::Plain | DnsTransport::Https) | None => 53,
    };
    let mut servers = Vec::new();
    for server in &plan.servers {
        let port = server.address.port();
        if port == 0 || port == usual {
            servers.push(server.address.ip().to_canonical().to_string());
        } else {
            warn!(server = %server.address, "netcfg knows the usual port for DNS only: left out");
        }
    }
    let mut domains: Vec<String> = Vec::new();
    for domain in plan.search_domains.iter().chain(&plan.routing_domains) {
        let domain = domain.trim_start_matches('~');
        if !domain.is_empty() && !domains.iter().any(|known| known == domain) {
            domains.push(domain.to_owned());
        }
    }
    Some(Dns {
        servers,
        domains,
        scope: if plan.routing_domains.is_empty() {
            "global"
        } else {
            "tunnel"
        },
        dnssec: plan.dnssec.map(|mode| match mode {
            DnsSec::No => "no",
            DnsSec::Optional => "optional",
            DnsSec::Yes => "yes",
        }),
        transport,
    })
}

fn leads_inside(plan: &NetPlan, parts: &[&str]) -> bool {
    let inside = |part: &&str| {
        plan.routes.iter().any(|route| {
            is_one_of(route.destination, &[part]) && matches!(route.via, RouteVia::Tunnel(_))
        })
    };
    parts.iter().all(inside)
}

fn is_one_of(destination: IpNet, parts: &[&str]) -> bool {
    parts.iter().any(|part| part.parse() == Ok(destination))
}

fn say_what_is_left_out(plan: &NetPlan) {
    for (wanted, what) in [
        (plan.block_ipv4, "IPv4 beside the tunnel is not blocked"),
        (plan.block_ipv6, "IPv6 beside the tunnel is not blocked"),
        (plan.block_local, "the local subnets stay reachable"),
        (plan.bypass_dhcp, "DHCP servers are not kept outside"),
        (plan.bypass_dns, "name servers are not kept outside"),
        (plan.table.is_some(), "routes go to the main table"),
    ] {
        if wanted {
            warn!("netcfg cannot do all of what is wanted: {what}");
        }
    }
}

const IPV4_HALVES: [&str; 2] = ["0.0.0.0/1", "128.0.0.0/1"];
const IPV6_HALVES: [&str; 2] = ["::/1", "8000::/1"];
const ANY_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
