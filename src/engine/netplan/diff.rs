//! Two plans to the fewest changes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{DeviceAddress, DnsPlan, HostRoute, NetPlan, Route, RouteVia};

/// One change of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An address comes to the device.
    AddAddress(DeviceAddress),
    /// An address stays outside of the tunnel.
    AddBypass(IpAddr),
    /// Routes to the addresses of a host are added.
    AddHostRoute(HostRoute),
    /// A route is added. That it exists is no error.
    AddRoute(Route),
    /// IPv4 beside the tunnel is blocked, or is no longer.
    BlockIpv4(bool),
    /// IPv6 beside the tunnel is blocked, or is no longer.
    BlockIpv6(bool),
    /// The local subnets are blocked, or are no longer.
    BlockLocal(bool),
    /// The DHCP servers of the links stay outside of the tunnel, or need not.
    BypassDhcp(bool),
    /// The name servers in use before stay outside of the tunnel, or need not.
    BypassDns(bool),
    /// An address leaves the device.
    RemoveAddress(DeviceAddress),
    /// An address need not stay outside of the tunnel.
    RemoveBypass(IpAddr),
    /// The routes to the addresses of a host are removed.
    RemoveHostRoute(HostRoute),
    /// A route is removed. That it is gone is no error.
    RemoveRoute(Route),
    /// An address changes its netmask or far end. Routes of the device may vanish with the old one; those that must be
    /// there follow as [`Change::AddRoute`].
    ReplaceAddress {
        /// The address before.
        old: DeviceAddress,
        /// The address after.
        new: DeviceAddress,
    },
    /// A route to the same destination with the same metric leads another way.
    ReplaceRoute(Route),
    /// Name resolution becomes this.
    SetDns(DnsPlan),
    /// The device's MTU becomes this.
    SetMtu(u16),
    /// The length of the device's transmit queue becomes this.
    SetQueueLength(Option<u32>),
}

/// How one plan becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// These changes, in this order.
    NetworkMonitor(Vec<Change>),
    /// Device, mark or routing table differ: all must be taken back and set up anew.
    Rebuild,
}

impl NetPlan {
    /// What must be done to come from this plan to `next`. What protects comes before what it protects against: blocks
    /// and bypasses first when they come and last when they go, routes are added before others are removed.
    #[must_use]
    pub fn difference(&self, next: &Self) -> Difference {
        let fixed = |plan: &Self| (plan.device.clone(), plan.mark, plan.table);
        if fixed(self) != fixed(next) {
            return Difference::Rebuild;
        }
        let mut changes = Vec::new();
        self.blocks(next, true, &mut changes);
        changes.extend(missing(&next.bypass, &self.bypass).map(|it| Change::AddBypass(*it)));
        if self.mtu != next.mtu {
            changes.push(Change::SetMtu(next.mtu));
        }
        if self.queue_length != next.queue_length {
            changes.push(Change::SetQueueLength(next.queue_length));
        }
        let gone = self.address_changes(next, &mut changes);
        self.route_changes(next, &mut changes);
        let coming = missing(&next.host_routes, &self.host_routes);
        changes.extend(coming.cloned().map(Change::AddHostRoute));
        if self.dns != next.dns {
            changes.push(Change::SetDns(next.dns.clone()));
        }
        self.route_removals(next, &mut changes);
        let going = missing(&self.host_routes, &next.host_routes);
        changes.extend(going.cloned().map(Change::RemoveHostRoute));
        changes.extend(gone.into_iter().map(Change::RemoveAddress));
        changes.extend(missing(&self.bypass, &next.bypass).map(|it| Change::RemoveBypass(*it)));
        self.blocks(next, false, &mut changes);
        Difference::NetworkMonitor(changes)
    }

    fn blocks(&self, next: &Self, on: bool, changes: &mut Vec<Change>) {
        if next.block_ipv4 == on && self.block_ipv4 != on {
            changes.push(Change::BlockIpv4(on));
        }
        if next.block_ipv6 == on && self.block_ipv6 != on {
            changes.push(Change::BlockIpv6(on));
        }
        if next.block_local == on && self.block_local != on {
            changes.push(Change::BlockLocal(on));
        }
        if next.bypass_dhcp == on && self.bypass_dhcp != on {
            changes.push(Change::BypassDhcp(on));
        }
        if next.bypass_dns == on && self.bypass_dns != on {
            changes.push(Change::BypassDns(on));
        }
    }

