//! The session machine under random commands and reports, against a model of the world.

use proptest::prelude::*;

use super::scene::{Scene, address, device, established, lost};
use crate::error::ConnectionError;
use crate::event::{Ended, Event, Stage};
use crate::netplan::NetPlan;
use crate::session::command::Command;
use crate::session::effect::{Effect, Report};
use crate::session::network::Step;

/// What a random walk does next.
#[derive(Debug, Clone, Copy)]
enum Move {
    Command(u8),
    Deadline,
    Event(u8),
    Path,
    World,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0_u8..6).prop_map(Move::Command),
        Just(Move::Deadline),
        (0_u8..8).prop_map(Move::Event),
        Just(Move::Path),
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
    attempt: bool,
    lookups: Vec<Report>,
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
                Effect::Connect(_) if self.attempt => return Err("two attempts".to_owned()),
                Effect::Connect(_) => self.attempt = true,
                Effect::Abandon => {}
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
        self.lookups.pop()
    }

    fn event(&mut self, which: u8) -> Option<Report> {
        if !self.attempt {
            return None;
        }
        let event = match which {
            0 => Event::Stage(Stage::GettingConfig),
            1 => Event::Pushed(Box::new(established(1500))),
            2 => Event::Pushed(Box::new(established(1400))),
            3 => Event::PushUpdated(Box::new(established(1300).options)),
            4 => Event::Info("hello".to_owned()),
            other => {
                self.attempt = false;
                Event::Ended(match other {
                    5 => Ended::Stopped,
                    6 => Ended::Failed(lost()),
                    _ => Ended::Failed(ConnectionError::NoAnswer { seconds: 1 }),
                })
            }
        };
        Some(Report::Event(event))
    }
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
                Move::Command(which) => {
                    let command = match which {
                        0 => Command::Connect,
                        1 => Command::Pause { reason: String::new() },
                        2 => Command::Resume,
                        3 => Command::Restart,
                        4 => Command::Renegotiate,
                        _ => Command::Reload,
                    };
                    drop(scene.command(command));
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
                Move::World => {
                    if let Some(report) = world.finish() {
                        scene.report(report);
                    }
                }
            }
            // An attempt that was abandoned is over, whatever the session does.
            if scene.said.iter().any(|effect| matches!(effect, Effect::Abandon)) {
                world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
                if world.attempt {
                    world.attempt = false;
                    scene.report(Report::Abandoned);
                }
            }
        }
        world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
        if world.exited {
            return Ok(());
        }
        scene.command(Command::Disconnect).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for _ in 0..8 {
            world.obey(&mut scene.said).map_err(TestCaseError::fail)?;
            if world.exited {
                break;
            }
            if world.attempt {
                world.attempt = false;
                scene.report(Report::Event(Event::Ended(Ended::Stopped)));
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
