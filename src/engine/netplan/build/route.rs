//! The routes: into the tunnel, around it, and the whole address space in parts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::Notes;
use super::address::Addresses;
use crate::netplan::{HostRoute, Route, RouteVia};
use crate::profile::tunnel::{Redirect, RouteDestination, RouteOption, RouteWay, TunnelOptions};

/// All of IPv4, in parts that win over any default route.
const ALL_IPV4: [&str; 2] = ["0.0.0.0/1", "128.0.0.0/1"];
/// All of IPv6, in parts that win over any default route, also over one to `2000::/3`.
const ALL_IPV6: [&str; 4] = ["::/1", "8000::/1", "2000::/4", "3000::/4"];

/// The routes of a plan while they are gathered.
pub(super) struct Routes<'a> {
    tunnel: &'a TunnelOptions,
    addresses: &'a Addresses,
    server: IpAddr,
    /// The routes, in order, each once.
    pub(super) list: Vec<Route>,
    /// Where routes of the list lead to, and with which metric.
    known: BTreeSet<(IpNet, Option<u32>)>,
    /// Those to hosts that are still to be looked up.
    pub(super) to_hosts: Vec<HostRoute>,
}

impl<'a> Routes<'a> {
    pub(super) const fn new(
        tunnel: &'a TunnelOptions,
        addresses: &'a Addresses,
        server: IpAddr,
    ) -> Self {
        Self {
            tunnel,
            addresses,
            server,
            list: Vec::new(),
            known: BTreeSet::new(),
            to_hosts: Vec::new(),
        }
    }

    /// All routes: what the options name, then the redirection.
    pub(super) fn add_all(&mut self, notes: &mut Notes) {
        for option in &self.tunnel.routes {
            let added = match &option.destination {
                RouteDestination::Host { name, prefix } => self.add_host(option, name, *prefix),
                RouteDestination::NetGateway
                | RouteDestination::Network(_)
                | RouteDestination::RemoteHost
                | RouteDestination::VpnGateway => self
                    .route(option)
                    .and_then(|route| self.not_to_server(route))
                    .map(|route| self.add(route)),
            };
            match added {
                Ok(()) => self.note_unreachable(option, notes),
                Err(why) => notes.add("route", format!("{} is left out: {why}", shown(option))),
            }
        }
        let Some(redirect) = self.tunnel.redirect.filter(Redirect::default_route) else {
            return;
        };
        if redirect.ipv4 {
            self.add_everything(&ALL_IPV4);
        }
        if redirect.ipv6 {
            self.add_everything(&ALL_IPV6);
        }
        for (wanted, has, name) in [
            (redirect.ipv4, self.addresses.has_ipv4(), "IPv4"),
            (redirect.ipv6, self.addresses.has_ipv6(), "IPv6"),
        ] {
            if wanted && !has {
                let text = format!("{name} is unreachable: the tunnel has no {name} address");
                notes.add("redirect-gateway", text);
            }
        }
    }

    /// A route of a family that the tunnel does not carry is still wanted: what it names must not go outside.
    fn note_unreachable(&self, option: &RouteOption, notes: &mut Notes) {
        let unreachable = self.list.last().is_some_and(|route| {
            matches!(route.via, RouteVia::Tunnel(_))
                && !self.addresses.has_family_of(route.destination.addr())
        });
        if unreachable && matches!(option.destination, RouteDestination::Network(_)) {
            let text = format!(
                "{} is unreachable: the tunnel has no address of this family",
                shown(option)
            );
            notes.add("route", text);
        }
    }

    /// What must stay outside of the tunnel: the server, where a route would take it inside. `blocked`: its family is.
    pub(super) fn bypass(&self, blocked: bool) -> Vec<IpAddr> {
        let redirect = self.tunnel.redirect;
        if redirect.is_some_and(|redirect| redirect.local) {
            return Vec::new();
        }
        let covered = self.list.iter().any(|route| {
            matches!(route.via, RouteVia::Tunnel(_)) && route.destination.contains(&self.server)
        });
        // Any of their addresses may be the server's.
        let maybe_covered = self
            .to_hosts
            .iter()
            .any(|route| matches!(route.via, RouteVia::Tunnel(_)));
        if covered || maybe_covered || blocked || redirect.is_some_and(|redirect| redirect.private)
        {
            vec![self.server]
        } else {
            Vec::new()
        }
    }

