//! The session machine under random requests and reports, against a model of the world.

use proptest::prelude::*;

use super::scene::{Scene, address, device, established, lost};
use crate::error::ConnectionError;
use crate::event::{Ended, Event, Stage};
use crate::netplan::NetPlan;
use crate::session::effect::{Effect, Report};
use crate::session::network::Step;
use crate::session::request::Request;
use crate::session::tunnel::{AttemptId, TunnelOrder, TunnelReport};

/// What a random walk does next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Request(u8),
    Deadline,
    Event(u8),
    Path,
    TunLost,
    World,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0_u8..5).prop_map(Move::Request),
        Just(Move::Deadline),
        (0_u8..8).prop_map(Move::Event),
        Just(Move::Path),
        Just(Move::TunLost),
        Just(Move::World),
        Just(Move::World),
        Just(Move::World),
    ];
    proptest::collection::vec(one, 0..60)
}

/// The world as the effects make it.
#[derive(Default)]
struct World {
    plan: Option<NetPlan>,
    step: Option<Step>,
    attempt: Option<AttemptId>,
    lookups: Vec<Report>,
    /// Attempts that were abandoned, whose end has not been reported.
    over: Vec<AttemptId>,
    exited: bool,
}

impl World {
    /// Takes the effects in, and says what is wrong with them.
    fn obey(&mut self, effects: &mut Vec<Effect>) -> Result<(), String> {
        for effect in effects.drain(..) {
            if self.exited {
                return Err(format!("{effect:?} after the exit"));
            }
            match effect {
                Effect::Tunnel(TunnelOrder::Begin(_)) if self.attempt.is_some() => {
                    return Err("two attempts".to_owned());
                }
                Effect::Tunnel(TunnelOrder::Begin(attempt)) => self.attempt = Some(attempt.id),
                Effect::Tunnel(TunnelOrder::Abandon(id)) => {
                    // It is over, whatever the session does; the answer comes in any case.
                    self.attempt = None;
                    self.over.push(id);
                }
                Effect::Network(step) => {
                    if self.step.is_some() {
                        return Err("two steps at once".to_owned());
                    }
                    match &step {
                        Step::Apply(_) if self.plan.is_some() => {
                            return Err("a plan over a plan".to_owned());
                        }
                        Step::Change { from, .. } if self.plan.as_ref() != Some(&**from) => {
                            return Err("a change from something else".to_owned());
                        }
                        Step::Revert if self.plan.is_none() => {
                            return Err("a revert of nothing".to_owned());
                        }
                        Step::Apply(_) | Step::Change { .. } | Step::Revert => {}
                    }
                    self.step = Some(step);
                }
                Effect::Resolve(lookup) => self.lookups.push(Report::Resolved {
                    lookup,
                    addresses: vec![address(1), address(2)],
                }),
                Effect::Exit(_) => self.exited = true,
                _ => {}
            }
        }
        Ok(())
    }

    /// Something that was begun comes to its end.
    fn finish(&mut self) -> Option<Report> {
        if let Some(step) = self.step.take() {
            let device = matches!(step, Step::Apply(_)).then(device);
            self.plan = match step {
                Step::Apply(plan) | Step::Change { to: plan, .. } => Some((*plan).clone()),
                Step::Revert => None,
            };
            return Some(Report::NetworkDone(device));
        }
        if let Some(id) = self.over.pop() {
            return Some(stopped(id));
        }
        self.lookups.pop()
    }

    fn event(&mut self, which: u8) -> Option<Report> {
        let id = self.attempt?;
        let event = match which {
            0 => Event::Stage(Stage::GettingConfig),
            1 => Event::Pushed(Box::new(established(1500))),
            2 => Event::Pushed(Box::new(established(1400))),
            3 => Event::PushUpdated(Box::new(established(1300).options)),
            4 => Event::Info("hello".to_owned()),
            other => {
                self.attempt = None;
                Event::Ended(match other {
                    5 => Ended::Stopped,
                    6 => Ended::Failed(lost()),
                    _ => Ended::Failed(ConnectionError::NoAnswer { seconds: 1 }),
                })
            }
        };
        Some(Report::Tunnel(id, TunnelReport::Event(event)))
    }
}

fn stopped(id: AttemptId) -> Report {
    Report::Tunnel(id, TunnelReport::Event(Event::Ended(Ended::Stopped)))
}

proptest! {
    #[test]
    fn whatever_happens_effects_fit_the_world_and_a_disconnect_ends_it(
        moves in moves(),
        persist_tun in any::<bool>(),
    ) {
        let mut scene = Scene::loaded(persist_tun);
        let mut world = World::default();
        for step in moves {
            world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
            match step {
                Move::Request(which) => {
                    let request = match which {
                        0 => Request::Connect,
                        1 => Request::Pause { reason: String::new() },
                        2 => Request::Resume,
                        3 => Request::Restart,
                        _ => Request::Reload,
                    };
                    drop(scene.request(request));
                }
                Move::Deadline => {
                    if scene.drain().is_some() {
                        scene.wait();
                    }
                }
                Move::Event(which) => {
                    if let Some(report) = world.event(which) {
                        scene.report(report);
                    }
                }
                Move::Path => scene.report(Report::PathChanged),
                Move::TunLost => {
                    if world.plan.is_some() {
                        scene.report(Report::TunLost("it was deleted".to_owned()));
                    }
                }
                Move::World => {
                    if let Some(report) = world.finish() {
                        scene.report(report);
                    }
                }
            }
        }
        world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
        if world.exited {
            return Ok(());
        }
        scene.request(Request::Disconnect).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for _ in 0..8 {
            world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
            if world.exited {
                break;
            }
            if let Some(id) = world.attempt.take() {
                scene.report(stopped(id));
            } else if let Some(report) = world.finish() {
                scene.report(report);
            } else {
                break;
            }
        }
        world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
        prop_assert!(world.exited, "the session ends");
        prop_assert!(world.plan.is_none(), "the network is as it was before");
    }
}
