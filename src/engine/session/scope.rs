//! The one table of what a failure means: whose it is, what comes next, and with what class a session ends by it.

use std::fmt;
use std::time::Duration;

use super::super::error::{Advance, ConnectionError};
use super::exit_class::ExitClass;

/// What a failure is a failure of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One attempt: it says nothing about the remote.
    Attempt,
    /// The remote, and whoever stands between it and us: others may do.
    Remote,
    /// The login: what comes next is for `auth-retry` to say.
    Login,
    /// The authenticated server's own order.
    Command,
    /// A limit that the profile or the server set.
    Limit,
    /// The profile: the same at every remote.
    Profile,
    /// This machine.
    Machine,
}

/// What failed, without its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// The server refused the login.
    AuthFailed,
    /// The server refused the login for now.
    AuthFailedTemporarily,
    /// The server's certificate or its revocation list is not of this time yet.
    CertificateNotYetValid,
    /// The server's certificate was refused.
    CertificateRefused,
    /// The tunnel's device cannot be made.
    DeviceMissing,
    /// The server answers the login with a question.
    DynamicChallenge,
    /// The handshake was begun and not finished.
    HandshakeTimeout,
    /// No traffic for the time that `inactive` allows.
    Inactive,
    /// The server did not answer.
    NoAnswer,
    /// The server, or what it pushed, does not fit.
    PeerIncompatible,
    /// The server did not accept our certificate, which is not of this time yet.
    OwnCertificateNotYetValid,
    /// The server did not accept our certificate.
    OwnCertificateRefused,
    /// The server goes away.
    PeerExited,
    /// The server fell silent.
    PeerLost,
    /// The protocol was broken.
    PeerMisbehaved,
    /// The profile's keys or settings cannot be used.
    ProfileUnusable,
    /// The proxy wants a login.
    ProxyCredentials,
    /// The proxy refuses.
    ProxyRefused,
    /// The profile rejects what was pushed.
    PushRejected,
    /// `HALT`.
    ServerHalt,
    /// `RESTART`.
    ServerRestart,
    /// The time of `session-timeout` is over.
    SessionTimeout,
    /// The TLS handshake failed.
    Tls,
    /// The server ended the TLS handshake by an alert.
    TlsAlert,
    /// The session token is not valid any more.
    TokenExpired,
    /// The transport failed.
    Transport,
}

/// When a failure of this kind ends a session that never connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Only the profile's limit of tries does.
    Endless,
    /// At once.
    None,
    /// When every remote failed so, in this many rounds one after the other.
    Rounds(u32),
    /// The same, but endless while the clock is not trusted.
    RoundsByTheClock(u32),
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// What failed.
    pub failure: Failure,
    /// The same in words, for the manual.
    pub words: &'static str,
    /// What it is a failure of.
    pub scope: Scope,
    /// When it ends a session that never connected.
    pub patience: Patience,
    /// The class to end with.
    pub class: ExitClass,
}

/// What the decision depends on, beside the failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and every combination occurs"
)]
pub struct Situation {
    /// The connection stood until now: its end is no word against the remote.
    pub stood: bool,
    /// The session was connected before, in this process or in one that left it to us.
    pub was_connected: bool,
    /// In how many rounds, one after the other, every remote has refused us.
    pub refused_rounds: u32,
    /// `connect-retry-max` is reached.
    pub limit_reached: bool,
    /// The clock can be believed.
    pub clock_trusted: bool,
    /// `ping-exit`.
    pub end_when_lost: bool,
    /// What becomes of the login.
    pub login: LoginState,
}

/// What becomes of the login after the failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginState {
    /// It is complete.
    Complete,
    /// It is complete, and must not be sent again before this much time.
    CompleteAfter(Duration),
    /// Somebody must be asked first.
    Incomplete,
    /// `auth-retry none`: it was refused, and that is the end.
    Refused,
}

/// What a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruling {
    /// What it is a failure of. A limit that ends the session is the limit's.
    pub scope: Scope,
    /// What comes next.
    pub next: Next,
    /// The class to end with, if it is the end.
    pub class: ExitClass,
}

/// What comes next. Until the end, captured traffic stays captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Ask the user, then try again.
    Ask,
    /// The session is over.
    End,
    /// Try again.
    Retry {
        /// Where.
        advance: Advance,
        /// Not before this much time, whatever happens meanwhile.
        not_before: Duration,
    },
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Attempt => "attempt",
            Self::Remote => "remote",
            Self::Login => "login",
            Self::Command => "server's command",
            Self::Limit => "limit",
            Self::Profile => "profile",
            Self::Machine => "machine",
        })
    }
}

