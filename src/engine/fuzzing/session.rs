//! A session under any order of requests, reports and deadlines, against a small model of the world.
//!
//! The first byte chooses whether the device persists (bit 0), who begins and ends (bit 1) and whether a password is
//! needed (bit 2). Each byte that follows is one thing that happens.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{Environment, PeerInfo};
use crate::crypto::cipher::Cipher;
use crate::error::{Advance, ConnectionError, DynamicChallenge};
use crate::event::{AuthToken, Ended, Established, Event, KeyTimes, Stage};
use crate::profile::model::Profile;
use crate::profile::pushed::PushedOptions;
use crate::secret::SecretText;
use crate::session::effect::{Effect, Loaded, Report};
use crate::session::exit_class::ExitClass;
use crate::session::machine::{Output, Session};
use crate::session::network::{Device, Step};
use crate::session::request::{Answer, Request};
use crate::session::tunnel::{AttemptId, TunnelOrder, TunnelReport};
use crate::session::{Autonomy, Lifetime, Policy, ReadyWhen, Registration};
use rustls::time_provider::DefaultTimeProvider;

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], now: Instant) {
    let Some((choice, moves)) = input.split_first() else {
        return;
    };
    let mut scene = Scene::new(*choice, now);
    for what in moves {
        scene.happen(*what);
    }
    scene.end();
}

/// A session and the world as its effects make it.
struct Scene {
    session: Session,
    now: Instant,
    has_plan: bool,
    step: Option<Step>,
    /// The attempt under way.
    attempt: Option<AttemptId>,
    lookups: Vec<Report>,
    profile: Option<Report>,
    choice: u8,
    exited: bool,
}

impl Scene {
    fn new(choice: u8, now: Instant) -> Self {
        let policy = Policy {
            registration: Registration::None,
            ready: ReadyWhen::Connected,
            autonomy: if choice & 2 == 0 {
                Autonomy::ByItself
            } else {
                Autonomy::Commanded
            },
            about: PeerInfo::default(),
            lifetime: Lifetime::BeyondProcess(Box::default()),
        };
        let environment = Environment {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            wall_clock: Arc::new(DefaultTimeProvider),
            clock_trust: None,
        };
        let mut scene = Self {
            session: Session::new(policy, environment),
            now,
            has_plan: false,
            step: None,
            attempt: None,
            lookups: Vec::new(),
            profile: None,
            choice,
            exited: false,
        };
        scene.drain();
        scene.finish();
        scene
    }

    /// Takes what the session asks for, and checks that it fits the world. The answer is its deadline.
    fn drain(&mut self) -> Option<Instant> {
        loop {
            let effect = match self.session.poll_output() {
                Output::Effect(effect) => effect,
                Output::Wait { until, .. } => return until,
            };
            assert!(!self.exited, "{effect:?} after the exit");
            match effect {
                Effect::Tunnel(TunnelOrder::Begin(attempt)) => {
                    assert!(self.attempt.is_none(), "two attempts at once");
                    self.attempt = Some(attempt.id);
                }
                Effect::Tunnel(TunnelOrder::Abandon(id)) => {
                    self.attempt = None;
                    self.lookups.push(stopped(id));
                }
                Effect::Network(step) => {
                    assert!(self.step.is_none(), "two steps at once");
                    let fits = matches!(step, Step::Apply(_)) != self.has_plan;
                    assert!(fits, "{step:?} on the wrong ground");
                    self.step = Some(step);
                }
                Effect::Resolve(lookup) => self.lookups.push(Report::Resolved {
                    lookup,
                    addresses: vec![address(1), address(2)],
                }),
                Effect::LoadProfile => self.profile = Some(profile(self.choice)),
                Effect::Exit(_) => self.exited = true,
                Effect::Announce(_)
                | Effect::Attention(_)
                | Effect::Connected(_)
                | Effect::ExtendTimeout(_)
                | Effect::Ready
                | Effect::Refresh
                | Effect::Registered(_)
                | Effect::Save(_)
                | Effect::Stopping
                | Effect::Tunnel(TunnelOrder::Input(_)) => {}
            }
        }
    }

    fn happen(&mut self, what: u8) {
        let variant = what >> 4;
        match what & 15 {
            0 => self.request(Request::Connect),
            1 => self.request(Request::Pause {
                reason: String::new(),
            }),
            2 => self.request(Request::Resume),
            3 => self.request(Request::Restart),
            4 => self.request(Request::Reload),
            5 => self.request(Request::ProvideInput(Answer {
                kind: 1,
                group: u32::from(variant & 7),
                number: u32::from(variant >> 3),
                value: SecretText::from("x"),
            })),
            6 => self.deadline(),
            7 => self.report(Report::PathChanged),
            8 => self.report(Report::TunLost(String::new())),
            9 if variant > 8 && self.step.is_some() => self.fail_step(),
            10..=14 => self.event(variant),
            _ => self.finish(),
        }
    }

