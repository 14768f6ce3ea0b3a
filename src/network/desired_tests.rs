//! What is desired, for plans and hosts of all kinds.

use super::*;
use openvpn_engine::netplan::NetPlan;

const TUNNEL: u32 = 9;
const LAN: u32 = 2;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn foreign(destination: &str, gateway: Option<&str>, learned: Learned) -> SeenRoute {
    SeenRoute {
        route: KernelRoute {
            destination: net(destination),
            table: MAIN_TABLE,
            metric: None,
            target: Target::Way(Way {
                gateway: gateway.map(|it| it.parse().unwrap()),
                interface: LAN,
            }),
        },
        ours: false,
        of_address: gateway.is_none(),
        learned,
        alive: true,
    }
}

fn host_routes(more: &[SeenRoute]) -> Vec<SeenRoute> {
    let mut routes = vec![
        foreign("0.0.0.0/0", Some("10.77.0.1"), Learned::Dhcp),
        foreign("10.77.0.0/24", None, Learned::No),
        foreign("::/0", Some("fe80::1"), Learned::RouterAdvertisement),
        foreign("fd77::/64", None, Learned::No),
    ];
    routes.extend_from_slice(more);
    routes
}

fn plan(routes: &[(&str, RouteVia)]) -> NetPlan {
    NetPlan {
        addresses: vec![DeviceAddress {
            network: net("10.8.0.2/24"),
            peer: None,
        }],
        routes: routes
            .iter()
            .map(|(destination, via)| Route {
                destination: net(destination),
                via: *via,
                metric: None,
            })
            .collect(),
        ..NetPlan::default()
    }
}

fn desired(plan: &NetPlan, routes: &[SeenRoute]) -> (Desired, Vec<Remark>) {
    Desired::of(&Known {
        plan,
        tunnel: TUNNEL,
        ipv6: true,
        outside: &[],
        foreign: routes,
        rejected: &[],
    })
}

fn target(desired: &Desired, table: u32, destination: &str) -> Option<Target> {
    let found = |it: &&KernelRoute| it.table == table && it.destination == net(destination);
    desired.routes.iter().find(found).map(|it| it.target)
}

const INSIDE: RouteVia = RouteVia::Tunnel(None);
const INTO_TUNNEL: Option<Target> = Some(Target::Way(Way {
    gateway: None,
    interface: TUNNEL,
}));
const OWN: u32 = own_table(TUNNEL);

#[test]
fn a_split_route_that_nobody_contests_needs_no_table_of_its_own() {
    let (desired, remarks) = desired(&plan(&[("192.0.2.0/24", INSIDE)]), &host_routes(&[]));

    assert_eq!(desired.rules, []);
    assert_eq!(desired.routes.len(), 1);
    assert_eq!(target(&desired, MAIN_TABLE, "192.0.2.0/24"), INTO_TUNNEL);
    assert_eq!(remarks, []);
}

#[test]
fn under_a_redirect_the_hosts_subnets_and_what_was_put_there_by_intent_are_exceptions() {
    let routes = host_routes(&[
        foreign("172.17.0.0/16", None, Learned::No),
        foreign("198.51.100.0/24", Some("10.77.0.9"), Learned::No),
        foreign("203.0.113.0/24", Some("10.77.0.9"), Learned::Dhcp),
    ]);
    let redirect = plan(&[("0.0.0.0/1", INSIDE), ("128.0.0.0/1", INSIDE)]);

    let (desired, _) = desired(&redirect, &routes);

    for destination in ["10.77.0.0/24", "172.17.0.0/16", "198.51.100.0/24"] {
        assert_eq!(target(&desired, OWN, destination), Some(Target::Throw));
    }
    assert_eq!(target(&desired, OWN, "203.0.113.0/24"), None);
    assert_eq!(target(&desired, OWN, "128.0.0.0/1"), INTO_TUNNEL);
    assert_eq!(desired.rules.len(), 1);
}

#[test]
fn an_equal_route_of_another_does_not_count() {
    let routes = host_routes(&[foreign("0.0.0.0/1", Some("10.77.0.9"), Learned::No)]);
    let redirect = plan(&[("0.0.0.0/1", INSIDE), ("128.0.0.0/1", INSIDE)]);

    let (desired, remarks) = desired(&redirect, &routes);

    assert_eq!(target(&desired, OWN, "0.0.0.0/1"), INTO_TUNNEL);
    assert_eq!(target(&desired, MAIN_TABLE, "0.0.0.0/1"), None);
    assert_eq!(remarks, [Remark::Overruled(net("0.0.0.0/1"))]);
}

#[test]
fn a_learned_route_takes_nothing_out_of_a_split_route() {
    let routes = host_routes(&[foreign("192.0.2.128/25", Some("10.77.0.9"), Learned::Dhcp)]);

    let (desired, _) = desired(&plan(&[("192.0.2.0/24", INSIDE)]), &routes);

    assert_eq!(target(&desired, OWN, "192.0.2.0/24"), INTO_TUNNEL);
    assert_eq!(target(&desired, OWN, "192.0.2.128/25"), None);
}

#[test]
fn a_family_that_the_tunnel_does_not_carry_is_unreachable() {
    let (desired, _) = desired(&plan(&[("2000::/3", INSIDE)]), &host_routes(&[]));

    assert_eq!(target(&desired, OWN, "2000::/3"), Some(Target::Unreachable));
}

#[test]
fn a_gateway_on_no_link_is_rejected_unless_the_tunnel_leads_to_it() {
    let far = RouteVia::Gateway("192.168.255.1".parse().unwrap());
    let near = RouteVia::Gateway("10.77.0.9".parse().unwrap());

    let (alone, remarks) = desired(
        &plan(&[("192.168.50.9/32", far), ("192.168.60.9/32", near)]),
        &host_routes(&[]),
    );
    let (behind, _) = desired(
        &plan(&[("192.168.255.0/24", INSIDE), ("192.168.50.9/32", far)]),
        &host_routes(&[]),
    );

    assert_eq!(target(&alone, MAIN_TABLE, "192.168.50.9/32"), None);
    assert!(matches!(remarks[..], [Remark::Rejected(..)]));
    assert!(target(&alone, MAIN_TABLE, "192.168.60.9/32").is_some());
    assert_eq!(target(&behind, MAIN_TABLE, "192.168.50.9/32"), INTO_TUNNEL);
}
