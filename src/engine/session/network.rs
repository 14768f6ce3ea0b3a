//! The network's side of a session: what is in force, what is wanted, and the one step between them.

use std::sync::Arc;

use super::super::netplan::NetPlan;
use super::super::netplan::diff::Difference;

/// What is in force and what is wanted. At most one step is under way; each plan is put in force at most once.
#[derive(Debug, Default)]
pub struct Network {
    wanted: Option<Arc<NetPlan>>,
    now: Now,
}

/// One step towards what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Put the plan in force; nothing is.
    Apply(Arc<NetPlan>),
    /// Go from the plan in force to this one.
    Change {
        /// The plan in force.
        from: Arc<NetPlan>,
        /// The plan that is wanted.
        to: Arc<NetPlan>,
    },
    /// Take everything back.
    Revert,
}

/// The device that a plan is in force on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name, such as `tun0`.
    pub name: String,
}

#[derive(Debug, Default)]
enum Now {
    #[default]
    Absent,
    Applying(Arc<NetPlan>),
    Changing(Arc<NetPlan>, Device),
    InForce(Arc<NetPlan>, Device),
    /// A change failed half-way; only a revert helps.
    Half,
    Reverting,
}

impl Network {
    /// A network on which `plan` is in force on `device` already.
    #[cfg(test)]
    pub fn inherited(plan: NetPlan, device: Device) -> Self {
        let plan = Arc::new(plan);
        Self {
            wanted: Some(Arc::clone(&plan)),
            now: Now::InForce(plan, device),
        }
    }

    /// Sets what is wanted from here on. `None`: the network as it was before us.
    pub fn want(&mut self, plan: Option<NetPlan>) {
        let same = match (&self.wanted, &plan) {
            (Some(old), Some(new)) => **old == *new,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            self.wanted = plan.map(Arc::new);
        }
    }

    /// The step to be taken now, if one is due and none is under way. It is under way from here on, until
    /// [`Network::done`] or [`Network::failed`].
    pub fn next_step(&mut self) -> Option<Step> {
        let (next, step) = match (&self.now, &self.wanted) {
            (Now::Absent, Some(plan)) => (
                Now::Applying(Arc::clone(plan)),
                Step::Apply(Arc::clone(plan)),
            ),
            (Now::InForce(from, _), Some(to)) if from.difference(to) == Difference::Rebuild => {
                (Now::Reverting, Step::Revert)
            }
            (Now::InForce(from, device), Some(to)) if from != to => (
                Now::Changing(Arc::clone(to), device.clone()),
                Step::Change {
                    from: Arc::clone(from),
                    to: Arc::clone(to),
                },
            ),
            (Now::InForce(..), None) | (Now::Half, _) => (Now::Reverting, Step::Revert),
            (Now::Absent, None)
            | (Now::InForce(..), Some(_))
            | (Now::Applying(_) | Now::Changing(..) | Now::Reverting, _) => return None,
        };
        self.now = next;
        Some(step)
    }

    /// The step under way has come to its end. `device`: after [`Step::Apply`], and after a
    /// [`Step::Change`] that took another one.
    pub fn done(&mut self, device: Option<Device>) {
        self.now = match (std::mem::take(&mut self.now), device) {
            (Now::Applying(plan), Some(device))
            | (Now::Changing(plan, _), Some(device))
            | (Now::Changing(plan, device), None) => Now::InForce(plan, device),
            (Now::Applying(_), None) => Now::Half,
            (Now::Reverting | Now::Absent, _) => Now::Absent,
            (other @ (Now::InForce(..) | Now::Half), _) => other,
        };
    }

    /// The step under way failed. A failed `Apply` has taken itself back; a failed `Change` has not; after a failed
    /// `Revert` nothing more can be done.
    pub fn failed(&mut self) {
        self.now = match std::mem::take(&mut self.now) {
            Now::Applying(_) | Now::Reverting | Now::Absent => Now::Absent,
            Now::Changing(..) | Now::Half => Now::Half,
            other @ Now::InForce(..) => other,
        };
        self.wanted = None;
    }

    /// The device is gone, and what was in force on it is a ruin.
    pub fn lost(&mut self) {
        self.now = match std::mem::take(&mut self.now) {
            Now::InForce(..) | Now::Half => Now::Half,
            other @ (Now::Absent | Now::Applying(_) | Now::Changing(..) | Now::Reverting) => other,
        };
        self.wanted = None;
    }

