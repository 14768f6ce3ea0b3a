//! `EventCounters`: how often what happened in the life of a session, by the names of the statistics interface.

use super::super::error::ConnectionError;

/// Counters of events. They only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventCounters {
    counts: [u64; CountedEvent::ALL.len()],
    /// Whether an attempt was begun: the next ones are reconnections.
    tried: bool,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CountedEvent {
    /// The server refused the login.
    AuthFailed,
    /// The server's certificate was refused.
    CertificateRefused,
    /// The server ended the session.
    Halt,
    /// The handshake was not finished in time.
    HandshakeTimeout,
    /// No traffic passed for too long.
    Inactive,
    /// Nothing was heard from the server for too long.
    KeepaliveTimeout,
    /// The session was paused.
    Pause,
    /// The passphrase does not open the private key.
    PassphraseWrong,
    /// The proxy refused.
    ProxyRefused,
    /// The proxy wants credentials.
    ProxyCredentials,
    /// An attempt was begun that is not the first.
    Reconnect,
    /// A name has no address.
    Resolve,
    /// The server asked us to come back.
    Restart,
    /// The login or the session is no longer valid.
    SessionExpired,
    /// TLS failed on our side.
    Tls,
    /// The server ended TLS.
    TlsAlert,
    /// The transport failed.
    Transport,
    /// The device is gone.
    TunLost,
    /// The network could not be set up.
    TunSetup,
}

impl CountedEvent {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 19] = [
        Self::AuthFailed,
        Self::CertificateRefused,
        Self::Halt,
        Self::HandshakeTimeout,
        Self::Inactive,
        Self::KeepaliveTimeout,
        Self::Pause,
        Self::PassphraseWrong,
        Self::ProxyRefused,
        Self::ProxyCredentials,
        Self::Reconnect,
        Self::Resolve,
        Self::Restart,
        Self::SessionExpired,
        Self::Tls,
        Self::TlsAlert,
        Self::Transport,
        Self::TunLost,
        Self::TunSetup,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthFailed => "AUTH_FAILED",
            Self::CertificateRefused => "CERT_VERIFY_FAIL",
            Self::Halt => "CLIENT_HALT",
            Self::HandshakeTimeout => "HANDSHAKE_TIMEOUT",
            Self::Inactive => "INACTIVE_TIMEOUT",
            Self::KeepaliveTimeout => "KEEPALIVE_TIMEOUT",
            Self::Pause => "N_PAUSE",
            Self::PassphraseWrong => "PEM_PASSWORD_FAIL",
            Self::ProxyRefused => "PROXY_ERROR",
            Self::ProxyCredentials => "PROXY_NEED_CREDS",
            Self::Reconnect => "N_RECONNECT",
            Self::Resolve => "RESOLVE_ERROR",
            Self::Restart => "CLIENT_RESTART",
            Self::SessionExpired => "SESSION_EXPIRED",
            Self::Tls => "SSL_ERROR",
            Self::TlsAlert => "TLS_ALERT_MISC",
            Self::Transport => "TRANSPORT_ERROR",
            Self::TunLost => "TUN_ERROR",
            Self::TunSetup => "TUN_SETUP_FAILED",
        }
    }

    /// What the end of an attempt counts as. `None`: it has no counter of its own.
    #[must_use]
    pub const fn of(error: &ConnectionError) -> Option<Self> {
        Some(match error {
            ConnectionError::AuthFailed { .. } | ConnectionError::AuthFailedTemporarily { .. } => {
                Self::AuthFailed
            }
            ConnectionError::CertificateNotYetValid(_) | ConnectionError::CertificateRefused(_) => {
                Self::CertificateRefused
            }
            ConnectionError::DeviceMissing(_) => Self::TunSetup,
            ConnectionError::HandshakeTimeout { .. } => Self::HandshakeTimeout,
            ConnectionError::Inactive { .. } => Self::Inactive,
            ConnectionError::PeerLost { .. } => Self::KeepaliveTimeout,
            ConnectionError::ProxyCredentials { .. } => Self::ProxyCredentials,
            ConnectionError::ProxyRefused(_) => Self::ProxyRefused,
            ConnectionError::ServerHalt { .. } => Self::Halt,
            ConnectionError::ServerRestart { .. } => Self::Restart,
            ConnectionError::SessionTimeout { .. } | ConnectionError::TokenExpired { .. } => {
                Self::SessionExpired
            }
            ConnectionError::Tls(_) => Self::Tls,
            ConnectionError::OwnCertificateNotYetValid(_)
            | ConnectionError::OwnCertificateRefused(_)
            | ConnectionError::TlsAlert(_) => Self::TlsAlert,
            ConnectionError::Transport(_) => Self::Transport,
            ConnectionError::DynamicChallenge(_)
            | ConnectionError::NoAnswer { .. }
            | ConnectionError::PeerExited
            | ConnectionError::PeerIncompatible(_)
            | ConnectionError::PeerMisbehaved(_)
            | ConnectionError::ProfileUnusable(_)
            | ConnectionError::PushRejected(_) => return None,
        })
    }
}

impl EventCounters {
    /// It happened once more.
    pub const fn count(&mut self, counted_event: CountedEvent) {
        self.counts[counted_event as usize] += 1;
    }

    /// An attempt begins; only the first is none that reconnects.
    pub(super) const fn attempt(&mut self) {
        if self.tried {
            self.count(CountedEvent::Reconnect);
        }
        self.tried = true;
    }

    /// Every counter by its name, zeros included.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        CountedEvent::ALL
            .into_iter()
            .zip(self.counts)
            .map(|(it, count)| (it.name(), count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_incident_has_a_counter_and_a_name_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for counted_event in CountedEvent::ALL {
            assert!(names.insert(counted_event.name()));
            let mut event_counters = EventCounters::default();
            event_counters.count(counted_event);
            let grown: Vec<_> = event_counters
                .named()
                .filter(|(_, count)| *count > 0)
                .collect();
            assert_eq!(grown, [(counted_event.name(), 1)]);
        }
    }

    #[test]
    fn all_attempts_but_the_first_reconnect() {
        let mut event_counters = EventCounters::default();
        for _ in 0..3 {
            event_counters.attempt();
        }
        assert!(
            event_counters
                .named()
                .any(|counter| counter == ("N_RECONNECT", 2))
        );
    }
}