impl Row {
    /// When it ends the session, in words.
    #[must_use]
    pub fn ends(&self) -> String {
        match (self.scope, self.patience) {
            (Scope::Command | Scope::Limit | Scope::Machine | Scope::Profile, _) => {
                "always".to_owned()
            }
            (Scope::Login, Patience::Endless) => "only by connect-retry-max".to_owned(),
            (Scope::Login, _) => "if nobody can be asked, or auth-retry is none".to_owned(),
            (_, Patience::Rounds(rounds)) => before_first(rounds, ""),
            (_, Patience::RoundsByTheClock(rounds)) => {
                before_first(rounds, ", and the clock is trusted")
            }
            (_, Patience::Endless | Patience::None) => "only by connect-retry-max".to_owned(),
        }
    }
}

fn before_first(rounds: u32, more: &str) -> String {
    let times = match rounds {
        1 => "once",
        2 => "twice in a row",
        _ => "several times in a row",
    };
    format!("only if it was never connected, and every remote failed so {times}{more}")
}

impl Failure {
    /// What failed.
    #[must_use]
    pub const fn of(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::AuthFailed { .. } => Self::AuthFailed,
            ConnectionError::AuthFailedTemporarily { .. } => Self::AuthFailedTemporarily,
            ConnectionError::CertificateNotYetValid(_) => Self::CertificateNotYetValid,
            ConnectionError::CertificateRefused(_) => Self::CertificateRefused,
            ConnectionError::DeviceMissing(_) => Self::DeviceMissing,
            ConnectionError::DynamicChallenge(_) => Self::DynamicChallenge,
            ConnectionError::HandshakeTimeout { .. } => Self::HandshakeTimeout,
            ConnectionError::Inactive { .. } => Self::Inactive,
            ConnectionError::NoAnswer { .. } => Self::NoAnswer,
            ConnectionError::OwnCertificateNotYetValid(_) => Self::OwnCertificateNotYetValid,
            ConnectionError::OwnCertificateRefused(_) => Self::OwnCertificateRefused,
            ConnectionError::PeerExited => Self::PeerExited,
            ConnectionError::PeerIncompatible(_) => Self::PeerIncompatible,
            ConnectionError::PeerLost { .. } => Self::PeerLost,
            ConnectionError::PeerMisbehaved(_) => Self::PeerMisbehaved,
            ConnectionError::ProfileUnusable(_) => Self::ProfileUnusable,
            ConnectionError::ProxyCredentials { .. } => Self::ProxyCredentials,
            ConnectionError::ProxyRefused(_) => Self::ProxyRefused,
            ConnectionError::PushRejected(_) => Self::PushRejected,
            ConnectionError::ServerHalt { .. } => Self::ServerHalt,
            ConnectionError::ServerRestart { .. } => Self::ServerRestart,
            ConnectionError::SessionTimeout { .. } => Self::SessionTimeout,
            ConnectionError::Tls(_) => Self::Tls,
            ConnectionError::TlsAlert(_) => Self::TlsAlert,
            ConnectionError::TokenExpired { .. } => Self::TokenExpired,
            ConnectionError::Transport(_) => Self::Transport,
        }
    }

    /// Its row of the table.
    #[must_use]
    pub const fn row(self) -> &'static Row {
        match self {
            Self::AuthFailed => &AUTH_FAILED,
            Self::AuthFailedTemporarily => &AUTH_FAILED_TEMPORARILY,
            Self::CertificateNotYetValid => &CERTIFICATE_NOT_YET_VALID,
            Self::CertificateRefused => &CERTIFICATE_REFUSED,
            Self::DeviceMissing => &DEVICE_MISSING,
            Self::DynamicChallenge => &DYNAMIC_CHALLENGE,
            Self::HandshakeTimeout => &HANDSHAKE_TIMEOUT,
            Self::Inactive => &INACTIVE,
            Self::NoAnswer => &NO_ANSWER,
            Self::OwnCertificateNotYetValid => &OWN_CERTIFICATE_NOT_YET_VALID,
            Self::OwnCertificateRefused => &OWN_CERTIFICATE_REFUSED,
            Self::PeerExited => &PEER_EXITED,
            Self::PeerIncompatible => &PEER_INCOMPATIBLE,
            Self::PeerLost => &PEER_LOST,
            Self::PeerMisbehaved => &PEER_MISBEHAVED,
            Self::ProfileUnusable => &PROFILE_UNUSABLE,
            Self::ProxyCredentials => &PROXY_CREDENTIALS,
            Self::ProxyRefused => &PROXY_REFUSED,
            Self::PushRejected => &PUSH_REJECTED,
            Self::ServerHalt => &SERVER_HALT,
            Self::ServerRestart => &SERVER_RESTART,
            Self::SessionTimeout => &SESSION_TIMEOUT,
            Self::Tls => &TLS,
            Self::TlsAlert => &TLS_ALERT,
            Self::TokenExpired => &TOKEN_EXPIRED,
            Self::Transport => &TRANSPORT,
        }
    }

    /// Whether the remote refused us, rather than that it was not reached.
    #[must_use]
    pub const fn is_refusal(self) -> bool {
        matches!(
            self.row().patience,
            Patience::Rounds(_) | Patience::RoundsByTheClock(_)
        )
    }
}

