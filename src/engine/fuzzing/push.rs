//! A push and its update, up to the plan of the network: refused, or put in force without a contradiction.
//!
//! The first line is a `PUSH_REPLY`, the second a `PUSH_UPDATE`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use crate::netplan::diff::Difference;
use crate::netplan::{NetPlan, RouteVia};
use crate::profile::model::Profile;
use crate::profile::pushed::PushedOptions;
use crate::profile::pushed::split::split;
use crate::settings::PullRules;

const PROFILE: &str =
    "client\nremote vpn.example\n<ca>\n</ca>\nauth-user-pass\nroute 10.77.0.0 255.255.0.0\n";
const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], _now: Instant) {
    let text = String::from_utf8_lossy(input);
    let (reply, update) = text.split_once('\n').unwrap_or((&text, "PUSH_UPDATE"));
    let rules = PullRules::default();
    let Ok(items) = split(reply, "PUSH_REPLY") else {
        return;
    };
    let Ok((options, _)) = PushedOptions::from_reply(&items, &rules) else {
        return;
    };
    assert!(options.same_tunnel(&options));
    let before = plan(&options);
    let Ok(items) = split(update, "PUSH_UPDATE") else {
        return;
    };
    let Ok((options, _)) = options.updated(&items, &rules) else {
        return;
    };
    let (Some(before), Some(after)) = (before, plan(&options)) else {
        return;
    };
    let difference = before.difference(&after);
    assert_ne!(
        difference,
        Difference::Rebuild,
        "neither device nor mark nor table can be pushed"
    );
    let Difference::NetworkMonitor(changes) = difference else {
        return;
    };
    let mut at = before;
    for change in &changes {
        at.perform(change);
    }
    assert_eq!(
        at.difference(&after),
        Difference::NetworkMonitor(Vec::new())
    );
}

fn plan(options: &PushedOptions) -> Option<NetPlan> {
    let mut load = |_: &str| Err(String::new());
    let (profile, _) = Profile::parse("profile", PROFILE, &mut load).expect("the profile is right");
    let (plan, _) = NetPlan::build(&profile, options, &profile.remotes[0].options, SERVER).ok()?;
    assert!(!plan.addresses.is_empty());
    for route in &plan.routes {
        assert_eq!(route.destination, route.destination.trunc());
        let catches_server =
            matches!(route.via, RouteVia::Tunnel(_)) && route.destination.contains(&SERVER);
        let is_local = options
            .tunnel
            .redirect
            .is_some_and(|redirect| redirect.local);
        assert!(!catches_server || is_local || plan.bypass.contains(&SERVER));
    }
    Some(plan)
}