    fn request(&mut self, request: Request) {
        // A refusal is an answer like any other.
        let _answer = self.session.request(self.now, request);
        self.drain();
    }

    fn report(&mut self, report: Report) {
        self.session.report(self.now, report);
        self.drain();
    }

    fn deadline(&mut self) {
        if let Some(until) = self.drain() {
            self.now = self.now.max(until);
            self.session.handle_deadline(self.now);
            self.drain();
        }
    }

    fn fail_step(&mut self) {
        if let Some(step) = self.step.take() {
            // A failed change leaves a mixture, a failed revert has done what it could.
            self.has_plan = matches!(step, Step::Change { .. });
        }
        self.report(Report::NetworkFailed {
            class: ExitClass::NetworkSetupFailed,
            reason: String::new(),
        });
    }

    /// Something that was begun comes to its end.
    fn finish(&mut self) {
        if let Some(step) = self.step.take() {
            self.has_plan = !matches!(step, Step::Revert);
            let device = matches!(step, Step::Apply(_)).then(|| Device {
                name: "tun0".to_owned(),
            });
            self.report(Report::NetworkDone(device));
        } else if let Some(report) = self.profile.take().or_else(|| self.lookups.pop()) {
            self.report(report);
        }
    }

    fn event(&mut self, variant: u8) {
        let Some(id) = self.attempt else {
            return;
        };
        let event = match variant {
            0 => Event::Stage(Stage::GettingConfig),
            1..=3 => Event::Pushed(Box::new(established(variant, self.now))),
            4 => Event::PushUpdated(Box::new(established(variant, self.now).options)),
            5 => Event::ChallengeText {
                echo: true,
                response_required: true,
                text: "?".to_owned(),
            },
            6 => Event::OpenUrl("https://example.test".to_owned()),
            7 => Event::Token(AuthToken {
                username: None,
                token: SecretText::from("t"),
            }),
            other => {
                self.attempt = None;
                Event::Ended(ended(other))
            }
        };
        self.report(Report::Tunnel(id, TunnelReport::Event(event)));
    }

    /// After a disconnect everything comes to its end.
    fn end(&mut self) {
        if self.exited {
            return;
        }
        self.request(Request::Disconnect);
        for _ in 0..32 {
            if self.exited {
                break;
            }
            if let Some(id) = self.attempt.take() {
                self.report(stopped(id));
            } else {
                self.finish();
            }
        }
        assert!(self.exited, "a disconnect ends the session");
        assert!(!self.has_plan, "and takes the network back");
    }
}

fn stopped(id: AttemptId) -> Report {
    Report::Tunnel(id, TunnelReport::Event(Event::Ended(Ended::Stopped)))
}

fn ended(variant: u8) -> Ended {
    Ended::Failed(match variant {
        8 => return Ended::Stopped,
        9 => ConnectionError::PeerLost { seconds: 1 },
        10 => ConnectionError::NoAnswer { seconds: 1 },
        11 => ConnectionError::AuthFailed {
            reason: String::new(),
        },
        12 => ConnectionError::DynamicChallenge(DynamicChallenge {
            echo: true,
            response_required: true,
            state_id: "s".to_owned(),
            username: "u".to_owned(),
            text: "?".to_owned(),
        }),
        13 => ConnectionError::ServerRestart {
            reason: String::new(),
            keep_credentials: false,
            advance: Advance::Remote,
        },
        14 => ConnectionError::TokenExpired {
            reason: String::new(),
        },
        _ => ConnectionError::ServerHalt {
            reason: String::new(),
        },
    })
}

fn established(variant: u8, now: Instant) -> Established {
    let lines = [
        "ifconfig 10.9.0.2 255.255.255.0".to_owned(),
        "topology subnet".to_owned(),
        format!("tun-mtu {}", 1300 + u16::from(variant)),
    ];
    let (options, _notes) = PushedOptions::from_reply(&lines, &crate::config::PullRules::default())
        .expect("these options are right");
    Established {
        cipher: Cipher::Aes256Gcm,
        options,
        tls: String::new(),
        exporter_keys: true,
        epoch: false,
        server_subject: String::new(),
        key_times: KeyTimes {
            negotiated_at: now,
            renewal_at: None,
        },
    }
}

fn profile(choice: u8) -> Report {
    let mut text = PROFILE.to_owned();
    if choice & 1 != 0 {
        text.push_str("persist-tun\n");
    }
    if choice & 4 != 0 {
        text.push_str("auth-user-pass\nauth-retry interact\n");
    }
    let (profile, _notes) = Profile::parse("fuzz.ovpn", &text, &mut |_| Err(String::new()))
        .expect("this profile is right");
    Report::Profile(Ok(Box::new(Loaded {
        name: "fuzz".to_owned(),
        profile,
    })))
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1194))
}

const PROFILE: &str = "client
remote vpn.example
remote other.example
setenv CLIENT_CERT 0
peer-fingerprint 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff
";
