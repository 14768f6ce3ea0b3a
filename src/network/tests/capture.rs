//! What takes traffic out of the tunnel, and what must not: routes of the network that the host is in, of other programs,
//! and families that the tunnel does not carry.

use crate::network::NetError;
use openvpn_engine::netplan::{NetPlan, RouteVia};

use super::local::{Stage, full_plan, inside, ip};
use crate::testing::namespace::{FAR_V4, SERVER_V4};
use crate::testing::skipped;

/// A redirect as a server pushes it, with the server outside.
fn redirect() -> NetPlan {
    let mut plan = full_plan();
    plan.routes = [
        "0.0.0.0/1",
        "128.0.0.0/1",
        "::/1",
        "8000::/1",
        "2000::/4",
        "3000::/4",
    ]
    .map(inside)
    .into();
    plan
}

/// Routes that others may put there, with where the addresses go under a redirect.
const OTHERS: [(&str, &str, &str); 14] = [
    ("route add 0.0.0.0/1 via 10.77.0.9", "9.9.9.9", "tunx"),
    ("route add 128.0.0.0/1 via 10.77.0.9", "200.1.1.1", "tunx"),
    ("route add blackhole 0.0.0.0/1", "9.9.9.9", "tunx"),
    (
        "route add 9.9.9.0/24 via 10.77.0.9 proto dhcp",
        "9.9.9.9",
        "tunx",
    ),
    (
        "route add 9.9.9.9/32 via 10.77.0.9 proto dhcp metric 5",
        "9.9.9.9",
        "tunx",
    ),
    (
        "route add 9.9.9.0/24 dev cable proto dhcp scope link",
        "9.9.9.9",
        "tunx",
    ),
    (
        "route add 9.9.9.0/24 via 10.77.0.9 proto redirect",
        "9.9.9.9",
        "tunx",
    ),
    (
        "-6 route add 2000::/4 via fd77::9 dev cable",
        "2001:db8::9",
        "tunx",
    ),
    (
        "-6 route add 2001:db8::/32 via fd77::9 dev cable proto ra",
        "2001:db8::9",
        "tunx",
    ),
    (
        "-6 route add 2001:db8:1::/64 dev cable proto ra",
        "2001:db8:1::9",
        "cable",
    ),
    (
        "-6 route add 2001:db8::/32 dev cable proto ra",
        "2001:db8::9",
        "tunx",
    ),
    (
        "route add 9.9.9.0/24 via 10.77.0.9 proto static",
        "9.9.9.9",
        "cable",
    ),
    ("route add 9.9.9.0/24 via 10.77.0.9", "9.9.9.9", "cable"),
    (
        "-6 route add 2001:db8::/32 via fd77::9 dev cable",
        "2001:db8::9",
        "cable",
    ),
];

#[test]
fn under_a_redirect_only_what_was_put_there_by_intent_goes_outside() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    for (words, address, by) in OTHERS {
        let stage = Stage::after(&[words]);
        stage.run(async |mut network, tun| {
            network.apply(tun.clone(), &redirect()).await?;
            assert_eq!(stage.way(address), by, "to {address} after {words}");
            assert_eq!(stage.way("11.1.1.1"), "tunx", "after {words}");
            assert_eq!(stage.way("10.77.0.66"), "cable", "after {words}");
            assert_eq!(stage.way("fd77::66"), "cable", "after {words}");
            assert_eq!(stage.way(FAR_V4), "cable", "after {words}");
            network.revert().await
        })?;
        stage.assert_as_before();
    }
    Ok(())
}

#[test]
fn what_others_add_while_connected_is_judged_the_same() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    for (words, address, by) in OTHERS {
        let stage = Stage::new();
        stage.run(async |mut network, tun| {
            network.apply(tun, &redirect()).await?;
            let added = stage.client().try_ip(words);
            // Until it was looked at, nothing that others add counts.
            if added.status.success() {
                assert_eq!(
                    stage.way(address),
                    "tunx",
                    "to {address} at once after {words}"
                );
                network.refresh().await?;
                assert_eq!(stage.way(address), by, "to {address} after {words}");
                stage.client().ip(&words.replace(" add ", " del "));
            }
            network.revert().await
        })?;
        stage.assert_as_before();
    }
    Ok(())
}

#[test]
fn a_pushed_network_that_equals_the_local_one_goes_into_the_tunnel() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut plan = full_plan();
    plan.routes = vec![inside("10.77.0.0/24"), inside("fd77::/64")];

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;
        assert_eq!(stage.way("10.77.0.66"), "tunx");
        assert_eq!(stage.way("fd77::66"), "tunx");
        assert_eq!(stage.way(SERVER_V4), "cable", "the server");
        assert_eq!(stage.way(FAR_V4), "cable", "a server behind the router");
        assert_eq!(stage.way("9.9.9.9"), "cable");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn a_family_that_the_tunnel_does_not_carry_is_unreachable_when_it_was_to_be_captured()
-> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    for everything in [
        &["::/1", "8000::/1", "2000::/4", "3000::/4"][..],
        &["2000::/3"],
    ] {
        let stage = Stage::after(&[&format!(
            "-6 route add {} via fd77::9 dev cable metric 9",
            everything[0]
        )]);
        let mut plan = full_plan();
        plan.addresses.retain(|it| it.network.addr().is_ipv4());
        plan.routes = everything.iter().copied().map(inside).collect();

        stage.run(async |mut network, tun| {
            network.apply(tun, &plan).await?;
            for address in ["2001:db8::9", "2600::1", "3fff::1"] {
                let way = stage.way(address);
                assert!(way.contains("No route to host"), "to {address}: {way}");
            }
            assert_eq!(stage.way("fd77::66"), "cable");
            assert_eq!(stage.way("9.9.9.9"), "cable");
            network.revert().await
        })?;
        stage.assert_as_before();
    }
    Ok(())
}

#[test]
fn a_gateway_on_no_link_leads_nowhere_beside_the_tunnel() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut plan = redirect();
    let mut route = inside("192.168.50.9/32");
    route.via = RouteVia::Gateway(ip("192.168.255.1"));
    plan.routes.push(route);

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;
        assert_eq!(stage.way("192.168.50.9"), "tunx");
        assert!(!stage.client().ip("route show table all").contains("onlink"));
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn another_metric_takes_the_place_of_the_one_before() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    for destination in ["2001:db8:7::/48", "192.0.2.0/24"] {
        let stage = Stage::new();
        let mut plan = full_plan();
        plan.routes = vec![inside(destination)];
        let family = if destination.contains(':') {
            "-6"
        } else {
            "-4"
        };
        let metrics = || {
            let shown = stage
                .client()
                .ip(&format!("{family} route show {destination}"));
            let mut words = shown.split_whitespace();
            let mut found = Vec::new();
            while let Some(word) = words.next() {
                if word == "metric" {
                    found.extend(words.next().map(str::to_owned));
                }
            }
            found
        };

        stage.run(async |mut network, tun| {
            network.apply(tun, &plan).await?;
            for metric in [70, 5, 2000] {
                plan.routes[0].metric = Some(metric);
                network.change(&plan).await?;
                assert_eq!(metrics(), [metric.to_string()], "{destination}");
            }
            network.revert().await
        })?;
        stage.assert_as_before();
    }
    Ok(())
}

#[test]
fn what_others_remove_is_put_back() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();

    stage.run(async |mut network, tun| {
        network.apply(tun.clone(), &redirect()).await?;
        stage.client().ip("rule flush");
        stage.client().ip("rule add pref 32766 lookup main");
        assert_eq!(
            stage.way("9.9.9.9"),
            "tunx",
            "the main table has the same routes"
        );
        stage.client().ip("route del 0.0.0.0/1");
        stage
            .client()
            .ip(&format!("route flush table {}", 194_000 + tun.index));
        network.refresh().await?;
        stage
            .client()
            .ip("route add 0.0.0.0/2 via 10.77.0.9 proto dhcp");
        assert_eq!(stage.way("9.9.9.9"), "tunx");
        assert_eq!(stage.way(FAR_V4), "cable");
        stage.client().ip("route del 0.0.0.0/2");
        stage.client().ip("rule add pref 32767 lookup default");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn the_address_of_the_host_or_of_its_router_is_refused_by_name() {
    if skipped(&[]) {
        return;
    }
    for address in ["10.77.0.1/24", "10.77.0.2/32", "fd77::1/64", "fd77::2/64"] {
        let stage = Stage::new();
        let mut plan = redirect();
        plan.addresses[0].network = address.parse().expect("a network");

        let error = stage
            .run(async |mut network, tun| network.apply(tun, &plan).await)
            .expect_err("it is taken");

        assert!(error.to_string().contains(address), "{error}");
        stage.assert_as_before();
    }
}

#[test]
fn without_room_for_the_record_nothing_new_begins_and_nothing_is_given_up() -> Result<(), NetError>
{
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let fill = || {
        let beside = stage.record().with_extension("new");
        std::os::unix::fs::symlink("/dev/full", beside).expect("a link can be made");
    };

    fill();
    let error = stage
        .run(async |mut network, tun| network.apply(tun, &redirect()).await)
        .expect_err("there is no room");
    assert!(error.to_string().contains("write the record"), "{error}");
    assert_eq!(stage.way("9.9.9.9"), "cable");
    stage.run(async |mut network, tun| network.apply(tun, &redirect()).await)?;
    fill();
    stage.run(async |mut network, tun| {
        // The process that follows one that was killed.
        let mut plan = redirect();
        plan.routes.push(inside("192.0.2.0/24"));
        network.apply(tun, &plan).await?;
        assert_eq!(stage.way("9.9.9.9"), "tunx");
        assert!(!stage.record().with_extension("new").exists());
        network.revert().await
    })?;

    stage.client().ip("link set tunx mtu 1500 down");
    stage.assert_as_before();
    Ok(())
}
