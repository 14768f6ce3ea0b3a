//! The laws and examples of this room.

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::super::diff::{Change, Difference};
use super::super::{DnsSec, DnsTransport, RouteVia};
use super::*;
use crate::profile::model::DnsUse;
use crate::profile::pushed::split::split;
use crate::settings::PullRules;

pub(super) const SERVER: &str = "198.51.100.7";
pub(super) const IP4: &str =
    "ifconfig 10.8.0.2 255.255.255.0,topology subnet,route-gateway 10.8.0.1";
pub(super) const IP6: &str = "ifconfig-ipv6 fd00::2/64 fd00::1";

pub(super) fn profile(text: &str) -> Profile {
    let text = format!("client\nremote vpn.example\n<ca>\nx\n</ca>\nauth-user-pass\n{text}\n");
    Profile::parse("p", &text, &mut |_| Err(String::new()))
        .unwrap()
        .0
}

fn pushed(text: &str) -> PushedOptions {
    let items = split(&format!("PUSH_REPLY,{text}"), "PUSH_REPLY").unwrap();
    PushedOptions::from_reply(&items, &PullRules::default())
        .unwrap()
        .0
}

pub(super) fn build(profile: &Profile, text: &str, server: &str) -> (NetPlan, Vec<Note>) {
    let options = &profile.remotes[0].options;
    NetPlan::build(profile, &pushed(text), options, server.parse().unwrap()).unwrap()
}

fn plan(text: &str) -> NetPlan {
    build(&profile(""), text, SERVER).0
}

fn routes(plan: &NetPlan) -> Vec<String> {
    plan.routes
        .iter()
        .map(|route| {
            let metric = route
                .metric
                .map_or_else(String::new, |metric| format!(" {metric}"));
            match route.via {
                RouteVia::Gateway(gateway) => format!("{} by {gateway}{metric}", route.destination),
                RouteVia::PreviousDefault => format!("{} outside{metric}", route.destination),
                RouteVia::Tunnel(None) => format!("{}{metric}", route.destination),
                RouteVia::Tunnel(Some(gateway)) => {
                    format!("{} via {gateway}{metric}", route.destination)
                }
            }
        })
        .collect()
}

#[test]
fn the_servers_suffix_of_the_adapter_takes_the_place_of_the_profiles() {
    let profile = profile("dhcp-option ADAPTER_DOMAIN_SUFFIX mine.example");
    let text = format!(
        "{IP4},dhcp-option DNS 10.8.0.1,dhcp-option DOMAIN-SEARCH b.example,\
         dhcp-option ADAPTER_DOMAIN_SUFFIX a.example"
    );
    let plan = build(&profile, &text, SERVER).0;
    assert_eq!(plan.dns.search_domains, ["a.example", "b.example"]);
}

#[test]
fn a_subnet_has_its_netmask_and_no_peer() {
    let plan = plan(IP4);
    assert_eq!(plan.addresses.len(), 1);
    assert_eq!(plan.addresses[0].network, "10.8.0.2/24".parse().unwrap());
    assert_eq!(plan.addresses[0].peer, None);
    assert_eq!((plan.device.as_str(), plan.mtu), ("tun", 1500));
    assert!(plan.bypass.is_empty() && plan.routes.is_empty() && plan.dns.is_empty());
}

#[test]
fn without_a_topology_both_ends_share_a_30() {
    let plan = plan("ifconfig 10.8.0.6 10.8.0.5,route 10.8.0.1,route 10.9.0.0 255.255.0.0");
    assert_eq!(plan.addresses[0].network, "10.8.0.6/30".parse().unwrap());
    assert_eq!(plan.addresses[0].peer, Some("10.8.0.5".parse().unwrap()));
    assert_eq!(
        routes(&plan),
        ["10.8.0.1/32 via 10.8.0.5", "10.9.0.0/16 via 10.8.0.5"]
    );
}

#[test]
fn point_to_point_ends_need_not_be_near() {
    let plan = plan("ifconfig 10.8.0.6 10.200.0.1,topology p2p");
    assert_eq!(plan.addresses[0].network, "10.8.0.6/32".parse().unwrap());
    assert_eq!(plan.addresses[0].peer, Some("10.200.0.1".parse().unwrap()));
}

