//! The stock service is sent what it can take, and nothing else.

use super::*;
use openvpn_engine::netplan::{DnsServer, Route};

fn address(network: &str, peer: Option<&str>) -> DeviceAddress {
    DeviceAddress {
        network: network.parse().unwrap(),
        peer: peer.map(|it| it.parse().unwrap()),
    }
}

fn route(destination: &str, via: RouteVia) -> Route {
    Route {
        destination: destination.parse().unwrap(),
        via,
        metric: None,
    }
}

fn inside(destination: &str, gateway: &str) -> Route {
    route(
        destination,
        RouteVia::Tunnel(Some(gateway.parse().unwrap())),
    )
}

fn said(networks: &[Network]) -> Vec<String> {
    let said = networks.iter().map(|it| {
        let mark = if it.excluded { "!" } else { "" };
        format!("{mark}{}/{}", it.address, it.prefix)
    });
    said.collect()
}

#[test]
fn everything_through_the_tunnel_is_said_in_one_word() {
    let plan = NetPlan {
        addresses: vec![address("10.8.0.2/24", None)],
        routes: vec![
            inside("0.0.0.0/1", "10.8.0.1"),
            inside("128.0.0.0/1", "10.8.0.1"),
            inside("10.0.0.0/8", "10.8.0.1"),
        ],
        ..NetPlan::default()
    };

    let told = RemotePlan::of(&plan);

    assert!(told.reroute_ipv4 && !told.reroute_ipv6);
    assert_eq!(said(&told.networks), ["10.0.0.0/8"]);
    assert_eq!(
        told.addresses[0].gateway,
        "10.8.0.1".parse::<IpAddr>().unwrap()
    );
}

#[test]
fn one_half_is_a_route_like_others() {
    let plan = NetPlan {
        addresses: vec![address("10.8.0.2/24", None)],
        routes: vec![inside("0.0.0.0/1", "10.8.0.1")],
        ..NetPlan::default()
    };

    let told = RemotePlan::of(&plan);

    assert!(!told.reroute_ipv4);
    assert_eq!(said(&told.networks), ["0.0.0.0/1"]);
}

#[test]
fn each_family_with_routes_has_a_gateway_that_kernels_take() {
    let plan = NetPlan {
        addresses: vec![
            address("10.8.0.6/32", Some("10.9.0.5")),
            address("fd00::2/128", None),
        ],
        routes: vec![
            route("192.168.0.0/16", RouteVia::Tunnel(None)),
            route("2001:db8::/32", RouteVia::Tunnel(None)),
        ],
        ..NetPlan::default()
    };

    let told = RemotePlan::of(&plan);

    let gateways: Vec<_> = told
        .addresses
        .iter()
        .map(|it| it.gateway.to_string())
        .collect();
    assert_eq!(gateways, ["10.8.0.6", "fe80::1"]);
    assert_eq!(
        said(&told.networks),
        ["10.9.0.5/32", "192.168.0.0/16", "2001:db8::/32"]
    );
}

#[test]
fn nothing_is_said_that_the_service_dies_of() {
    let plan = NetPlan {
        addresses: vec![address("10.8.0.2/24", None), address("10.8.1.2/24", None)],
        routes: vec![
            inside("2001:db8::/32", "fd00::1"),
            inside("10.1.2.3/8", "10.8.0.1"),
            route("2001:db9::/32", RouteVia::PreviousDefault),
            route("172.16.0.0/12", RouteVia::PreviousDefault),
            route(
                "172.30.0.0/16",
                RouteVia::Gateway("192.0.2.9".parse().unwrap()),
            ),
        ],
        ..NetPlan::default()
    };

    let told = RemotePlan::of(&plan);

    assert_eq!(told.addresses.len(), 1);
    assert_eq!(said(&told.networks), ["10.0.0.0/8", "!172.16.0.0/12"]);
}

#[test]
fn domains_that_the_tunnel_alone_resolves_make_its_scope() {
    let mut plan = DnsPlan {
        servers: vec![
            DnsServer {
                address: "10.8.0.1:0".parse().unwrap(),
                name: None,
            },
            DnsServer {
                address: "10.8.0.1:5353".parse().unwrap(),
                name: None,
            },
        ],
        search_domains: vec!["corp.example".to_owned()],
        routing_domains: vec!["~intern.example".to_owned(), "corp.example".to_owned()],
        dnssec: Some(DnsSec::Optional),
        transport: None,
    };

    let split = dns(&plan).unwrap();
    plan.routing_domains.clear();
    let all = dns(&plan).unwrap();

    assert_eq!(split.scope, "tunnel");
    assert_eq!(split.servers, ["10.8.0.1"]);
    assert_eq!(split.domains, ["corp.example", "intern.example"]);
    assert_eq!(split.dnssec, Some("optional"));
    assert_eq!(all.scope, "global");
    assert_eq!(all.domains, ["corp.example"]);
    assert_eq!(dns(&DnsPlan::default()), None);
}
