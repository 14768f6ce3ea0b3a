//! Topologies whose addresses name the far end.

use super::{Stage, address, inside, ip, route};
use crate::network::NetError;
use crate::testing::{skipped, state};
use openvpn_engine::netplan::{NetPlan, RouteVia};

#[test]
fn point_to_point_topologies_name_the_far_end() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let plan = NetPlan {
        mtu: 1200,
        addresses: vec![
            address("10.8.0.6/30", Some("10.8.0.5")),
            address("fd08::6/64", Some("fd08::1")),
        ],
        routes: vec![
            route("192.0.2.0/24", RouteVia::Tunnel(Some(ip("10.8.0.5")))),
            route("198.18.0.0/15", RouteVia::Tunnel(Some(ip("10.200.0.1")))),
            inside("2001:db8:5::/48"),
        ],
        ..NetPlan::default()
    };

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;

        let addresses = stage.world.client.ip("-4 addr show dev tunx");
        assert!(
            addresses.contains("inet 10.8.0.6 peer 10.8.0.5/30"),
            "{addresses}"
        );
        assert_eq!(stage.way("192.0.2.4"), "tunx");
        assert_eq!(stage.way("198.18.0.4"), "tunx");
        // Below 1280 bytes a device has no IPv6: better no way than one beside the tunnel.
        assert!(stage.way("2001:db8:5::1").contains("No route to host"));
        network.revert().await
    })?;

    stage.world.client.ip("link set tunx mtu 1500");
    assert_eq!(stage.before.len(), state::of(&stage.world.client).len());
    Ok(())
}
