//! `Activity`: what a session is at, in words for an administrator.

use std::time::Instant;

use super::super::event::{Established, KeyTimes, Stage};
use super::super::netplan::NetPlan;
use super::active::ActiveSession;
use super::machine::{Session, State};
use super::state::{Phase, Then};
use super::status::Status;

/// What a session is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activity {
    /// The state; what is asked for "since when" begins with it.
    pub what: String,
    /// What is waited for within the state; may be empty.
    pub detail: String,
    /// When it goes on by itself, if it waits for a time.
    pub until: Option<Instant>,
}

impl Activity {
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
    pub fn activity(&self) -> Option<Activity> {
        match &self.state {
            State::Done => None,
            State::Unregistered { .. } => {
                Some(Activity::new("waiting for the session manager", ""))
            }
            State::Loading { .. } => Some(Activity::new("reading the profile", "")),
            State::Active(live) => self.activity_of(live),
        }
    }

    /// What was agreed on with the server, while the tunnel carries traffic.
    #[must_use]
    pub fn established(&self) -> Option<&Established> {
        match &self.state {
            State::Active(live) => {
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
            State::Active(live) => live.network.plan(),
            State::Done | State::Loading { .. } | State::Unregistered { .. } => None,
        }
    }

    fn activity_of(&self, live: &ActiveSession) -> Option<Activity> {
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
            Phase::Configuring { .. } => Activity::new(connecting, "setting up the network"),
            Phase::Connected { summary, .. } => Activity::new(
                format!("connected to {} by {}", summary.host, summary.device.name),
                live.undecodable
                    .map(|cause| cause.to_string())
                    .or_else(|| live.own_certificate_words())
                    .unwrap_or_default(),
            ),
            Phase::Connecting { stage, .. } => {
                Activity::new(connecting, with_trouble(stage_words(*stage, host)))
            }
            Phase::Leaving { then, .. } => match then {
                Then::Exit(_) | Then::Fail => return None,
                Then::Again => Activity::new(connecting, "sending the exit notification first"),
                Then::Pause => Activity::new("pausing", ""),
            },
            Phase::Paused => Activity::new("paused", ""),
            Phase::Ready { .. } => Activity::new("ready to connect", ""),
            Phase::Resolving { lookup } => Activity::new(
                connecting,
                with_trouble(format!("looking up {}", lookup.host)),
            ),
            Phase::Waiting { until, .. } => {
                let trouble = live.trouble.as_deref();
                Activity {
                    until: Some(*until),
                    ..Activity::new(connecting, trouble.unwrap_or("a moment's pause"))
                }
            }
        })
    }

    /// Who is waited for outside of this program.
    fn asked(&self, live: &ActiveSession) -> Option<Activity> {
        if !matches!(live.phase, Phase::Connecting { .. } | Phase::Ready { .. }) {
            return None;
        }
        let last = self.context.board.last();
        if let Some(question) = self.context.questions.open_questions().next() {
            return Some(Activity::new(
                "waiting for an answer",
                &question.description,
            ));
        }
        if let Status::OpenUrl(url) = last {
            let what = "waiting for a login in the web browser";
            return Some(Activity::new(what, format!("open {url}")));
        }
        live.login_pending
            .then(|| Activity::new("waiting for the login to be confirmed", "by a person"))
    }
}

impl ActiveSession {
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
        Some(Stage::Authenticating) => format!("authenticating with {host}"),
        Some(Stage::GettingConfig) => format!("waiting for the configuration from {host}"),
    }
}
