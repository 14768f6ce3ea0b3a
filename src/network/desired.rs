//! `Desired`: what must be in force for a plan, worked out from the plan and the host's other routes alone.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::network::next_hop::{self, halves};
use crate::network::requested_routes::{all_ipv4, all_ipv6, block, host, into_tunnel};
use crate::network::route::{
    FIRST_OWN_TABLE, KernelRoute, Learned, MAIN_TABLE, RouteKey, SeenRoute, Target, Way,
};
use crate::network::rule::Rule;
use openvpn_engine::netplan::{DeviceAddress, NetPlan, Route, RouteVia};

/// What must be in force. It names no handle of this process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Desired {
    /// Addresses of the device.
    pub(crate) addresses: Vec<DeviceAddress>,
    /// Routes of all tables, in the order in which they are added.
    pub(crate) routes: Vec<KernelRoute>,
    /// Rules that make our own table count.
    pub(crate) rules: Vec<Rule>,
}

/// What is known when the desired state is worked out.
#[derive(Debug)]
pub(crate) struct Known<'a> {
    /// The plan.
    pub(crate) plan: &'a NetPlan,
    /// The device's index.
    pub(crate) tunnel: u32,
    /// Whether the device can have IPv6.
    pub(crate) ipv6: bool,
    /// Addresses that stay outside of the tunnel, with their next hops.
    pub(crate) outside: &'a [(IpAddr, Way)],
    /// Everybody else's routes.
    pub(crate) foreign: &'a [SeenRoute],
    /// What the kernel does not take, with whether it leads into the tunnel.
    pub(crate) rejected: &'a [(IpNet, bool)],
}

/// Something a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Remark {
    /// A route of the plan is not put in force.
    Rejected(IpNet, &'static str),
    /// Somebody else's route to the same destination does not count while the tunnel is up.
    Overruled(IpNet),
}

/// The routing table of a device's own.
pub(crate) const fn own_table(tunnel: u32) -> u32 {
    FIRST_OWN_TABLE.wrapping_add(tunnel)
}

impl Desired {
    /// What must be in force for a plan.
    ///
    /// The routes are in the main table, where people look for them. Where routes of others could take traffic out of
    /// the tunnel, the same routes are in a table of our own that counts first, with an exception for each route of
    /// others that may: subnets of the host's links, and what an administrator or another program put there.
    pub(crate) fn of(known: &Known<'_>) -> (Self, Vec<Remark>) {
        let mut remarks = Vec::new();
        let requested = known.requested(&mut remarks);
        let table = known.plan.table.unwrap_or(MAIN_TABLE);
        let mut desired = Self {
            addresses: known.addresses(),
            ..Self::default()
        };
        let mut routes = Vec::new();
        if table == MAIN_TABLE {
            for v6 in [false, true] {
                if known.fill_own_table(v6, &requested, &mut routes, &mut remarks) {
                    let table = own_table(known.tunnel);
                    desired.rules.push(Rule { v6, table });
                }
            }
        }
        let foreign = known.foreign.iter().map(|seen| seen.route.key());
        let taken: HashSet<RouteKey> = foreign.collect();
        routes.extend(
            requested
                .into_iter()
                .filter(|it| !taken.contains(&it.key())),
        );
        desired.set_routes(routes);
        (desired, remarks)
    }

    /// Sets the routes, each key once: the first counts, and any more than an exception to the same destination.
    pub(crate) fn set_routes(&mut self, routes: Vec<KernelRoute>) {
        let (exceptions, routes): (Vec<_>, Vec<_>) = routes
            .into_iter()
            .partition(|route| route.target == Target::Throw);
        let mut keys = HashSet::new();
        let mut kept: Vec<KernelRoute> = Vec::new();
        for route in routes.into_iter().chain(exceptions) {
            if keys.insert(route.key()) {
                kept.push(route);
            }
        }
        self.routes = kept;
    }
}

