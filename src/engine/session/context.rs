//! `Context`: what every state of a session may use: the front's policy, randomness, questions, and the way out.

use std::collections::VecDeque;
use std::time::Instant;

use rustls::crypto::SecureRandom;

use super::super::config::{Environment, PeerInfo};
use super::super::event::AuthToken;
use super::effect::Effect;
use super::event_counters::EventCounters;
use super::saved::Saved;
use super::status::{Status, StatusBoard};
use super::tunnel::AttemptId;
use super::user_input::{Attention, UserInputQueue};

/// What the front wants of a session.
#[derive(Debug)]
pub struct Policy {
    /// Who registers us.
    pub registration: Registration,
    /// What the service manager takes for ready.
    pub ready: ReadyWhen,
    /// Who begins and ends.
    pub autonomy: Autonomy,
    /// What servers are told about us, where the profile says nothing.
    pub about: PeerInfo,
    /// Whether the session outlives the process.
    pub lifetime: Lifetime,
}

/// Whether a session outlives its process.
#[derive(Debug)]
pub enum Lifetime {
    /// It is saved.
    BeyondProcess(Box<Known>),
    /// It ends with it.
    Process,
}

/// What is known of the login before the profile is read.
#[derive(Debug, Default)]
pub struct Known {
    /// What an earlier process left, for whatever profile.
    pub saved: Option<Saved>,
    /// A token to log in with where nothing was left for this profile.
    pub token: Option<AuthToken>,
}

/// Who registers us.
#[derive(Debug)]
pub enum Registration {
    /// A session manager, with this token, before this time.
    Awaited {
        /// The token that we were started with.
        token: String,
        /// When we leave without it.
        give_up_at: Instant,
    },
    /// Nobody: the profile is loaded at once.
    None,
}

/// What the service manager takes for ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadyWhen {
    /// The tunnel carries traffic.
    Connected,
    /// Somebody has registered us with a profile that can be used.
    Registered,
}

/// Who begins and ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autonomy {
    /// We ourselves: we connect as soon as no question is open, and a failure is the end.
    ByItself,
    /// Somebody who makes requests: after a failure we wait for one.
    Commanded,
}

/// What every state of a session may use.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) autonomy: Autonomy,
    pub(super) about: PeerInfo,
    pub(super) known: Box<Known>,
    saves: bool,
    pub(super) environment: Environment,
    pub(super) questions: UserInputQueue,
    pub(super) board: StatusBoard,
    pub(super) event_counters: EventCounters,
    /// The last attempt that was begun.
    pub(super) attempt: AttemptId,
    pub(super) effects: VecDeque<Effect>,
    ready: Option<ReadyWhen>,
}

impl Context {
    pub(super) fn new(policy: &mut Policy, environment: Environment) -> Self {
        let lifetime = std::mem::replace(&mut policy.lifetime, Lifetime::Process);
        let (saves, known) = match lifetime {
            Lifetime::BeyondProcess(known) => (true, known),
            Lifetime::Process => (false, Box::default()),
        };
        Self {
            autonomy: policy.autonomy,
            about: policy.about.clone(),
            known,
            saves,
            environment,
            questions: UserInputQueue::default(),
            board: StatusBoard::default(),
            event_counters: EventCounters::default(),
            attempt: AttemptId::default(),
            effects: VecDeque::new(),
            ready: Some(policy.ready),
        }
    }

    pub(super) fn random(&self) -> &dyn SecureRandom {
        self.environment.provider.secure_random
    }

    /// The number of a new attempt; reports of all others are ignored from here on.
    pub(super) fn new_attempt(&mut self) -> AttemptId {
        self.attempt.0 += 1;
        self.attempt
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn announce(&mut self, status: Status) {
        if let Some(status) = self.board.change_to(status) {
            self.effects.push_back(Effect::Announce(status.clone()));
        }
    }

    /// Has the session saved, if it outlives the process.
    pub(super) fn save(&mut self, saved: &Saved) {
        if self.saves {
            self.effects.push_back(Effect::Save(saved.to_bytes()));
        }
    }

    /// Tells the user that they are asked for something.
    pub(super) fn require_user(&mut self, attention: Attention) {
        let status = Status::InputRequired(attention.message.clone());
        self.push(Effect::Attention(attention));
        self.announce(status);
    }

    /// Says READY if this is what it waited for. It is said once.
    pub(super) fn reached(&mut self, point: ReadyWhen) {
        if self.ready == Some(point) {
            self.ready = None;
            self.push(Effect::Ready);
        }
    }
}
