//! `Doing`: what a session is at, in words for an administrator.

use std::time::Instant;

use super::super::event::{Established, KeyTimes, Stage};
use super::super::netplan::NetPlan;
use super::live::Live;
use super::machine::Session;
use super::state::{Phase, State, Then};
use super::status::{StatusMajor, StatusMinor};

/// What a session is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doing {
    /// The state; what is asked for "since when" begins with it.
    pub what: String,
    /// What is waited for within the state; may be empty.
    pub detail: String,
    /// When it goes on by itself, if it waits for a time.
    pub until: Option<Instant>,
}

impl Doing {
    fn new(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            detail: detail.into(),
            until: None,
        }
    }
}

impl Session {
    /// What the session is at. `None`: its last status says all there is to say.
    #[must_use]
    pub fn doing(&self) -> Option<Doing> {
        match &self.state {
            State::Done => None,
            State::Unregistered { .. } => Some(Doing::new("waiting for the session manager", "")),
            State::Loading { .. } => Some(Doing::new("reading the profile", "")),
            State::Live(live) => self.live_doing(live),
        }
    }

    /// What was agreed on with the server, while the tunnel carries traffic.
    #[must_use]
    pub fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Live(live) => {
                if let Phase::Connected { established, .. } = &live.phase {
                    Some(established)
                } else {
                    None
                }
            }
            State::Done | State::Loading { .. } | State::Unregistered { .. } => None,
        }
    }

    /// Addresses, routes and DNS in force.
    #[must_use]
    pub fn plan(&self) -> Option<&NetPlan> {
        match &self.state {
            State::Live(live) => live.network.plan(),
            State::Done | State::Loading { .. } | State::Unregistered { .. } => None,
        }
    }

    fn live_doing(&self, live: &Live) -> Option<Doing> {
        let host = &live.remotes.target().host;
        if let Some(asked) = self.asked(live) {
            return Some(asked);
        }
        let connecting = if live.was_connected {
            "reconnecting"
        } else {
            "connecting"
        };
        let with_trouble = |detail: String| match &live.trouble {
            Some(trouble) => format!("{detail}; before: {trouble}"),
            None => detail,
        };
        Some(match &live.phase {
            Phase::Closing { .. } | Phase::Failed => return None,
            Phase::Configuring { .. } => Doing::new(connecting, "setting up the network"),
            Phase::Connected { summary, .. } => Doing::new(
                format!("connected to {} by {}", summary.host, summary.device.name),
                "",
            ),
            Phase::Connecting { stage, .. } => {
                Doing::new(connecting, with_trouble(stage_words(*stage, host)))
            }
            Phase::Leaving { then, .. } => match then {
                Then::Exit(_) | Then::Fail => return None,
                Then::Again => Doing::new(connecting, "saying goodbye to the server first"),
                Then::Pause => Doing::new("pausing", ""),
            },
            Phase::Paused => Doing::new("paused", ""),
            Phase::Ready { .. } => Doing::new("ready to connect", ""),
            Phase::Resolving { lookup } => Doing::new(
                connecting,
                with_trouble(format!("looking up {}", lookup.host)),
            ),
            Phase::Waiting { until } => {
                let trouble = live.trouble.as_deref();
                Doing {
                    until: Some(*until),
                    ..Doing::new(connecting, trouble.unwrap_or("a moment's pause"))
                }
            }
        })
    }

    /// Who is waited for outside of this program.
    fn asked(&self, live: &Live) -> Option<Doing> {
        if !matches!(live.phase, Phase::Connecting { .. } | Phase::Ready { .. }) {
            return None;
        }
        let last = self.context.board.last();
        if let Some(question) = self.context.questions.open_questions().next() {
            return Some(Doing::new("waiting for an answer", &question.description));
        }
        if last.major() == StatusMajor::Session && last.minor() == StatusMinor::SessAuthUrl {
            let what = "waiting for a login in the web browser";
            return Some(Doing::new(what, format!("open {}", last.message())));
        }
        live.login_pending
            .then(|| Doing::new("waiting for the login to be confirmed", "by a person"))
    }
}

impl Live {
    /// The key of a connection was renewed.
    pub(super) fn key_renewed(&mut self, times: KeyTimes) {
        if let Phase::Configuring { established, .. } | Phase::Connected { established, .. } =
            &mut self.phase
        {
            established.key_times = times;
        }
    }
}

fn stage_words(stage: Option<Stage>, host: &str) -> String {
    match stage {
        None => format!("opening a connection to {host}"),
        Some(Stage::Waiting) => format!("waiting for an answer from {host}"),
        Some(Stage::ServerAnswered) => format!("negotiating TLS with {host}"),
        Some(Stage::Authenticating) => format!("logging in at {host}"),
        Some(Stage::GettingConfig) => format!("waiting for the configuration from {host}"),
    }
}
