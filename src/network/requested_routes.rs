//! The kernel's routes for what a plan asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::network::next_hop::halves;
use crate::network::route::{KernelRoute, MAIN_TABLE, Target, Way};
use openvpn_engine::netplan::Route;

/// The routes that lead `route` into the tunnel. A default route of the main table becomes two halves: they win over
/// the default route that is there, whatever its metric, and leave it as it is.
pub(crate) fn into_tunnel(
    route: &Route,
    gateway: Option<IpAddr>,
    tunnel: u32,
    table: u32,
) -> Vec<KernelRoute> {
    let destinations = if route.destination.prefix_len() == 0 && table == MAIN_TABLE {
        halves(route.destination)
    } else {
        vec![route.destination]
    };
    let target = Target::Way(Way {
        gateway,
        interface: tunnel,
    });
    destinations
        .into_iter()
        .map(|destination| KernelRoute {
            destination,
            table,
            metric: route.metric,
            target,
        })
        .collect()
}

/// The routes that make everything of a family unreachable that no better route leads somewhere.
pub(crate) fn block(everything: IpNet, table: u32) -> Vec<KernelRoute> {
    halves(everything)
        .into_iter()
        .map(|destination| KernelRoute {
            destination,
            table,
            metric: Some(BLOCK_METRIC),
            target: Target::Unreachable,
        })
        .collect()
}

/// The route of one host by a way.
pub(crate) fn host(address: IpAddr, way: Way, table: u32) -> KernelRoute {
    KernelRoute {
        destination: IpNet::from(address),
        table,
        metric: None,
        target: Target::Way(way),
    }
}

/// All of IPv4.
pub(crate) fn all_ipv4() -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0))
}

/// All of IPv6.
pub(crate) fn all_ipv6() -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0))
}

/// Worse than any metric in use, so that the same destination into the tunnel wins.
const BLOCK_METRIC: u32 = 0x7fff_fff0;

#[cfg(test)]
mod tests {
    use super::*;
    use openvpn_engine::netplan::RouteVia;

    fn route(destination: &str) -> Route {
        Route {
            destination: destination.parse().unwrap(),
            via: RouteVia::Tunnel(None),
            metric: Some(7),
        }
    }

    #[test]
    fn a_default_route_into_the_tunnel_leaves_the_old_one_alone() {
        let main = into_tunnel(&route("::/0"), None, 4, MAIN_TABLE);
        let own_table = into_tunnel(&route("::/0"), None, 4, 100);

        assert_eq!(main.len(), 2);
        assert_eq!(main[1].destination, "8000::/1".parse().unwrap());
        assert_eq!(own_table.len(), 1);
    }
}