#[test]
fn a_topology_that_cannot_be_is_corrected_with_a_note() {
    let (plan, notes) = build(&profile(""), "ifconfig 10.8.0.2 255.255.255.0", SERVER);
    assert_eq!(plan.addresses[0].network, "10.8.0.2/24".parse().unwrap());
    assert_eq!(notes.len(), 1);
    let (plan, notes) = build(
        &profile(""),
        "ifconfig 10.8.0.6 10.8.0.5,topology subnet",
        SERVER,
    );
    assert_eq!(plan.addresses[0].peer, Some("10.8.0.5".parse().unwrap()));
    assert_eq!(notes.len(), 1);
}

#[test]
fn a_31_is_a_subnet() {
    let plan = plan("ifconfig 10.8.0.2 255.255.255.254,topology subnet");
    assert_eq!(plan.addresses[0].network, "10.8.0.2/31".parse().unwrap());
}

#[test]
fn every_gateway_of_ipv6_stands_for_the_tunnel() {
    let plan = plan(&format!(
        "{IP6},route-ipv6 fd01::/48 2001:db8::1,route-ipv6 fd02::/48 fe80::1,route-ipv6 fd03::/48 fd00::1"
    ));
    assert_eq!(
        routes(&plan),
        ["fd01::/48", "fd02::/48", "fd03::/48 via fd00::1"]
    );
}

#[test]
fn no_route_leads_to_the_server_itself_by_the_tunnel() {
    let options =
        format!("{IP4},route {SERVER} 255.255.255.255 default 5,route 198.51.100.0 255.255.255.0");
    let (plan, notes) = build(&profile(""), &options, SERVER);
    assert_eq!(routes(&plan), ["198.51.100.0/24 via 10.8.0.1"]);
    assert_eq!(plan.bypass, [SERVER.parse::<IpAddr>().unwrap()]);
    assert_eq!(notes.len(), 1);
    let outside = build(
        &profile(""),
        &format!("{IP4},route {SERVER} 255.255.255.255 net_gateway"),
        SERVER,
    )
    .0;
    assert_eq!(routes(&outside), ["198.51.100.7/32 outside"]);
}

#[test]
fn ipv6_alone_is_a_tunnel_and_nothing_is_none() {
    assert_eq!(
        plan(IP6).addresses[0].network,
        "fd00::2/64".parse().unwrap()
    );
    let profile = profile("");
    let nothing = NetPlan::build(
        &profile,
        &pushed("route 10.0.0.0 255.0.0.0"),
        &profile.remotes[0].options,
        SERVER.parse().unwrap(),
    );
    assert_eq!(nothing, Err(PlanError::NoAddress));
}

#[test]
fn a_route_without_a_known_gateway_leads_into_the_device() {
    let plan = plan("ifconfig 10.8.0.2 255.255.255.0,topology subnet,route 10.9.0.0 255.255.0.0");
    assert_eq!(routes(&plan), ["10.9.0.0/16"]);
}

#[test]
fn gateways_and_their_keywords_are_understood() {
    let plan = plan(&format!(
        "{IP4},{IP6},route-metric 50,route 10.1.0.0 255.255.0.0 vpn_gateway,route 10.2.0.0 255.255.0.0 net_gateway,\
         route 10.3.0.0 255.255.0.0 192.168.1.1 7,route remote_host 255.255.255.255 net_gateway,\
         route 10.4.0.0 255.255.0.0 10.8.0.9,route-ipv6 fd01::/48,route-ipv6 fd02::/48 net_gateway 3,\
         route 10.5.0.0 255.255.0.0 remote_host"
    ));
    assert_eq!(
        routes(&plan),
        [
            "10.1.0.0/16 via 10.8.0.1 50",
            "10.2.0.0/16 outside 50",
            "10.3.0.0/16 by 192.168.1.1 7",
            "198.51.100.7/32 outside 50",
            "10.4.0.0/16 via 10.8.0.9 50",
            "fd01::/48 via fd00::1 50",
            "fd02::/48 outside 3",
            "10.5.0.0/16 by 198.51.100.7 50",
        ]
    );
}

#[test]
fn a_route_without_an_address_of_its_family_is_not_for_the_way_outside() {
    let (plan, notes) = build(&profile(""), &format!("{IP4},route-ipv6 fd01::/48"), SERVER);
    assert_eq!(plan.routes.len(), 1);
    assert_eq!(plan.routes[0].via, RouteVia::Tunnel(None));
    assert_eq!(notes.len(), 1);
}