    /// Addresses that come or are replaced; the answer is those that go.
    fn address_changes(&self, next: &Self, changes: &mut Vec<Change>) -> Vec<DeviceAddress> {
        let mut going: Vec<_> = missing(&self.addresses, &next.addresses).copied().collect();
        for new in missing(&next.addresses, &self.addresses).copied() {
            // The kernel takes the same address, or another of the same subnet, only for an addition to the old one,
            // and takes both away with it.
            let related = |old: &DeviceAddress| {
                old.network.addr() == new.network.addr()
                    || old.network.trunc() == new.network.trunc()
            };
            match going.iter().position(related) {
                Some(at) => {
                    let old = going.remove(at);
                    changes.push(Change::ReplaceAddress { old, new });
                }
                None => changes.push(Change::AddAddress(new)),
            }
        }
        going
    }

    /// Routes that come, lead another way, or must be seen to because an address was replaced.
    fn route_changes(&self, next: &Self, changes: &mut Vec<Change>) {
        let replaced = changes
            .iter()
            .any(|change| matches!(change, Change::ReplaceAddress { .. }));
        let before = ways(&self.routes);
        for route in &next.routes {
            match before.get(&place(route)) {
                Some(way) if *way != route.via => changes.push(Change::ReplaceRoute(route.clone())),
                Some(_) if !replaced => {}
                Some(_) | None => changes.push(Change::AddRoute(route.clone())),
            }
        }
    }

    fn route_removals(&self, next: &Self, changes: &mut Vec<Change>) {
        let after = ways(&next.routes);
        for route in &self.routes {
            if !after.contains_key(&place(route)) {
                changes.push(Change::RemoveRoute(route.clone()));
            }
        }
    }

    /// Does one change to the plan itself: how the network looks after it.
    pub fn perform(&mut self, change: &Change) {
        match change {
            Change::AddAddress(address) => self.addresses.push(*address),
            Change::AddBypass(address) => self.bypass.push(*address),
            Change::AddHostRoute(route) => self.host_routes.push(route.clone()),
            Change::AddRoute(route) if self.routes.contains(route) => {}
            Change::AddRoute(route) => self.routes.push(route.clone()),
            Change::BlockIpv4(on) => self.block_ipv4 = *on,
            Change::BlockIpv6(on) => self.block_ipv6 = *on,
            Change::BlockLocal(on) => self.block_local = *on,
            Change::BypassDhcp(on) => self.bypass_dhcp = *on,
            Change::BypassDns(on) => self.bypass_dns = *on,
            Change::RemoveAddress(address) => self.addresses.retain(|known| known != address),
            Change::RemoveBypass(address) => self.bypass.retain(|known| known != address),
            Change::RemoveHostRoute(route) => self.host_routes.retain(|known| known != route),
            Change::RemoveRoute(route) => self.routes.retain(|known| known != route),
            Change::ReplaceAddress { old, new } => {
                self.addresses.retain(|known| known != old);
                self.addresses.push(*new);
            }
            Change::ReplaceRoute(route) => {
                self.routes.retain(|known| place(known) != place(route));
                self.routes.push(route.clone());
            }
            Change::SetDns(dns) => self.dns = dns.clone(),
            Change::SetMtu(mtu) => self.mtu = *mtu,
            Change::SetQueueLength(length) => self.queue_length = *length,
        }
    }
}

/// What tells routes apart: the kernel takes two of the same place for one.
fn place(route: &Route) -> (IpNet, Option<u32>) {
    (route.destination, route.metric)
}

/// Which way the routes of a plan go, by their place. There may be tens of thousands.
fn ways(routes: &[Route]) -> BTreeMap<(IpNet, Option<u32>), RouteVia> {
    let ways = routes.iter().map(|route| (place(route), route.via));
    ways.collect()
}