    fn route(&self, option: &RouteOption) -> Result<Route, &'static str> {
        let destination = self.destination(&option.destination)?;
        let via = self.via(option.gateway, destination.addr())?;
        let metric = option.metric.or(self.tunnel.route_metric);
        Ok(Route {
            destination,
            via,
            metric,
        })
    }

    /// A route of its own to the server would win over the one that keeps it outside, with a better metric at least.
    fn not_to_server(&self, route: Route) -> Result<Route, &'static str> {
        let is_inside = matches!(route.via, RouteVia::Tunnel(_));
        if is_inside && route.destination == IpNet::from(self.server) {
            return Err("it is the server itself, which stays outside of the tunnel");
        }
        Ok(route)
    }

    fn add_host(
        &mut self,
        option: &RouteOption,
        name: &str,
        prefix: u8,
    ) -> Result<(), &'static str> {
        let route = HostRoute {
            host: name.to_owned(),
            prefix,
            via: self.via(option.gateway, Ipv4Addr::UNSPECIFIED.into())?,
            metric: option.metric.or(self.tunnel.route_metric),
        };
        if !self.to_hosts.contains(&route) {
            self.to_hosts.push(route);
        }
        Ok(())
    }

    fn destination(&self, destination: &RouteDestination) -> Result<IpNet, &'static str> {
        match destination {
            RouteDestination::Network(network) => Ok(*network),
            RouteDestination::RemoteHost => Ok(self.server.into()),
            RouteDestination::VpnGateway => self
                .addresses
                .gateway4
                .map(|gateway| IpAddr::V4(gateway).into())
                .ok_or("the gateway inside of the tunnel is not known"),
            RouteDestination::NetGateway => Err("the gateway outside is reached anyway"),
            RouteDestination::Host { .. } => Err("its addresses are not known"),
        }
    }

    fn via(&self, way: RouteWay, family: IpAddr) -> Result<RouteVia, &'static str> {
        match way {
            RouteWay::NetGateway => Ok(RouteVia::PreviousDefault),
            RouteWay::RemoteHost if self.server.is_ipv4() == family.is_ipv4() => {
                Ok(RouteVia::Gateway(self.server))
            }
            RouteWay::RemoteHost => Err("the server has no address of this family"),
            RouteWay::Address(gateway) if !self.leads_inside(gateway) => {
                Ok(RouteVia::Gateway(gateway))
            }
            RouteWay::Address(gateway) => Ok(RouteVia::Tunnel(
                Some(gateway).filter(|it| self.addresses.is_inside(*it)),
            )),
            RouteWay::Default | RouteWay::VpnGateway => {
                Ok(RouteVia::Tunnel(self.addresses.gateway_for(family)))
            }
        }
    }

    /// Whether a gateway stands for the tunnel. One of IPv6 does so always, whatever it is.
    fn leads_inside(&self, gateway: IpAddr) -> bool {
        gateway.is_ipv6()
            || self.addresses.is_inside(gateway)
            || self.addresses.gateway4.is_some_and(|own| gateway == own)
    }

    /// A route of everything becomes its parts.
    fn add(&mut self, route: Route) {
        let whole = route.destination.prefix_len() == 0;
        if !whole || !matches!(route.via, RouteVia::Tunnel(_)) {
            return self.push(route);
        }
        let parts: &[&str] = if route.destination.addr().is_ipv4() {
            &ALL_IPV4
        } else {
            &ALL_IPV6
        };
        for destination in parts.iter().filter_map(|part| part.parse().ok()) {
            self.push(Route {
                destination,
                ..route.clone()
            });
        }
    }

    fn add_everything(&mut self, parts: &[&str]) {
        for destination in parts.iter().filter_map(|part| part.parse::<IpNet>().ok()) {
            let via = RouteVia::Tunnel(self.addresses.gateway_for(destination.addr()));
            self.push(Route {
                destination,
                via,
                metric: self.tunnel.route_metric,
            });
        }
    }

    fn push(&mut self, route: Route) {
        if self.known.insert((route.destination, route.metric)) {
            self.list.push(route);
        }
    }
}

fn shown(option: &RouteOption) -> String {
    match &option.destination {
        RouteDestination::Host { name, .. } => name.clone(),
        RouteDestination::NetGateway => "net_gateway".to_owned(),
        RouteDestination::Network(network) => network.to_string(),
        RouteDestination::RemoteHost => "remote_host".to_owned(),
        RouteDestination::VpnGateway => "vpn_gateway".to_owned(),
    }
}
