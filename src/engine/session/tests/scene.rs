//! A session, a clock, and what the session said.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::time_provider::DefaultTimeProvider;

use crate::config::{ClockTrust, Environment, PeerInfo};
use crate::crypto::cipher::Cipher;
use crate::error::ConnectionError;
use crate::event::{AuthToken, Ended, Established, Event, KeyTimes, Stage};
use crate::profile::model::Profile;
use crate::profile::pushed::PushedOptions;
use crate::profile::pushed::split::split;
use crate::profile::tunnel::{Ifconfig4, Topology, TunnelOptions};
use crate::session::effect::{Effect, Loaded, Report};
use crate::session::exit_class::ExitClass;
use crate::session::machine::{Output, Session};
use crate::session::network::{Device, Step};
use crate::session::request::{Refusal, Request};
use crate::session::saved::Saved;
use crate::session::status::Status;
use crate::session::tunnel::{AttemptId, TunnelOrder, TunnelReport};
use crate::session::{Autonomy, Known, Lifetime, Policy, ReadyWhen, Registration};
use crate::settings::PullRules;

#[derive(Debug)]
struct Trust(Arc<AtomicBool>);

impl ClockTrust for Trust {
    fn is_trusted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A session, a clock, and what the session said.
pub(super) struct Scene {
    pub(super) session: Session,
    pub(super) now: Instant,
    pub(super) said: Vec<Effect>,
    /// The last attempt that was begun.
    pub(super) attempt: AttemptId,
}

impl Scene {
    pub(super) fn new(registration: Registration, autonomy: Autonomy) -> Self {
        Self::given(registration, autonomy, None, None)
    }

    /// A session that acts by itself, whose process takes up what an earlier one left.
    pub(super) fn after(saved: Option<Saved>) -> Self {
        Self::given(Registration::None, Autonomy::ByItself, saved, None)
    }

    /// A session with what its process was given.
    pub(super) fn given(
        registration: Registration,
        autonomy: Autonomy,
        saved: Option<Saved>,
        token: Option<AuthToken>,
    ) -> Self {
        Self::believing(registration, autonomy, Known { saved, token }, None)
    }

    fn believing(
        registration: Registration,
        autonomy: Autonomy,
        known: Known,
        clock_trust: Option<Arc<dyn ClockTrust>>,
    ) -> Self {
        let policy = Policy {
            registration,
            ready: match autonomy {
                Autonomy::ByItself => ReadyWhen::Connected,
                Autonomy::Commanded => ReadyWhen::Registered,
            },
            autonomy,
            about: PeerInfo::default(),
            lifetime: Lifetime::BeyondProcess(Box::new(known)),
        };
        let environment = Environment {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            wall_clock: Arc::new(DefaultTimeProvider),
            clock_trust,
        };
        let mut scene = Self {
            session: Session::new(policy, environment),
            now: start(),
            said: Vec::new(),
            attempt: AttemptId::default(),
        };
        scene.drain();
        scene
    }

    /// A session that acts by itself, with its profile loaded.
    pub(super) fn loaded(persist_tun: bool) -> Self {
        let mut scene = Self::new(Registration::None, Autonomy::ByItself);
        scene.report(Report::Profile(Ok(profile(persist_tun, false))));
        scene
    }

    /// A session that acts by itself, with these lines in its profile.
    pub(super) fn with(lines: &str) -> Self {
        let mut scene = Self::new(Registration::None, Autonomy::ByItself);
        scene.report(Report::Profile(Ok(profile_with(lines))));
        scene
    }

    /// The same, with a clock that is trusted when this says so.
    pub(super) fn with_clock(lines: &str, trusted: &Arc<AtomicBool>) -> Self {
        let trust: Arc<dyn ClockTrust> = Arc::new(Trust(Arc::clone(trusted)));
        let mut scene = Self::believing(
            Registration::None,
            Autonomy::ByItself,
            Known::default(),
            Some(trust),
        );
        scene.report(Report::Profile(Ok(profile_with(lines))));
        scene
    }

    /// A session whose process found this, left by an earlier one.
    pub(super) fn after_crash(lines: &str, saved: Saved) -> Self {
        let mut scene = Self::after(Some(saved));
        scene.report(Report::Profile(Ok(profile_with(lines))));
        scene
    }

    /// What was saved last.
    pub(super) fn last_saved(&self) -> Saved {
        let bytes = self.said.iter().rev().find_map(|effect| match effect {
            Effect::Save(bytes) => Some(bytes),
            _ => None,
        });
        Saved::from_bytes(bytes.expect("something is saved").expose()).expect("it is whole")
    }

    /// A session whose tunnel stands.
    pub(super) fn connected(persist_tun: bool) -> Self {
        let mut scene = Self::loaded(persist_tun);
        scene.resolve();
        scene.push(1500);
        scene.report(Report::NetworkDone(Some(device())));
        assert!(scene.session.summary().is_some());
        scene.said.clear();
        scene
    }

    pub(super) fn report(&mut self, report: Report) {
        self.session.report(self.now, report);
        self.drain();
    }

    /// The tunnel says something of the last attempt.
    pub(super) fn tunnel(&mut self, report: TunnelReport) {
        self.report(Report::Tunnel(self.attempt, report));
    }

    /// The last attempt's connection says something.
    pub(super) fn event(&mut self, event: Event) {
        self.tunnel(TunnelReport::Event(event));
    }

    pub(super) fn request(&mut self, request: Request) -> Result<(), Refusal> {
        let answer = self.session.request(self.now, request);
        self.drain();
        answer
    }

