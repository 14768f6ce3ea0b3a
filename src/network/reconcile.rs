//! `reconcile`: from what is observed to what is desired, by the fewest changes, in an order that never uncovers.

use std::collections::{HashMap, HashSet};

use crate::network::desired::Desired;
use crate::network::route::{KernelRoute, Target};
use crate::network::rule::Rule;
use openvpn_engine::netplan::DeviceAddress;

/// What is there of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Addresses of the device.
    pub(crate) addresses: Vec<DeviceAddress>,
    /// Routes in any table.
    pub(crate) routes: Vec<KernelRoute>,
    /// Rules that lead to our own table.
    pub(crate) rules: Vec<Rule>,
}

/// One change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// An address comes to the device.
    AddAddress(DeviceAddress),
    /// A route comes.
    AddRoute(KernelRoute),
    /// A route of ours to the same destination, with the same metric, leads elsewhere from now on.
    ReplaceRoute(KernelRoute),
    /// Our own table counts.
    AddRule(Rule),
    /// Our own table does not count any more.
    RemoveRule(Rule),
    /// A route goes.
    RemoveRoute(KernelRoute),
    /// An address leaves the device.
    RemoveAddress(DeviceAddress),
}

/// The changes, in order. Whatever is captured before and after is captured in between: a table is filled before it
/// counts, what is new is there before what is old goes, and exceptions come last and go first.
pub(crate) fn reconcile(desired: &Desired, observed: &Observed) -> Vec<Change> {
    let mut changes = Vec::new();
    for address in &desired.addresses {
        if !observed.addresses.contains(address) {
            changes.push(Change::AddAddress(*address));
        }
    }
    let (exceptions, routes): (Vec<&KernelRoute>, Vec<&KernelRoute>) =
        desired.routes.iter().partition(|it| throws(it));
    let there: HashMap<_, _> = observed
        .routes
        .iter()
        .map(|seen| (seen.key(), seen.target))
        .collect();
    for route in routes.into_iter().chain(exceptions) {
        match there.get(&route.key()) {
            Some(target) if *target == route.target => {}
            Some(_) => changes.push(Change::ReplaceRoute(*route)),
            None => changes.push(Change::AddRoute(*route)),
        }
    }
    let missing = |rule: &&Rule| !observed.rules.contains(rule);
    changes.extend(
        desired
            .rules
            .iter()
            .filter(missing)
            .copied()
            .map(Change::AddRule),
    );
    let obsolete = |rule: &&Rule| !desired.rules.contains(rule);
    changes.extend(
        observed
            .rules
            .iter()
            .filter(obsolete)
            .copied()
            .map(Change::RemoveRule),
    );
    let stay: HashSet<_> = desired.routes.iter().map(KernelRoute::key).collect();
    let routes = observed.routes.iter().rev();
    let obsolete = routes.filter(|seen| !stay.contains(&seen.key()));
    let (exceptions, routes): (Vec<_>, Vec<_>) = obsolete.partition(|it| throws(it));
    let gone = exceptions.into_iter().chain(routes);
    changes.extend(gone.copied().map(Change::RemoveRoute));
    for address in observed.addresses.iter().rev() {
        if !desired.addresses.contains(address) {
            changes.push(Change::RemoveAddress(*address));
        }
    }
    changes
}

fn throws(route: &KernelRoute) -> bool {
    route.target == Target::Throw
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