impl ExitClass {
    /// The class of an error that ended the session.
    #[must_use]
    pub const fn of(error: &ConnectionError) -> Self {
        Failure::of(error).row().class
    }
}

/// What `error` means in this situation.
#[must_use]
pub fn rule(error: &ConnectionError, situation: &Situation) -> Ruling {
    let row = Failure::of(error).row();
    let next = match row.scope {
        Scope::Command | Scope::Limit | Scope::Machine | Scope::Profile => Next::End,
        Scope::Login => after_refused_login(error, situation.login),
        Scope::Attempt | Scope::Remote => after_lost_attempt(error, row, situation),
    };
    match next {
        Next::Retry { .. } if situation.limit_reached => Ruling {
            scope: Scope::Limit,
            next: Next::End,
            class: row.class,
        },
        Next::End if matches!(error, ConnectionError::PeerLost { .. }) => Ruling {
            scope: Scope::Limit,
            next,
            class: row.class,
        },
        // `auth-retry none` is the profile's word.
        Next::End if row.scope == Scope::Login => Ruling {
            scope: Scope::Profile,
            next,
            class: row.class,
        },
        Next::Ask | Next::End | Next::Retry { .. } => Ruling {
            scope: row.scope,
            next,
            class: row.class,
        },
    }
}

const fn after_refused_login(error: &ConnectionError, login: LoginState) -> Next {
    if let ConnectionError::AuthFailedTemporarily {
        backoff, advance, ..
    } = error
    {
        return Next::Retry {
            advance: *advance,
            not_before: *backoff,
        };
    }
    match login {
        LoginState::Complete => retry(Advance::No, Duration::ZERO),
        LoginState::CompleteAfter(wait) => retry(Advance::No, wait),
        LoginState::Incomplete => Next::Ask,
        LoginState::Refused => Next::End,
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most failures lead to the next address"
)]
fn after_lost_attempt(error: &ConnectionError, row: &Row, situation: &Situation) -> Next {
    let rounds = match row.patience {
        Patience::None => Some(0),
        Patience::Rounds(rounds) => Some(rounds),
        Patience::RoundsByTheClock(rounds) if situation.clock_trusted => Some(rounds),
        Patience::Endless | Patience::RoundsByTheClock(_) => None,
    };
    let is_enough = rounds.is_some_and(|rounds| situation.refused_rounds >= rounds);
    if is_enough && !situation.was_connected && !situation.stood {
        return Next::End;
    }
    if matches!(error, ConnectionError::PeerLost { .. }) && situation.end_when_lost {
        return Next::End;
    }
    if situation.login == LoginState::Incomplete {
        return Next::Ask;
    }
    match error {
        ConnectionError::ServerRestart { advance, .. } => {
            let wait = match advance {
                Advance::No => RESTART_WAIT,
                Advance::Address | Advance::Remote => Duration::ZERO,
            };
            retry(*advance, wait)
        }
        ConnectionError::PeerExited | ConnectionError::PeerLost { .. } => {
            retry(Advance::No, Duration::ZERO)
        }
        // What ends a connection that stood is no word against the server.
        _ if situation.stood => retry(Advance::No, Duration::ZERO),
        _ => retry(Advance::Address, Duration::ZERO),
    }
}

const fn retry(advance: Advance, not_before: Duration) -> Next {
    Next::Retry {
        advance,
        not_before,
    }
}

/// A server that goes away says so two seconds before it does, and until then lets clients in again.
const RESTART_WAIT: Duration = Duration::from_secs(3);