    pub(super) fn resolve(&mut self) {
        let lookup = self
            .said
            .iter()
            .rev()
            .find_map(|effect| match effect {
                Effect::Resolve(lookup) => Some(lookup.clone()),
                _ => None,
            })
            .expect("a name is looked up");
        self.report(Report::Resolved {
            lookup,
            addresses: vec![address(1)],
        });
    }

    pub(super) fn push(&mut self, mtu: u16) {
        self.event(Event::Stage(Stage::GettingConfig));
        self.event(Event::Pushed(Box::new(established(mtu))));
    }

    /// The server pushes these options beside an address.
    pub(super) fn push_options(&mut self, options: &str) {
        let items = split(
            &format!("PUSH_REPLY,ifconfig 10.9.0.2 255.255.255.0{options}"),
            "PUSH_REPLY",
        );
        let (options, _notes) =
            PushedOptions::from_reply(&items.unwrap(), &PullRules::default()).unwrap();
        let established = Established {
            options,
            ..established(1500)
        };
        self.event(Event::Pushed(Box::new(established)));
    }

    /// The server lets us in, and gives no address.
    pub(super) fn push_no_address(&mut self) {
        let established = Established {
            options: PushedOptions::default(),
            ..established(1500)
        };
        self.event(Event::Pushed(Box::new(established)));
    }

    pub(super) fn fail(&mut self, error: ConnectionError) {
        self.event(Event::Ended(Ended::Failed(error)));
    }

    /// Lets time pass until the session's next deadline.
    pub(super) fn wait(&mut self) -> Duration {
        let before = self.now;
        let until = self.drain().expect("the session waits for something");
        self.now = self.now.max(until);
        self.session.handle_deadline(self.now);
        self.drain();
        self.now - before
    }

    pub(super) fn drain(&mut self) -> Option<Instant> {
        loop {
            match self.session.poll_output() {
                Output::Effect(effect) => {
                    if let Effect::Tunnel(TunnelOrder::Begin(attempt)) = &effect {
                        self.attempt = attempt.id;
                    }
                    self.said.push(effect);
                }
                Output::Wait { until, .. } => return until,
            }
        }
    }

    pub(super) fn steps(&self) -> Vec<&Step> {
        self.said
            .iter()
            .filter_map(|effect| match effect {
                Effect::Network(step) => Some(step),
                _ => None,
            })
            .collect()
    }

    pub(super) fn announced(&self) -> Vec<&Status> {
        self.said
            .iter()
            .filter_map(|effect| match effect {
                Effect::Announce(status) => Some(status),
                _ => None,
            })
            .collect()
    }

    pub(super) fn exit_class(&self) -> Option<ExitClass> {
        match self.said.last() {
            Some(Effect::Exit(class)) => Some(*class),
            _ => None,
        }
    }

    /// The servers that attempts were made at.
    pub(super) fn hosts(&self) -> Vec<&str> {
        self.said
            .iter()
            .filter_map(|effect| match effect {
                Effect::Tunnel(TunnelOrder::Begin(attempt)) => {
                    Some(attempt.config.endpoint.host.as_str())
                }
                _ => None,
            })
            .collect()
    }

    pub(super) fn has_connected_to_server(&self) -> bool {
        self.said
            .iter()
            .any(|e| matches!(e, Effect::Tunnel(TunnelOrder::Begin(_))))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test needs some instant to begin with"
)]
pub(super) fn start() -> Instant {
    Instant::now()
}

pub(super) fn profile(persist_tun: bool, password: bool) -> Box<Loaded> {
    let mut lines = String::new();
    if persist_tun {
        lines.push_str("persist-tun\n");
    }
    if password {
        lines.push_str("auth-user-pass\n");
    }
    profile_with(&lines)
}

pub(super) fn profile_with(lines: &str) -> Box<Loaded> {
    profile_of(&format!("{PROFILE}{lines}"))
}

pub(super) fn profile_of(text: &str) -> Box<Loaded> {
    let parsed = Profile::parse("office.ovpn", text, &mut |file| Err(file.to_owned()));
    let (profile, _notes) = parsed.expect("a good profile");
    Box::new(Loaded {
        name: "office".to_owned(),
        profile,
    })
}

/// Enough to connect with; the fingerprint is nobody's.
pub(super) const PROFILE: &str = "client
remote vpn.example
connect-retry-max 3
connect-retry 1 300
setenv CLIENT_CERT 0
peer-fingerprint 00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff
";

pub(super) fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 1194))
}

pub(super) fn device() -> Device {
    Device {
        name: "tun0".to_owned(),
    }
}

pub(super) fn established(mtu: u16) -> Established {
    Established {
        cipher: Cipher::Aes256Gcm,
        options: PushedOptions {
            tun_mtu: Some(mtu),
            tunnel: TunnelOptions {
                ifconfig: Some(Ifconfig4 {
                    local: Ipv4Addr::new(10, 9, 0, 2),
                    second: Ipv4Addr::new(255, 255, 255, 0),
                }),
                topology: Some(Topology::Subnet),
                ..TunnelOptions::default()
            },
            ..PushedOptions::default()
        },
        tls: String::new(),
        exporter_keys: true,
        epoch: false,
        server_subject: String::new(),
        key_times: KeyTimes {
            negotiated_at: start(),
            renewal_at: None,
        },
    }
}

pub(super) fn lost() -> ConnectionError {
    ConnectionError::PeerLost { seconds: 60 }
}
