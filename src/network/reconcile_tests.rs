//! Properties of the reconciler, checked against a small model of how the kernel looks routes up.

use proptest::prelude::*;

use super::*;
use crate::network::route::{MAIN_TABLE, Way};

const TUNNEL: u32 = 9;
const OWN: u32 = 194_009;

fn route() -> impl Strategy<Value = KernelRoute> {
    let destination = prop_oneof![
        Just("0.0.0.0/1"),
        Just("128.0.0.0/1"),
        Just("10.0.0.0/8"),
        Just("10.0.0.0/24"),
        Just("192.0.2.1/32"),
    ];
    let target = prop_oneof![
        3 => Just(TUNNEL),
        2 => Just(2),
        1 => Just(0),
    ];
    let table = prop_oneof![Just(MAIN_TABLE), Just(OWN)];
    (destination, target, table, any::<bool>(), 0_u32..2).prop_map(
        |(destination, interface, table, throw, metric)| KernelRoute {
            destination: destination.parse().unwrap(),
            table,
            metric: Some(metric),
            target: match interface {
                _ if throw && table == OWN => Target::Throw,
                0 => Target::Unreachable,
                interface => Target::Way(Way {
                    gateway: None,
                    interface,
                }),
            },
        },
    )
}

fn state() -> impl Strategy<Value = Desired> {
    let address = proptest::sample::subsequence(vec!["10.8.0.2/24", "10.9.0.2/24"], 0..=2);
    (
        proptest::collection::vec(route(), 0..9),
        any::<bool>(),
        address,
    )
        .prop_map(|(routes, rule, addresses)| {
            let mut state = Desired {
                rules: Vec::from_iter(rule.then_some(Rule {
                    v6: false,
                    table: OWN,
                })),
                addresses: addresses
                    .into_iter()
                    .map(|it| DeviceAddress {
                        network: it.parse().unwrap(),
                        peer: None,
                    })
                    .collect(),
                ..Desired::default()
            };
            state.set_routes(routes.into_iter().map(KernelRoute::normal).collect());
            state
        })
}

fn observed(state: &Desired) -> Observed {
    Observed {
        addresses: state.addresses.clone(),
        routes: state.routes.clone(),
        rules: state.rules.clone(),
    }
}

/// What the kernel would do.
fn perform(state: &mut Observed, change: Change) {
    match change {
        Change::AddAddress(address) => state.addresses.push(address),
        Change::AddRoute(route) => {
            assert!(!state.routes.iter().any(|it| it.same_key(&route)));
            state.routes.push(route);
        }
        Change::ReplaceRoute(route) => {
            let at = state.routes.iter().position(|it| it.same_key(&route));
            state.routes[at.expect("only what is there is replaced")] = route;
        }
        Change::AddRule(rule) => state.rules.push(rule),
        Change::RemoveRule(rule) => state.rules.retain(|it| *it != rule),
        Change::RemoveRoute(route) => state.routes.retain(|it| !it.same_key(&route)),
        Change::RemoveAddress(address) => state.addresses.retain(|it| *it != address),
    }
}

/// Whether a packet to `address` is captured: goes into the tunnel, or nowhere.
fn captures(state: &Observed, address: &str) -> bool {
    let address: std::net::IpAddr = address.parse().unwrap();
    let tables = state.rules.iter().map(|rule| rule.table);
    for table in tables.chain([MAIN_TABLE]) {
        let best = state
            .routes
            .iter()
            .filter(|it| it.table == table && it.destination.contains(&address))
            .max_by_key(|it| {
                let metric = it.metric.unwrap_or(0);
                (it.destination.prefix_len(), std::cmp::Reverse(metric))
            });
        match best.map(|it| it.target) {
            None | Some(Target::Throw) => {}
            Some(Target::Unreachable) => return true,
            Some(Target::Way(way)) => return way.interface == TUNNEL,
        }
    }
    false
}

fn sorted(mut state: Observed) -> Observed {
    state.addresses.sort();
    state.rules.sort();
    state.routes.sort_by_key(KernelRoute::key);
    state
}

proptest! {
    #[test]
    fn the_changes_lead_to_what_is_desired_and_then_there_are_none(from in state(), to in state()) {
        let mut world = observed(&from);
        for change in reconcile(&to, &world.clone()) {
            perform(&mut world, change);
        }
        prop_assert_eq!(reconcile(&to, &world), vec![]);
        prop_assert_eq!(sorted(world), sorted(observed(&to)));
    }

    #[test]
    fn nothing_is_touched_that_stays(from in state(), to in state()) {
        let changes = reconcile(&to, &observed(&from));
        for route in from.routes.iter().filter(|it| to.routes.contains(it)) {
            let touches = changes.iter().any(|change| match change {
                Change::AddRoute(it) | Change::ReplaceRoute(it) | Change::RemoveRoute(it) => it.same_key(route),
                Change::AddAddress(_)
                | Change::AddRule(_)
                | Change::RemoveAddress(_)
                | Change::RemoveRule(_) => false,
            });
            prop_assert!(!touches, "{}", route);
        }
    }

    /// Where the whole address space is captured in either state, by a table that counts or by the main one, no packet
    /// that is captured before and after is free in between.
    #[test]
    fn what_is_captured_before_and_after_is_captured_in_between(from in state(), to in state()) {
        let mut world = observed(&from);
        let after = observed(&to);
        let probes: Vec<_> = ["10.0.0.7", "10.77.0.1", "8.8.8.8", "200.1.1.1"]
            .into_iter()
            .filter(|it| covers(&world, it) && covers(&after, it))
            .collect();
        for change in reconcile(&to, &world.clone()) {
            perform(&mut world, change);
            for probe in &probes {
                prop_assert!(captures(&world, probe), "{} is free after {:?}", probe, change);
            }
        }
    }
}

/// Whether a packet is captured, and no route of this state leads it outside: what `Desired` makes for an address that
/// is to be inside.
fn covers(state: &Observed, address: &str) -> bool {
    let probe: std::net::IpAddr = address.parse().unwrap();
    let is_free = |it: &KernelRoute| {
        it.destination.contains(&probe)
            && (it.target == Target::Throw
                || matches!(it.target, Target::Way(way) if way.interface != TUNNEL))
    };
    captures(state, address) && !state.routes.iter().any(is_free)
}