    /// The device, if exactly what is wanted is in force.
    #[must_use]
    pub fn settled(&self) -> Option<&Device> {
        match (&self.now, &self.wanted) {
            (Now::InForce(plan, device), Some(wanted)) if plan == wanted => Some(device),
            _ => None,
        }
    }

    /// The device that packets can pass through now, whether or not the plan on it is still the wanted one.
    #[must_use]
    pub const fn device(&self) -> Option<&Device> {
        match &self.now {
            Now::InForce(_, device) | Now::Changing(_, device) => Some(device),
            Now::Absent | Now::Applying(_) | Now::Half | Now::Reverting => None,
        }
    }

    /// The plan in force.
    #[must_use]
    pub fn plan(&self) -> Option<&NetPlan> {
        match &self.now {
            Now::InForce(plan, _) => Some(plan),
            Now::Absent | Now::Applying(_) | Now::Changing(..) | Now::Half | Now::Reverting => None,
        }
    }

    /// Whether nothing of ours is in force and nothing is under way.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.now, Now::Absent)
    }

    /// Whether a step is under way.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(
            self.now,
            Now::Applying(_) | Now::Changing(..) | Now::Reverting
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plan(mtu: u16) -> NetPlan {
        NetPlan {
            mtu,
            ..NetPlan::default()
        }
    }

    fn device() -> Device {
        Device {
            name: "tun0".to_owned(),
        }
    }

    #[test]
    fn an_equal_plan_touches_nothing() {
        let mut network = Network::inherited(plan(1500), device());
        network.want(Some(plan(1500)));
        assert_eq!(network.next_step(), None);
        assert_eq!(network.settled(), Some(&device()));
    }

    #[test]
    fn another_device_is_made_anew() {
        let mut network = Network::inherited(plan(1500), device());
        let other = NetPlan {
            device: "vpn0".to_owned(),
            ..plan(1500)
        };
        network.want(Some(other));
        assert_eq!(network.next_step(), Some(Step::Revert));
        network.done(None);
        assert!(matches!(network.next_step(), Some(Step::Apply(_))));
    }

    #[test]
    fn a_failed_change_is_taken_back() {
        let mut network = Network::inherited(plan(1500), device());
        network.want(Some(plan(1400)));
        assert!(matches!(network.next_step(), Some(Step::Change { .. })));
        network.failed();
        assert_eq!(network.next_step(), Some(Step::Revert));
        network.done(None);
        assert!(network.is_absent());
    }

    proptest! {
        /// The world, as it would be if each step were carried out: a step must always fit to it, and when no step is
        /// due any more, the world is what was wanted.
        #[test]
        fn steps_fit_the_world_and_lead_to_what_is_wanted(
            moves in proptest::collection::vec((0_u16..4, any::<bool>(), 0_u8..8), 0..24)
        ) {
            let mut network = Network::default();
            let mut world: Option<NetPlan> = None;
            let mut under_way: Option<Step> = None;
            for (requested, finish, luck) in moves {
                network.want((requested > 0).then(|| plan(requested)));
                if let Some(step) = network.next_step() {
                    prop_assert!(under_way.is_none());
                    match &step {
                        Step::Apply(_) => prop_assert!(world.is_none()),
                        Step::Change { from, to } => {
                            prop_assert_eq!(world.as_ref(), Some(&**from));
                            prop_assert!(from != to);
                        }
                        Step::Revert => prop_assert!(world.is_some()),
                    }
                    under_way = Some(step);
                }
                if finish {
                    match (under_way.take(), luck) {
                        (Some(Step::Apply(_)), 0) => network.failed(),
                        (Some(Step::Change { .. }), 0) => network.failed(),
                        (Some(Step::Apply(plan)), _) => {
                            world = Some((*plan).clone());
                            network.done(Some(device()));
                        }
                        (Some(Step::Change { to, .. }), _) => {
                            world = Some((*to).clone());
                            network.done(None);
                        }
                        (Some(Step::Revert), _) => {
                            world = None;
                            network.done(None);
                        }
                        (None, _) => {}
                    }
                }
            }
            if under_way.is_some() {
                match under_way {
                    Some(Step::Apply(plan) | Step::Change { to: plan, .. }) => {
                        world = Some((*plan).clone());
                    }
                    Some(Step::Revert) | None => world = None,
                }
                network.done(Some(device()));
            }
            while let Some(step) = network.next_step() {
                world = match step {
                    Step::Apply(plan) | Step::Change { to: plan, .. } => Some((*plan).clone()),
                    Step::Revert => None,
                };
                network.done(Some(device()));
            }
            prop_assert_eq!(world.as_ref(), network.wanted.as_deref());
        }
    }
}
