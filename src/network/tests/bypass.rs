//! What stays outside of the tunnel beside the server: name servers in use, and hosts by name.

use crate::network::NetError;
use openvpn_engine::netplan::{HostRoute, RouteVia};

use super::local::{Stage, full_plan, inside};
use crate::testing::namespace::{FAR_V4, FAR_V6};
use crate::testing::skipped;

#[test]
fn name_servers_in_use_stay_outside_with_bypass_dns() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut plan = full_plan();
    plan.routes = vec![inside("0.0.0.0/1"), inside("128.0.0.0/1")];

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;
        assert_eq!(stage.way("192.0.2.53"), "tunx", "as everything else");

        plan.bypass_dns = true;
        plan.bypass_dhcp = true;
        network.change(&plan).await?;
        // The file names the tunnel's servers by now: those of before count.
        assert_eq!(stage.way("192.0.2.53"), "cable");
        assert_eq!(stage.way("192.0.2.54"), "tunx");

        network.refresh().await?;
        assert_eq!(stage.way("192.0.2.53"), "cable");

        plan.bypass_dns = false;
        network.change(&plan).await?;
        assert_eq!(stage.way("192.0.2.53"), "tunx");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn every_kind_of_default_route_leads_outside() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    // As in data centres: single addresses of no subnet, and a router that is on the link all the same.
    let on_link: &[&str] = &[
        "addr flush dev cable",
        "addr add 192.0.2.5/32 dev cable",
        "route add default via 172.31.1.1 dev cable onlink",
        "addr add 2001:db8:5::5/128 dev cable nodad",
        "-6 route replace default via 2001:db8:31::1 dev cable onlink",
    ];
    let no_router: &[&str] = &[
        "route replace default dev cable",
        "-6 route replace default dev cable",
    ];
    let several: &[&str] = &[
        "route replace default nexthop via 10.77.0.1 nexthop via 10.77.0.9",
        "-6 route del default",
        "-6 route add default nexthop via fd77::1 dev cable nexthop via fd77::9 dev cable",
    ];
    let of_ipv6: &[&str] = &[
        "addr add fe80::2/64 dev cable nodad",
        "route replace default via inet6 fe80::1 dev cable",
        "-6 route replace default via fe80::1 dev cable",
    ];
    let with_metrics: &[&str] = &[
        "route del default",
        "route add default via 10.77.0.1 metric 600",
        "-6 route del default",
        "-6 route add default via fd77::1 metric 600",
    ];
    for words in [on_link, no_router, several, of_ipv6, with_metrics] {
        let stage = Stage::after(words);
        stage.run(async |mut network, tun| {
            network.apply(tun, &full_plan()).await?;
            for outside in [FAR_V4, FAR_V6, "203.0.113.9"] {
                assert_eq!(stage.way(outside), "cable", "to {outside} after {words:?}");
            }
            for inside in ["8.8.8.8", "2001:db8:9::9"] {
                assert_eq!(stage.way(inside), "tunx", "to {inside} after {words:?}");
            }
            network.refresh().await?;
            for outside in [FAR_V4, FAR_V6] {
                assert_eq!(stage.way(outside), "cable", "to {outside} after {words:?}");
            }
            network.revert().await
        })?;
        stage.assert_as_before();
    }
    Ok(())
}

#[test]
fn routes_to_hosts_lead_to_their_addresses() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let route = |host: &str, via| HostRoute {
        host: host.to_owned(),
        prefix: 32,
        via,
        metric: None,
    };
    let mut plan = full_plan();
    plan.routes = vec![inside("0.0.0.0/1"), inside("128.0.0.0/1")];
    // The last one is a name that never resolves: it is left out, and nothing else suffers.
    plan.host_routes = vec![
        route("198.51.100.77", RouteVia::PreviousDefault),
        route("nobody.invalid", RouteVia::PreviousDefault),
    ];

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;
        assert_eq!(stage.way("198.51.100.77"), "cable");
        assert_eq!(stage.way("198.51.100.78"), "tunx");

        plan.host_routes.clear();
        network.change(&plan).await?;
        assert_eq!(stage.way("198.51.100.77"), "tunx");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}
