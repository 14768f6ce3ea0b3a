//! The way that is best now, from a list of routes.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::network::route::{MAIN_TABLE, SeenRoute, Target, Way};

/// The best way to `address` in the main table that does not go through `tunnel` nor by one of our own routes.
pub(crate) fn best_way(routes: &[SeenRoute], address: IpAddr, tunnel: u32) -> Option<Way> {
    best(routes, tunnel, |destination| destination.contains(&address))
}

/// The way of the default route of one family that is best now, not counting the tunnel's.
pub(crate) fn default_way(routes: &[SeenRoute], v6: bool, tunnel: u32) -> Option<Way> {
    best(routes, tunnel, |destination| {
        destination.prefix_len() == 0 && destination.addr().is_ipv6() == v6
    })
}

/// The interface on whose link an address is, outside of the tunnel: no router is between.
pub(crate) fn on_link(routes: &[SeenRoute], address: IpAddr, tunnel: u32) -> Option<u32> {
    let way = best_way(routes, address, tunnel)?;
    way.gateway.is_none().then_some(way.interface)
}

/// The subnets that can be reached without a router on the interfaces that a default route leads to.
pub(crate) fn local_subnets(routes: &[SeenRoute], tunnel: u32) -> Vec<(IpNet, Way)> {
    let mut subnets = Vec::new();
    let defaults: Vec<Way> = usable(routes, tunnel)
        .filter(|seen| seen.route.destination.prefix_len() == 0)
        .filter_map(way)
        .collect();
    for seen in usable(routes, tunnel).filter(|seen| seen.of_address) {
        let destination = seen.route.destination;
        if destination.prefix_len() == destination.max_prefix_len() || is_link_local(destination) {
            continue;
        }
        let Some(own) = way(seen) else { continue };
        if let Some(default) = defaults
            .iter()
            .find(|default| default.interface == own.interface)
        {
            subnets.push((destination, *default));
        }
    }
    subnets.dedup();
    subnets
}

/// The two halves of a network, which together are preferred over it.
pub(crate) fn halves(network: IpNet) -> Vec<IpNet> {
    match network.subnets(network.prefix_len().saturating_add(1)) {
        Ok(halves) => halves.collect(),
        Err(_) => vec![network],
    }
}

fn best(routes: &[SeenRoute], tunnel: u32, fits: impl Fn(IpNet) -> bool) -> Option<Way> {
    usable(routes, tunnel)
        .filter(|seen| fits(seen.route.destination))
        .max_by_key(|seen| {
            let metric = seen.route.metric.unwrap_or(0);
            (
                seen.route.destination.prefix_len(),
                std::cmp::Reverse(metric),
            )
        })
        .and_then(way)
}

fn usable(routes: &[SeenRoute], tunnel: u32) -> impl Iterator<Item = &SeenRoute> {
    routes.iter().filter(move |seen| {
        seen.alive && seen.route.table == MAIN_TABLE && !seen.ours && !seen.route.is_through(tunnel)
    })
}

fn way(seen: &SeenRoute) -> Option<Way> {
    match seen.route.target {
        Target::Throw | Target::Unreachable => None,
        Target::Way(way) => Some(way),
    }
}

fn is_link_local(network: IpNet) -> bool {
    match network {
        IpNet::V4(network) => network.addr().is_link_local(),
        IpNet::V6(network) => {
            network.addr().is_unicast_link_local() || network.addr().is_multicast()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::route::KernelRoute;

    fn seen(
        destination: &str,
        gateway: Option<&str>,
        interface: u32,
        metric: Option<u32>,
    ) -> SeenRoute {
        SeenRoute {
            route: KernelRoute {
                destination: destination.parse().unwrap(),
                table: MAIN_TABLE,
                metric,
                target: Target::Way(Way {
                    gateway: gateway.map(|text| text.parse().unwrap()),
                    interface,
                }),
            },
            ours: false,
            of_address: gateway.is_none(),
            learned: crate::network::route::Learned::No,
            alive: true,
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_longest_prefix_wins_and_then_the_lowest_metric() {
        let routes = [
            seen("0.0.0.0/0", Some("10.0.0.1"), 2, Some(600)),
            seen("0.0.0.0/0", Some("10.1.0.1"), 3, Some(100)),
            seen("192.0.2.0/24", Some("10.0.0.9"), 2, Some(900)),
        ];

        let far = best_way(&routes, address("198.51.100.1"), 9).unwrap();
        let near = best_way(&routes, address("192.0.2.7"), 9).unwrap();

        assert_eq!(far.interface, 3);
        assert_eq!(near.gateway, Some(address("10.0.0.9")));
    }

    #[test]
    fn the_tunnel_and_our_own_routes_do_not_count() {
        let mut bypass = seen("198.51.100.1/32", Some("10.9.9.9"), 2, None);
        bypass.ours = true;
        let routes = [
            seen("0.0.0.0/1", Some("10.8.0.1"), 9, None),
            bypass,
            seen("0.0.0.0/0", Some("10.0.0.1"), 2, Some(100)),
        ];

        let way = best_way(&routes, address("198.51.100.1"), 9).unwrap();

        assert_eq!(way.gateway, Some(address("10.0.0.1")));
    }

    #[test]
    fn local_subnets_are_those_of_the_interfaces_with_a_default_route() {
        let routes = [
            seen("0.0.0.0/0", Some("10.0.0.1"), 2, Some(100)),
            seen("10.0.0.0/24", None, 2, Some(100)),
            seen("172.17.0.0/16", None, 5, None),
            seen("fe80::/64", None, 2, None),
        ];

        let subnets = local_subnets(&routes, 9);

        assert_eq!(subnets.len(), 1);
        assert_eq!(subnets[0].0, "10.0.0.0/24".parse().unwrap());
    }

    #[test]
    fn the_halves_of_everything_are_two() {
        let halves = halves("0.0.0.0/0".parse().unwrap());

        assert_eq!(
            halves,
            ["0.0.0.0/1".parse().unwrap(), "128.0.0.0/1".parse().unwrap()]
        );
    }
}
