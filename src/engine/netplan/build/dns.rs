//! Name resolution: `dns` before `dhcp-option`, which names go through the tunnel, and the fallback.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::Notes;
use super::address::Addresses;
use crate::netplan::{DnsPlan, DnsServer, DnsTransport};
use crate::profile::dns::{DhcpOption, DnsServerOption};
use crate::profile::model::{DnsUse, Profile};
use crate::profile::tunnel::{Redirect, TunnelOptions};

/// Public servers for `dns-fallback-google`.
const PUBLIC: [Ipv4Addr; 2] = [Ipv4Addr::new(8, 8, 8, 8), Ipv4Addr::new(8, 8, 4, 4)];

/// How names are resolved while the tunnel is up.
///
/// All names go through the tunnel, unless the server named domains for its name servers (`resolve-domains`,
/// `DOMAIN-ROUTE`), or named domains at all (`DOMAIN`, `DOMAIN-SEARCH`) and does not take all traffic; by an override
/// the latter are for short names only.
pub(super) fn plan(
    profile: &Profile,
    tunnel: &TunnelOptions,
    addresses: &Addresses,
    notes: &mut Notes,
) -> DnsPlan {
    if profile.preferences.dns == DnsUse::Off {
        return DnsPlan::default();
    }
    let redirect = tunnel
        .redirect
        .filter(Redirect::default_route)
        .unwrap_or(NOTHING);
    let takes_ipv4 = redirect.ipv4 && addresses.has_ipv4();
    let takes_all = takes_ipv4 || (redirect.ipv6 && addresses.has_ipv6());
    let mut gathered = of_dns_options(tunnel, notes).unwrap_or_else(|| of_dhcp_options(tunnel));
    if gathered.plan.servers.is_empty() && profile.preferences.dns_fallback && takes_ipv4 {
        gathered.plan.servers = PUBLIC
            .iter()
            .map(|address| server((*address).into(), 0, None))
            .collect();
    }
    let mut plan = gathered.plan;
    plan.servers.retain(|server| is_usable(server, notes));
    if profile.preferences.dns == DnsUse::Tunnel {
        if plan.routing_domains.is_empty() {
            plan.routing_domains.clone_from(&plan.search_domains);
        }
        if plan.routing_domains.is_empty() && !plan.is_empty() {
            notes.add(
                "dns",
                "no domain was named, so that no name is resolved in the tunnel",
            );
            return DnsPlan::default();
        }
    } else if tunnel.block.outside_dns {
        plan.routing_domains.clear();
    } else if plan.routing_domains.is_empty()
        && gathered.domains_decide
        && profile.preferences.dns == DnsUse::Auto
        && !takes_all
    {
        plan.routing_domains.clone_from(&plan.search_domains);
    }
    if plan.routing_domains.iter().any(|domain| domain == ".") {
        plan.routing_domains.clear();
    }
    if plan.servers.is_empty() {
        plan.routing_domains.clear();
    }
    plan
}

/// Whether a server can be one: its address is some single host's.
fn is_usable(server: &DnsServer, notes: &mut Notes) -> bool {
    let address = server.address.ip();
    let broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    let usable = !(address.is_unspecified() || address.is_multicast() || broadcast);
    if !usable {
        notes.add(
            "dns",
            format!("{address} cannot be a name server's address"),
        );
    }
    usable
}

/// No redirection of either family.
const NOTHING: Redirect = Redirect {
    gateway: false,
    private: false,
    def1: false,
    local: false,
    autolocal: false,
    bypass_dhcp: false,
    bypass_dns: false,
    block_local: false,
    ipv4: false,
    ipv6: false,
};

/// A plan that is not finished.
struct Gathered {
    plan: DnsPlan,
    /// Where no domain is named for routing, the search domains are, unless all traffic is redirected.
    domains_decide: bool,
}

/// By the `dns` options; `None` if they name no server that can be used.
fn of_dns_options(tunnel: &TunnelOptions, notes: &mut Notes) -> Option<Gathered> {
    let mut usable = Vec::new();
    for (priority, option) in &tunnel.dns.servers {
        if option.addresses.is_empty() {
            notes.add(
                "dns",
                format!("server {priority} has no address and is left out"),
            );
        } else if option.transport == Some(DnsTransport::Https) {
            notes.add(
                "dns",
                format!("server {priority} wants DNS over HTTPS, which is not available"),
            );
        } else {
            usable.push(option);
        }
    }
    let best = *usable.first()?;
    let like_best = usable.iter().filter(|option| {
        option.resolve_domains == best.resolve_domains
            && option.transport == best.transport
            && option.dnssec == best.dnssec
    });
    let plan = DnsPlan {
        servers: like_best.flat_map(|option| servers(option)).collect(),
        search_domains: tunnel.dns.search_domains.clone(),
        routing_domains: best.resolve_domains.clone(),
        dnssec: best.dnssec,
        transport: best.transport,
    };
    Some(Gathered {
        plan,
        domains_decide: false,
    })
}

fn servers(option: &DnsServerOption) -> impl Iterator<Item = DnsServer> {
    option
        .addresses
        .iter()
        .map(|(address, port)| server(*address, *port, option.sni.clone()))
}

fn server(address: IpAddr, port: u16, name: Option<String>) -> DnsServer {
    DnsServer {
        address: SocketAddr::new(address, port),
        name,
    }
}

/// By the `dhcp-option`s, and the `dns search-domains` beside them.
fn of_dhcp_options(tunnel: &TunnelOptions) -> Gathered {
    let mut plan = DnsPlan::default();
    if tunnel.dns.servers.is_empty() {
        plan.search_domains.clone_from(&tunnel.dns.search_domains);
    }
    let mut suffix = None;
    for option in &tunnel.dhcp {
        match option {
            DhcpOption::Dns(address) => plan.servers.push(server(*address, 0, None)),
            DhcpOption::Domain(names) | DhcpOption::DomainSearch(names) => {
                plan.search_domains.extend(names.iter().cloned());
            }
            DhcpOption::DomainRoute(names) => plan.routing_domains.extend(names.iter().cloned()),
            // One by the server takes the place of the profile's.
            DhcpOption::AdapterDomainSuffix(name) => {
                suffix.get_or_insert_with(|| name.clone());
            }
            DhcpOption::Proxy(_) => {}
        }
    }
    plan.search_domains.splice(0..0, suffix);
    each_once(&mut plan.servers);
    each_once(&mut plan.search_domains);
    each_once(&mut plan.routing_domains);
    Gathered {
        plan,
        domains_decide: true,
    }
}

fn each_once<T: PartialEq>(list: &mut Vec<T>) {
    let mut at = 0;
    while at < list.len() {
        let (before, rest) = list.split_at(at);
        let known = rest.first().is_some_and(|item| before.contains(item));
        if known {
            list.remove(at);
        } else {
            at += 1;
        }
    }
}
