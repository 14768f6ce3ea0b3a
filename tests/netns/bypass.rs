//! What stays outside of the tunnel beside the server: name servers in use, and hosts by name.

use openvpn3_backend::engine::netplan::{HostRoute, RouteVia};
use openvpn3_backend::service::netcfg::NetError;

use super::namespace::{FAR_V4, FAR_V6};
use super::network::{Stage, full_plan, inside};
use super::skipped;

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
fn a_router_of_no_subnet_leads_outside_too() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::with_routers_on_link();

    stage.run(async |mut network, tun| {
        network.apply(tun, &full_plan()).await?;
        for outside in [FAR_V4, FAR_V6, "203.0.113.9"] {
            assert_eq!(stage.way(outside), "cable", "to {outside}");
        }
        for inside in ["8.8.8.8", "2001:db8:9::9"] {
            assert_eq!(stage.way(inside), "tunx", "to {inside}");
        }
        network.refresh().await?;
        assert_eq!(stage.way(FAR_V4), "cable");
        network.revert().await
    })?;

    stage.assert_as_before();
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
