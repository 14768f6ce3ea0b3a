//! What a session with a profile can be at, each phase owning what it needs.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::super::event::{Established, Stage};
use super::effect::Summary;
use super::exit_class::ExitClass;
use super::remotes::Lookup;

/// What a session with a profile is at.
#[derive(Debug)]
pub(super) enum Phase {
    /// The last thing: the network is being taken back.
    Closing {
        /// Why.
        class: ExitClass,
        /// When we leave all the same.
        give_up_at: Instant,
    },
    /// The server has authenticated us; the network is being set up.
    Configuring {
        /// Where the attempt goes.
        way: Way,
        /// What was agreed on.
        established: Box<Established>,
    },
    /// The tunnel carries traffic.
    Connected {
        /// Where the attempt goes.
        way: Way,
        /// What was agreed on.
        established: Box<Established>,
        /// What the user was told.
        summary: Box<Summary>,
    },
    /// The handshake is under way.
    Connecting {
        /// Where the attempt goes.
        way: Way,
        /// How far it has come; `None` while the transport is being opened.
        stage: Option<Stage>,
    },
    /// It failed, and waits for the user's word.
    Failed,
    /// The attempt is being ended.
    Leaving {
        /// What comes after it.
        then: Then,
        /// How hard it is being ended.
        manner: Manner,
        /// When we become harder.
        give_up_at: Instant,
    },
    /// It was told to pause.
    Paused,
    /// Nothing is under way: never begun, or the user is asked.
    Ready {
        /// Begin as soon as no question is open.
        connect_when_complete: bool,
    },
    /// A name is being looked up.
    Resolving {
        /// Which.
        lookup: Lookup,
    },
    /// Between two attempts.
    Waiting {
        /// When the next one begins.
        until: Instant,
        /// Until then no change of the network may begin it: the server asked for this time, or may lock the account.
        not_before: Instant,
    },
}

/// Where an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// The server's address, or the proxy's.
    pub address: SocketAddr,
    /// Where the proxy takes datagrams, if that is another host.
    pub relay: Option<IpAddr>,
}

/// What comes after an attempt was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The next attempt, at once.
    Again,
    /// The end.
    Exit(ExitClass),
    /// Waiting for the user's word.
    Fail,
    /// A pause.
    Pause,
}

/// How hard an attempt is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// At once, without an exit notification.
    Abandoned,
    /// With an exit notification to the server.
    Polite,
}

impl Phase {
    /// Whether the session is leaving for good.
    pub(super) const fn is_closing(&self) -> bool {
        matches!(
            self,
            Self::Closing { .. }
                | Self::Leaving {
                    then: Then::Exit(_),
                    ..
                }
        )
    }

    /// Whether the tunnel has an attempt that must be ended before another begins.
    pub(super) const fn has_attempt(&self) -> bool {
        matches!(
            self,
            Self::Configuring { .. }
                | Self::Connected { .. }
                | Self::Connecting { .. }
                | Self::Leaving { .. }
        )
    }
}