fn missing<'a, T: PartialEq>(from: &'a [T], other: &'a [T]) -> impl Iterator<Item = &'a T> {
    from.iter().filter(|item| !other.contains(item))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::{DnsServer, RouteVia};
    use super::*;

    fn address() -> impl Strategy<Value = DeviceAddress> {
        (
            "10\\.[01]\\.0\\.[1-3]/(16|24)|fd00::[1-3]/64",
            proptest::option::of(Just("10.9.9.9")),
        )
            .prop_map(|(network, peer)| DeviceAddress {
                network: network.parse().unwrap(),
                peer: peer.map(|peer| peer.parse().unwrap()),
            })
    }

    fn routes() -> impl Strategy<Value = Vec<Route>> {
        let via = prop_oneof![
            Just(RouteVia::PreviousDefault),
            Just(RouteVia::Tunnel(None)),
            Just(RouteVia::Gateway("10.0.0.1".parse().unwrap())),
        ];
        let route = (0_u8..6, via, proptest::option::of(0_u32..2));
        proptest::collection::vec(route, 0..6).prop_map(|routes| {
            let places: BTreeMap<_, _> = routes
                .into_iter()
                .map(|(net, via, metric)| ((net, metric), via))
                .collect();
            places
                .into_iter()
                .map(|((net, metric), via)| Route {
                    destination: format!("10.{net}.0.0/16").parse().unwrap(),
                    via,
                    metric,
                })
                .collect()
        })
    }

    fn plan() -> impl Strategy<Value = NetPlan> {
        let addresses = proptest::collection::vec(address(), 0..4).prop_map(|mut list| {
            list.sort();
            list.dedup();
            list
        });
        let flags = any::<[bool; 5]>();
        let hosts = proptest::sample::subsequence(vec!["a.example", "b.example"], 0..=2);
        let bypass = proptest::sample::subsequence(vec!["1.1.1.1", "2.2.2.2", "::1"], 0..=3);
        let dns = proptest::sample::subsequence(vec!["8.8.8.8:0", "9.9.9.9:53"], 0..=2);
        (addresses, routes(), hosts, flags, bypass, dns, 68_u16..71).prop_map(
            |(addresses, routes, hosts, flags, bypass, dns, mtu)| NetPlan {
                mtu,
                addresses,
                routes,
                host_routes: hosts
                    .into_iter()
                    .map(|host| HostRoute {
                        host: host.to_owned(),
                        prefix: 32,
                        via: RouteVia::PreviousDefault,
                        metric: None,
                    })
                    .collect(),
                bypass: bypass.into_iter().map(|it| it.parse().unwrap()).collect(),
                block_ipv4: flags[0],
                block_ipv6: flags[1],
                block_local: flags[2],
                bypass_dhcp: flags[3],
                bypass_dns: flags[4],
                dns: DnsPlan {
                    servers: dns
                        .into_iter()
                        .map(|it| DnsServer {
                            address: it.parse().unwrap(),
                            name: None,
                        })
                        .collect(),
                    ..DnsPlan::default()
                },
                ..NetPlan::default()
            },
        )
    }

    /// The plan without the order that means nothing to the kernel.
    fn sorted(mut plan: NetPlan) -> NetPlan {
        plan.addresses.sort();
        plan.bypass.sort();
        plan.host_routes.sort_by_key(|route| route.host.clone());
        plan.routes
            .sort_by_key(|route| (route.destination, route.metric));
        plan
    }

    fn changes(from: &NetPlan, to: &NetPlan) -> Vec<Change> {
        match from.difference(to) {
            Difference::NetworkMonitor(changes) => changes,
            Difference::Rebuild => panic!("a rebuild is not needed"),
        }
    }

    proptest! {
        #[test]
        fn the_changes_lead_from_one_plan_to_the_other(from in plan(), to in plan()) {
            let mut at = from.clone();
            for change in changes(&from, &to) {
                at.perform(&change);
            }
            prop_assert_eq!(sorted(at), sorted(to));
        }

        #[test]
        fn nothing_changes_between_equal_plans(plan in plan()) {
            prop_assert_eq!(changes(&plan, &plan), vec![]);
        }

        #[test]
        fn protection_comes_first_and_goes_last(from in plan(), to in plan()) {
            let changes = changes(&from, &to);
            let rank = |change: &Change| match change {
                Change::BlockIpv4(true)
                | Change::BlockIpv6(true)
                | Change::BlockLocal(true)
                | Change::BypassDhcp(true)
                | Change::BypassDns(true) => 0,
                Change::AddBypass(_) => 1,
                Change::SetMtu(_) | Change::SetQueueLength(_) => 2,
                Change::AddAddress(_) | Change::ReplaceAddress { .. } => 3,
                Change::AddHostRoute(_) | Change::AddRoute(_) | Change::ReplaceRoute(_) => 4,
                Change::SetDns(_) => 5,
                Change::RemoveHostRoute(_) | Change::RemoveRoute(_) => 6,
                Change::RemoveAddress(_) => 7,
                Change::RemoveBypass(_) => 8,
                Change::BlockIpv4(false)
                | Change::BlockIpv6(false)
                | Change::BlockLocal(false)
                | Change::BypassDhcp(false)
                | Change::BypassDns(false) => 9,
            };
            prop_assert!(changes.windows(2).all(|pair| rank(&pair[0]) <= rank(&pair[1])));
        }
    }

    #[test]
    fn another_device_mark_or_table_needs_a_rebuild() {
        let plan = NetPlan::default();
        let other = NetPlan {
            table: Some(7),
            ..NetPlan::default()
        };
        assert_eq!(plan.difference(&other), Difference::Rebuild);
    }
}