impl Known<'_> {
    fn addresses(&self) -> Vec<DeviceAddress> {
        let usable = |it: &&DeviceAddress| self.ipv6 || it.network.addr().is_ipv4();
        self.plan.addresses.iter().filter(usable).copied().collect()
    }

    /// Whether the tunnel carries a family.
    fn carries(&self, v6: bool) -> bool {
        let has = |it: &DeviceAddress| it.network.addr().is_ipv6() == v6;
        self.plan.addresses.iter().any(has) && (self.ipv6 || !v6)
    }

    /// The main table's routes of others. Those that the kernel made for the device's own addresses are among them.
    fn foreign_main(&self) -> impl Iterator<Item = &SeenRoute> {
        self.foreign
            .iter()
            .filter(|seen| seen.route.table == MAIN_TABLE)
    }

    /// The plan's routes: what stays outside comes first, so that no packet of ours is ever caught by the tunnel, then
    /// what protects, then what leads inside.
    fn requested(&self, remarks: &mut Vec<Remark>) -> Vec<KernelRoute> {
        let table = self.plan.table.unwrap_or(MAIN_TABLE);
        let mut routes: Vec<KernelRoute> = Vec::new();
        for (address, way) in self.outside {
            routes.push(host(*address, *way, table));
        }
        if self.plan.block_ipv4 {
            routes.extend(block(all_ipv4(), table));
        }
        if self.plan.block_ipv6 {
            routes.extend(block(all_ipv6(), table));
        }
        if self.plan.block_local {
            self.block_local(table, &mut routes);
        }
        for (at, planned) in self.plan.routes.iter().enumerate() {
            let earlier = self.plan.routes.get(..at).unwrap_or_default();
            match self.planned(planned, earlier, table) {
                Ok(found) => routes.extend(found),
                Err(reason) => remarks.push(Remark::Rejected(planned.destination, reason)),
            }
        }
        routes.retain(|route| {
            let key = (route.destination, route.leads_into(self.tunnel));
            !self.rejected.contains(&key)
        });
        routes.into_iter().map(KernelRoute::normal).collect()
    }

    fn block_local(&self, table: u32, routes: &mut Vec<KernelRoute>) {
        let target = Target::Way(Way {
            gateway: None,
            interface: self.tunnel,
        });
        for (subnet, default) in next_hop::local_subnets(self.foreign, self.tunnel) {
            if let Some(router) = default.gateway.filter(|router| subnet.contains(router)) {
                let way = Way {
                    gateway: None,
                    interface: default.interface,
                };
                routes.push(host(router, way, table));
            }
            let inside = |destination| KernelRoute {
                destination,
                table,
                metric: None,
                target,
            };
            routes.extend(halves(subnet).into_iter().map(inside));
        }
    }

    fn planned(
        &self,
        planned: &Route,
        earlier: &[Route],
        table: u32,
    ) -> Result<Vec<KernelRoute>, &'static str> {
        let way = match planned.via {
            RouteVia::Tunnel(gateway) => return Ok(self.inside(planned, gateway, table)),
            RouteVia::Gateway(gateway) => {
                match next_hop::on_link(self.foreign, gateway, self.tunnel) {
                    Some(interface) => Way {
                        gateway: Some(gateway),
                        interface,
                    },
                    None if leads_inside(earlier, gateway) => {
                        return Ok(self.inside(planned, None, table));
                    }
                    None => return Err("its gateway is on no link of this host"),
                }
            }
            RouteVia::PreviousDefault => {
                let v6 = planned.destination.addr().is_ipv6();
                next_hop::default_way(self.foreign, v6, self.tunnel)
                    .ok_or("there is no default route outside of the tunnel")?
            }
        };
        Ok(vec![KernelRoute {
            destination: planned.destination,
            table,
            metric: planned.metric,
            target: Target::Way(way),
        }])
    }

    /// A route into the tunnel; of a family that it does not carry: to nowhere, which is better than beside it.
    fn inside(&self, planned: &Route, gateway: Option<IpAddr>, table: u32) -> Vec<KernelRoute> {
        let near = |it: &DeviceAddress| {
            Some(it.network.addr()) != gateway
                && (it.peer == gateway
                    || gateway.is_some_and(|gateway| it.network.contains(&gateway)))
        };
        // One that is not in the device's own subnet only names the device.
        let gateway = gateway.filter(|_| self.plan.addresses.iter().any(near));
        let mut routes = into_tunnel(planned, gateway, self.tunnel, table);
        if !self.carries(planned.destination.addr().is_ipv6()) {
            for route in &mut routes {
                route.target = Target::Unreachable;
            }
        }
        routes
    }

    /// Fills the device's own table with what a family needs, if it needs one: to take all traffic, or because routes of
    /// others would take some out. The answer is whether it does.
    fn fill_own_table(
        &self,
        v6: bool,
        requested: &[KernelRoute],
        routes: &mut Vec<KernelRoute>,
        remarks: &mut Vec<Remark>,
    ) -> bool {
        let of_family = |net: IpNet| net.addr().is_ipv6() == v6;
        let ours = || requested.iter().filter(|it| of_family(it.destination));
        let inside = ours().filter(|route| route.leads_into(self.tunnel));
        let protected: HashSet<IpNet> = inside.map(|route| route.destination).collect();
        let covered = |to: &IpNet| protected.iter().any(|net| net.contains(to));
        let mut needed = protected.iter().any(|it| it.prefix_len() <= SHORT_PREFIX);
        let table = own_table(self.tunnel);
        for seen in self
            .foreign_main()
            .filter(|it| of_family(it.route.destination))
        {
            let to = seen.route.destination;
            if protected.contains(&to) {
                if !seen.route.is_through(self.tunnel) {
                    needed = true;
                    let remark = Remark::Overruled(to);
                    if !remarks.contains(&remark) {
                        remarks.push(remark);
                    }
                }
            } else if covered(&to) {
                if seen.is_learned() {
                    needed = true;
                    continue;
                }
                let exception = KernelRoute {
                    destination: to,
                    table,
                    metric: None,
                    target: Target::Throw,
                };
                routes.push(exception.normal());
            }
        }
        if !needed {
            routes.retain(|route| !of_family(route.destination));
            return false;
        }
        for route in ours() {
            let mut route = KernelRoute { table, ..*route };
            if let Target::Way(way) = &mut route.target {
                if way.interface == self.tunnel {
                    way.gateway = None;
                }
            }
            routes.push(route);
        }
        true
    }
}

impl SeenRoute {
    /// Whether the network that the host happens to be in made the route. A prefix of IPv6 on the link, no shorter than
    /// addresses are made from, is the host's own subnet.
    fn is_learned(&self) -> bool {
        let on_link = matches!(self.route.target, Target::Way(way) if way.gateway.is_none());
        match self.learned {
            Learned::No => false,
            Learned::Dhcp => true,
            Learned::RouterAdvertisement => {
                !(on_link && self.route.destination.prefix_len() >= SUBNET_OF_IPV6)
            }
        }
    }
}

/// Whether a route that was named before leads to the gateway through the tunnel.
fn leads_inside(earlier: &[Route], gateway: IpAddr) -> bool {
    earlier.iter().any(|route| {
        matches!(route.via, RouteVia::Tunnel(_)) && route.destination.contains(&gateway)
    })
}

/// A route no longer than this is meant to take all traffic.
const SHORT_PREFIX: u8 = 4;
/// Addresses of router advertisements have prefixes of this length.
const SUBNET_OF_IPV6: u8 = 64;

#[cfg(test)]
#[path = "desired_tests.rs"]
mod tests;