macro_rules! rows {
    ($($name:ident: $failure:ident, $scope:ident, $patience:expr, $class:ident, $words:literal;)+) => {
        $(static $name: Row = Row {
            failure: Failure::$failure,
            words: $words,
            scope: Scope::$scope,
            patience: $patience,
            class: ExitClass::$class,
        };)+

        /// The whole table, in the order of the manual.
        pub static TABLE: &[&Row] = &[$(&$name),+];
    };
}

rows! {
    TRANSPORT: Transport, Attempt, Patience::Endless, ServerUnreachable,
        "the transport cannot be opened or breaks, or the name of the server is not found";
    NO_ANSWER: NoAnswer, Attempt, Patience::Endless, ServerUnreachable,
        "the server does not answer";
    HANDSHAKE_TIMEOUT: HandshakeTimeout, Attempt, Patience::Endless, ServerUnreachable,
        "the handshake is not finished in time";
    PEER_LOST: PeerLost, Attempt, Patience::Endless, ServerUnreachable,
        "the server falls silent; with ping-exit this is a limit";
    PEER_EXITED: PeerExited, Attempt, Patience::Endless, ServerUnreachable,
        "the server says that it goes away";
    SERVER_RESTART: ServerRestart, Attempt, Patience::Endless, ServerUnreachable,
        "the server asks for a new connection (RESTART)";
    PROXY_REFUSED: ProxyRefused, Remote, Patience::Endless, ServerUnreachable,
        "the proxy refuses the connection, or offers no method of login that can be used";
    TLS: Tls, Remote, Patience::Endless, Incompatible,
        "the TLS handshake fails, or what answers does not speak TLS";
    PEER_MISBEHAVED: PeerMisbehaved, Remote, Patience::Endless, Incompatible,
        "what answers breaks the protocol";
    TLS_ALERT: TlsAlert, Remote, Patience::Rounds(2), CertificateRefused,
        "the server ends the TLS handshake by an alert, as it does when it refuses our certificate";
    CERTIFICATE_REFUSED: CertificateRefused, Remote, Patience::Rounds(1), CertificateRefused,
        "the server's certificate is refused";
    CERTIFICATE_NOT_YET_VALID: CertificateNotYetValid, Remote, Patience::RoundsByTheClock(2), CertificateRefused,
        "the server's certificate or its revocation list is not valid yet";
    OWN_CERTIFICATE_REFUSED: OwnCertificateRefused, Remote, Patience::Rounds(1), CertificateRefused,
        "the server does not accept us, and our own certificate has expired or is not for a client";
    OWN_CERTIFICATE_NOT_YET_VALID: OwnCertificateNotYetValid, Remote, Patience::RoundsByTheClock(2), CertificateRefused,
        "the server does not accept us, and our own certificate is not valid yet";
    PEER_INCOMPATIBLE: PeerIncompatible, Remote, Patience::Rounds(1), Incompatible,
        "the server has no TLS parameters or data cipher in common with the profile, or pushes what cannot be used";
    PUSH_REJECTED: PushRejected, Remote, Patience::Rounds(1), Incompatible,
        "the server pushes what the profile rejects (pull-filter reject)";
    AUTH_FAILED_TEMPORARILY: AuthFailedTemporarily, Login, Patience::Endless, AuthenticationFailed,
        "the server refuses the login for now (AUTH_FAILED,TEMP); the time that it asks for is waited";
    AUTH_FAILED: AuthFailed, Login, Patience::None, AuthenticationFailed,
        "the server refuses the login; auth-retry decides";
    DYNAMIC_CHALLENGE: DynamicChallenge, Login, Patience::None, AuthenticationFailed,
        "the server answers the login with a question";
    TOKEN_EXPIRED: TokenExpired, Login, Patience::None, AuthenticationFailed,
        "the session token is not valid any more";
    PROXY_CREDENTIALS: ProxyCredentials, Login, Patience::None, AuthenticationFailed,
        "the proxy wants a user name and a password, or other ones";
    SERVER_HALT: ServerHalt, Command, Patience::None, EndedByServer,
        "the server ends the session (HALT)";
    INACTIVE: Inactive, Limit, Patience::None, EndedByServer,
        "there was no traffic for the time of inactive";
    SESSION_TIMEOUT: SessionTimeout, Limit, Patience::None, EndedByServer,
        "the time of session-timeout is over";
    PROFILE_UNUSABLE: ProfileUnusable, Profile, Patience::None, ProfileUnusable,
        "a key or a setting of the profile cannot be used";
    DEVICE_MISSING: DeviceMissing, Machine, Patience::None, PrivilegeMissing,
        "the tunnel's device cannot be made here; this is found out before anything is sent";
}
