//! Routes to hosts by name: looked up before the plan is in force, and known as long as one is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use futures_util::future::join_all;
use ipnet::IpNet;
use tracing::warn;

use crate::network::resolver::{Family, Names};
use openvpn_engine::netplan::{HostRoute, NetPlan, Route, RouteVia};

/// The addresses of the hosts that routes lead to.
#[derive(Debug, Default)]
pub(crate) struct HostRoutes {
    known: BTreeMap<String, Vec<IpAddr>>,
}

impl HostRoutes {
    /// The plan with a route for each address in place of those by name. Only what is not known yet is looked up; what
    /// cannot be is left out, which is logged.
    pub(crate) async fn looked_up(&mut self, plan: &NetPlan) -> NetPlan {
        let mut hosts: Vec<&str> = plan.host_routes.iter().map(|it| it.host.as_str()).collect();
        hosts.retain(|host| !self.known.contains_key(*host));
        hosts.sort_unstable();
        hosts.dedup();
        let names = Names::default();
        let answers = hosts.iter().map(|host| names.look_up(host, Family::V4));
        for (host, answer) in hosts.iter().zip(join_all(answers).await) {
            match answer {
                Ok(answer) => {
                    self.known.insert((*host).to_owned(), answer.addresses);
                }
                Err(error) => warn!(%host, %error, "there is no route to this host"),
            }
        }
        self.filled_in(plan)
    }

    /// Forgets all addresses: they may be others the next time.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }

    fn filled_in(&self, plan: &NetPlan) -> NetPlan {
        let mut plan = plan.clone();
        for route in std::mem::take(&mut plan.host_routes) {
            for address in self.known.get(&route.host).into_iter().flatten() {
                if let Some(route) = to_address(&plan, &route, *address) {
                    plan.routes.push(route);
                }
            }
        }
        plan
    }
}

/// `None`: there is such a route already, or it would lead the way to the server into the tunnel.
fn to_address(plan: &NetPlan, route: &HostRoute, address: IpAddr) -> Option<Route> {
    let destination = IpNet::new(address, route.prefix).ok()?.trunc();
    let inside = matches!(route.via, RouteVia::Tunnel(_));
    if inside && plan.bypass.iter().any(|it| IpNet::from(*it) == destination) {
        warn!(
            host = route.host,
            "it is the server itself, which stays outside of the tunnel"
        );
        return None;
    }
    let same = |known: &Route| known.destination == destination && known.metric == route.metric;
    if plan.routes.iter().any(same) {
        return None;
    }
    Some(Route {
        destination,
        via: route.via,
        metric: route.metric,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: &str, via: RouteVia) -> HostRoute {
        HostRoute {
            host: host.to_owned(),
            prefix: 32,
            via,
            metric: None,
        }
    }

    #[test]
    fn each_address_of_a_host_gets_a_route_but_the_servers_own() {
        let mut routes = HostRoutes::default();
        let addresses = ["192.0.2.1", "192.0.2.2"].map(|it| it.parse().unwrap());
        routes.known.insert("two.example".into(), addresses.into());
        let plan = NetPlan {
            bypass: vec!["192.0.2.2".parse().unwrap()],
            host_routes: vec![
                route("two.example", RouteVia::Tunnel(None)),
                route("two.example", RouteVia::PreviousDefault),
                route("unknown.example", RouteVia::PreviousDefault),
            ],
            ..NetPlan::default()
        };

        let filled = routes.filled_in(&plan);

        assert!(filled.host_routes.is_empty());
        let list: Vec<_> = filled
            .routes
            .iter()
            .map(|route| (route.destination.to_string(), route.via))
            .collect();
        assert_eq!(
            list,
            [
                ("192.0.2.1/32".to_owned(), RouteVia::Tunnel(None)),
                ("192.0.2.2/32".to_owned(), RouteVia::PreviousDefault),
            ]
        );
    }

    #[test]
    fn the_network_of_a_host_has_no_host_bits() {
        let route = HostRoute {
            prefix: 24,
            ..route("one.example", RouteVia::Tunnel(None))
        };
        let made = to_address(&NetPlan::default(), &route, "192.0.2.77".parse().unwrap());
        assert_eq!(made.unwrap().destination, "192.0.2.0/24".parse().unwrap());
    }
}