#[test]
fn the_default_route_is_taken_in_parts_and_the_server_stays_outside() {
    for flags in ["", " def1"] {
        let plan = plan(&format!("{IP4},{IP6},redirect-gateway{flags}"));
        assert_eq!(
            routes(&plan),
            ["0.0.0.0/1 via 10.8.0.1", "128.0.0.0/1 via 10.8.0.1"]
        );
        assert_eq!(plan.bypass, [SERVER.parse::<IpAddr>().unwrap()]);
    }
    let both = plan(&format!("{IP4},{IP6},redirect-gateway def1 ipv6"));
    assert_eq!(both.routes.len(), 6);
    let only_v6 = plan(&format!("{IP4},{IP6},redirect-gateway def1 ipv6 !ipv4"));
    assert_eq!(only_v6.routes.len(), 4);
    assert!(only_v6.bypass.is_empty(), "the server is reached by IPv4");
    let explicit = plan(&format!("{IP4},route 0.0.0.0 0.0.0.0"));
    assert_eq!((explicit.routes.len(), explicit.bypass.len()), (2, 1));
}

#[test]
fn each_flag_of_the_redirection_does_its_part() {
    assert!(
        plan(&format!("{IP4},redirect-gateway local def1"))
            .bypass
            .is_empty()
    );
    assert!(plan(&format!("{IP4},redirect-gateway block-local")).block_local);
    let private = plan(&format!("{IP4},redirect-private def1 block-local"));
    assert!(private.routes.is_empty() && private.block_local && private.bypass.len() == 1);
    let (plan, notes) = build(
        &profile(""),
        &format!("{IP4},redirect-gateway ipv6"),
        SERVER,
    );
    assert_eq!((plan.routes.len(), notes.len()), (6, 1));
}

#[test]
fn a_route_that_covers_the_server_makes_a_bypass_of_either_family() {
    assert_eq!(
        plan(&format!("{IP4},route 198.51.100.0 255.255.255.0"))
            .bypass
            .len(),
        1
    );
    assert!(
        plan(&format!("{IP4},route 198.51.101.0 255.255.255.0"))
            .bypass
            .is_empty()
    );
    let v6 = build(
        &profile(""),
        &format!("{IP6},route-ipv6 2001:db8::/32"),
        "2001:db8::7",
    )
    .0;
    assert_eq!(v6.bypass.len(), 1);
    let mapped = build(
        &profile(""),
        &format!("{IP4},redirect-gateway"),
        "::ffff:198.51.100.7",
    )
    .0;
    assert_eq!(mapped.bypass, [SERVER.parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_blocked_family_still_lets_the_server_be_reached() {
    let plan = build(&profile("block-ipv6"), IP4, "2001:db8::7").0;
    assert!(plan.block_ipv6);
    assert_eq!(plan.bypass.len(), 1);
}

#[test]
fn an_unused_family_is_blocked_if_the_user_wishes() {
    let mut requested = profile("");
    requested.preferences.unused_family = UnusedFamily::Block;
    let plan = build(&requested, IP4, SERVER).0;
    assert!(plan.block_ipv6 && !plan.block_ipv4);
}

#[test]
fn the_profiles_own_wishes_come_behind_those_of_the_server() {
    let profile = profile(
        "route 10.7.0.0 255.255.0.0\nredirect-gateway ipv6\ndhcp-option DNS 9.9.9.9\nroute-metric 9\nroute-table 77\n\
         mark 5\ntxqueuelen 500\ndev vpn0",
    );
    let plan = build(
        &profile,
        &format!("{IP4},{IP6},redirect-gateway !ipv4,dhcp-option DNS 1.1.1.1"),
        SERVER,
    )
    .0;
    assert_eq!(routes(&plan)[0], "10.7.0.0/16 via 10.8.0.1 9");
    assert_eq!(plan.routes.len(), 5, "IPv6 is redirected, IPv4 is not");
    let servers: Vec<_> = plan
        .dns
        .servers
        .iter()
        .map(|server| server.address.ip().to_string())
        .collect();
    assert_eq!(servers, ["1.1.1.1", "9.9.9.9"]);
    assert_eq!(
        (plan.table, plan.mark, plan.queue_length),
        (Some(77), Some(5), Some(500))
    );
    assert_eq!(plan.device, "vpn0");
}

#[test]
fn no_routes_are_made_where_somebody_else_makes_them() {
    let (plan, _) = build(
        &profile("route-noexec\nroute 10.7.0.0 255.255.0.0"),
        &format!("{IP4},redirect-gateway def1 block-local"),
        SERVER,
    );
    assert!(plan.routes.is_empty() && plan.bypass.is_empty() && !plan.block_local);
}

#[test]
fn the_mtu_is_capped() {
    assert_eq!(plan(&format!("{IP4},tun-mtu 1400")).mtu, 1400);
    let (plan, notes) = build(&profile(""), &format!("{IP4},tun-mtu 9000"), SERVER);
    assert_eq!((plan.mtu, notes.len()), (1600, 1));
    assert_eq!(build(&profile("tun-mtu 1300"), IP4, SERVER).0.mtu, 1300);
    assert_eq!(
        build(
            &profile("tun-mtu-max 9000"),
            &format!("{IP4},tun-mtu 8900"),
            SERVER
        )
        .0
        .mtu,
        8900
    );
}

#[test]
fn dns_options_win_over_dhcp_options() {
    let dns = plan(&format!(
        "{IP4},dhcp-option DNS 1.1.1.1,dhcp-option DOMAIN old.example,dns search-domains a.example,\
         dns server 2 address 3.3.3.3,dns server 1 address 2.2.2.2 [fd00::53]:5353,\
         dns server 1 resolve-domains corp.example,dns server 1 dnssec optional,dns server 1 transport DoT,\
         dns server 1 sni dns.example"
    ))
    .dns;
    let servers: Vec<_> = dns
        .servers
        .iter()
        .map(|server| server.address.to_string())
        .collect();
    assert_eq!(servers, ["2.2.2.2:0", "[fd00::53]:5353"]);
    assert_eq!(dns.servers[0].name.as_deref(), Some("dns.example"));
    assert_eq!(dns.search_domains, ["a.example"]);
    assert_eq!(dns.routing_domains, ["corp.example"]);
    assert_eq!(
        (dns.dnssec, dns.transport),
        (Some(DnsSec::Optional), Some(DnsTransport::Tls))
    );
}

#[test]
fn domains_are_routed_alone_unless_all_traffic_is() {
    let options = "dhcp-option DNS 1.1.1.1,dhcp-option DOMAIN corp.example,dhcp-option DOMAIN-SEARCH a.example";
    let split = plan(&format!("{IP4},{options}")).dns;
    assert_eq!(split.routing_domains, ["corp.example", "a.example"]);
    let all = plan(&format!("{IP4},{options},redirect-gateway")).dns;
    assert!(all.routing_domains.is_empty());
    assert_eq!(all.search_domains, ["corp.example", "a.example"]);
    let none = plan(&format!("{IP4},dhcp-option DNS 1.1.1.1")).dns;
    assert!(none.routing_domains.is_empty() && !none.is_empty());
    let outside = plan(&format!("{IP4},{options},block-outside-dns")).dns;
    assert!(outside.routing_domains.is_empty());
    let named = plan(&format!(
        "{IP4},{options},dhcp-option DOMAIN-ROUTE r.example,redirect-gateway"
    ))
    .dns;
    assert_eq!(named.routing_domains, ["r.example"]);
}

#[test]
fn servers_that_cannot_be_used_are_left_out_with_a_note() {
    let (plan, notes) = build(
        &profile(""),
        &format!(
            "{IP4},dns server 1 sni x.example,dns server 2 address 2.2.2.2,dns server 2 transport DoH,\
                  dns server 3 address 3.3.3.3"
        ),
        SERVER,
    );
    assert_eq!(plan.dns.servers[0].address.ip().to_string(), "3.3.3.3");
    assert_eq!(notes.len(), 2);
}

#[test]
fn the_users_preferences_about_dns_are_kept() {
    let options = format!("{IP4},redirect-gateway");
    let mut requested = profile("");
    requested.preferences.dns_fallback = true;
    assert_eq!(build(&requested, &options, SERVER).0.dns.servers.len(), 2);
    assert!(build(&requested, IP4, SERVER).0.dns.is_empty());
    requested.preferences.dns = DnsUse::Off;
    assert!(build(&requested, &options, SERVER).0.dns.is_empty());
    requested.preferences.dns = DnsUse::Global;
    let searched = format!("{IP4},dhcp-option DNS 1.1.1.1,dhcp-option DOMAIN corp.example");
    let global = build(&requested, &searched, SERVER).0.dns;
    assert_eq!(global.search_domains, ["corp.example"]);
    assert!(global.routing_domains.is_empty());
    requested.preferences.dns = DnsUse::Tunnel;
    let named = format!("{options},dhcp-option DNS 1.1.1.1,dhcp-option DOMAIN corp.example");
    assert_eq!(
        build(&requested, &named, SERVER).0.dns.routing_domains,
        ["corp.example"]
    );
}

proptest! {
    #[test]
    fn any_push_gives_a_plan_or_no_address(
        items in proptest::collection::vec(
            "(ifconfig 10\\.8\\.0\\.[0-9] (10\\.8\\.0\\.[0-9]|255\\.255\\.[0-9]{1,3}\\.0)|topology (subnet|p2p|net30)|\
             route (10\\.[0-9]\\.0\\.0|0\\.0\\.0\\.0|vpn_gateway) (255\\.255\\.0\\.0|0\\.0\\.0\\.0)( (default|net_gateway|10\\.8\\.0\\.1))?|\
             redirect-(gateway|private)( (def1|local|ipv6|!ipv4|block-local)){0,3}|ifconfig-ipv6 fd00::[0-9]/64|\
             route-ipv6 (::/0|fd0[0-9]::/64)|dns server [0-9] address 1\\.1\\.1\\.[0-9]|tun-mtu [0-9]{2,5})",
            0..12,
        )
    ) {
        let profile = profile("");
        let options = &profile.remotes[0].options;
        let server: IpAddr = SERVER.parse().unwrap();
        if let Ok((plan, _)) = NetPlan::build(&profile, &pushed(&items.join(",")), options, server) {
            prop_assert!(!plan.addresses.is_empty());
            prop_assert!(plan.routes.iter().all(|route| route.destination.trunc() == route.destination));
            let covered = plan.routes.iter().any(|route| {
                matches!(route.via, RouteVia::Tunnel(_)) && route.destination.contains(&server)
            });
            let local = pushed(&items.join(",")).tunnel.redirect.is_some_and(|redirect| redirect.local);
            prop_assert!(!covered || local || plan.bypass.contains(&server));
        }
    }
}

#[test]
fn hosts_in_routes_are_looked_up_later_and_may_be_the_server() {
    let (plan, notes) = build(
        &profile("route intern.example\nroute cdn.example 255.255.255.0 net_gateway 7"),
        IP4,
        SERVER,
    );
    let list: Vec<_> = plan
        .host_routes
        .iter()
        .map(|it| (it.host.as_str(), it.prefix, it.via, it.metric))
        .collect();
    let gateway = Some("10.8.0.1".parse().unwrap());
    assert_eq!(
        list,
        [
            ("intern.example", 32, RouteVia::Tunnel(gateway), None),
            ("cdn.example", 24, RouteVia::PreviousDefault, Some(7)),
        ]
    );
    assert_eq!((plan.bypass.len(), notes.len()), (1, 0));
}

#[test]
fn servers_that_stay_outside_are_found_where_the_plan_is_put_in_force() {
    let plan = plan(&format!(
        "{IP4},redirect-gateway def1 bypass-dhcp bypass-dns"
    ));
    assert!(plan.bypass_dhcp && plan.bypass_dns);
}

#[test]
fn a_plan_fits_into_what_passes_as_far_as_its_addresses_allow() {
    let mut narrow = plan(IP4);
    narrow.fit_into(1200);
    assert_eq!(narrow.mtu, 1200);
    narrow.fit_into(1400);
    assert_eq!(narrow.mtu, 1200);
    let mut with_ipv6 = plan(&format!("{IP4},{IP6}"));
    with_ipv6.fit_into(1200);
    assert_eq!(with_ipv6.mtu, 1280);
}

#[test]
fn as_many_routes_as_a_server_can_push_are_planned_at_once() {
    let address = |n: u32| Ipv4Addr::from(0x0a00_0000 + n);
    let text: String = (0..40_000)
        .map(|n| format!(",route {}", address(n)))
        .collect();
    let before = plan(&format!("{IP4}{text}"));
    let after = plan(&format!("{IP4}{text},route 192.0.2.1"));
    assert_eq!(before.routes.len(), 40_000);
    let added = Change::AddRoute(after.routes[40_000].clone());
    assert_eq!(
        before.difference(&after),
        Difference::NetworkMonitor(vec![added])
    );
}
