//! The (major, minor, message) codes of the D-Bus interface, and which event brings which of them.

use std::fmt;

use crate::error::ConnectionError;

/// What a session is about, the first number of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u32)]
pub enum StatusMajor {
    /// Nothing was said yet.
    #[default]
    Unset = 0,
    /// Configuration.
    Config = 1,
    /// The connection: nearly every status of a backend.
    Connection = 2,
    /// The session as a whole; used with [`StatusMinor::SessAuthUrl`].
    Session = 3,
    /// A smart card.
    Pkcs11 = 4,
    /// The process.
    Process = 5,
}

/// What happened, the second number of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u32)]
pub enum StatusMinor {
    /// Nothing was said yet.
    #[default]
    Unset = 0,
    /// The profile cannot be used.
    CfgError = 1,
    /// The profile can be used.
    CfgOk = 2,
    /// A file of the profile is missing.
    CfgInlineMissing = 3,
    /// The user is asked for something.
    CfgRequireUser = 4,
    /// The connection is being set up.
    ConnInit = 5,
    /// The first attempt is under way.
    ConnConnecting = 6,
    /// The tunnel carries traffic.
    ConnConnected = 7,
    /// The connection is being taken down.
    ConnDisconnecting = 8,
    /// The connection is down.
    ConnDisconnected = 9,
    /// The connection failed for good.
    ConnFailed = 10,
    /// The server refused the credentials.
    ConnAuthFailed = 11,
    /// A later attempt is under way.
    ConnReconnecting = 12,
    /// The connection is being paused.
    ConnPausing = 13,
    /// The connection is paused.
    ConnPaused = 14,
    /// The connection is being resumed.
    ConnResuming = 15,
    /// The session is over; the process leaves.
    ConnDone = 16,
    /// A session was made.
    SessNew = 17,
    /// The backend is complete.
    SessBackendCompleted = 18,
    /// A session was removed.
    SessRemoved = 19,
    /// User name and password are asked for.
    SessAuthUserpass = 20,
    /// A challenge is asked.
    SessAuthChallenge = 21,
    /// The user is to open a web page; the message is its address.
    SessAuthUrl = 22,
    /// A smart card is to sign.
    Pkcs11Sign = 23,
    /// A smart card is to encrypt.
    Pkcs11Encrypt = 24,
    /// A smart card is to decrypt.
    Pkcs11Decrypt = 25,
    /// A smart card is to verify.
    Pkcs11Verify = 26,
    /// A process began.
    ProcStarted = 27,
    /// A process ended.
    ProcStopped = 28,
    /// A process ended for an error.
    ProcKilled = 29,
}

/// A status: two codes and a message for people.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    major: StatusMajor,
    minor: StatusMinor,
    message: String,
}

impl Status {
    /// A status of the connection. The message is made printable.
    #[must_use]
    pub fn connection(minor: StatusMinor, message: &str) -> Self {
        Self {
            major: StatusMajor::Connection,
            minor,
            message: printable(message),
        }
    }

    /// The profile can be used; said after registration and again by each `Connect`.
    #[must_use]
    pub fn config_ok(config_path: &str) -> Self {
        if config_path.is_empty() {
            return Self::connection(StatusMinor::CfgOk, "");
        }
        Self::connection(StatusMinor::CfgOk, &format!("config_path={config_path}"))
    }

    /// The profile cannot be used, and why. The session manager ends the session for it.
    #[must_use]
    pub fn config_error(config_path: &str, reason: &str) -> Self {
        if config_path.is_empty() {
            // No manager reads it, but people do.
            let words = format!("{}: ", StatusMinor::CfgError.words());
            let reason = reason.strip_prefix(&words).unwrap_or(reason);
            return Self::connection(StatusMinor::CfgError, reason);
        }
        Self::connection(
            StatusMinor::CfgError,
            &format!("config_path={config_path}, eval_message='{reason}'"),
        )
    }

    /// The user is asked; the message is the question.
    #[must_use]
    pub fn require_user(question: &str) -> Self {
        Self::connection(StatusMinor::CfgRequireUser, question)
    }

    /// The user is to open a web page to finish the login. The address is the whole message.
    #[must_use]
    pub fn open_url(url: &str) -> Self {
        Self {
            major: StatusMajor::Session,
            minor: StatusMinor::SessAuthUrl,
            message: printable(url),
        }
    }

    /// The session is being paused, and why.
    #[must_use]
    pub fn pausing(reason: &str) -> Self {
        Self::connection(StatusMinor::ConnPausing, &format!("Reason: {reason}"))
    }

    /// An error that ends the session, with its reason. `None` for the errors after which the session waits for the
    /// user: what is said then is the question.
    #[must_use]
    pub fn ended_by(error: &ConnectionError) -> Option<Self> {
        match error {
            ConnectionError::AuthFailed { .. } => Some(Self::connection(
                StatusMinor::ConnAuthFailed,
                &error.to_string(),
            )),
            ConnectionError::DynamicChallenge(_) | ConnectionError::ProxyCredentials { .. } => None,
            ConnectionError::ProfileUnusable(_) => Some(Self::config_error("", &error.to_string())),
            ConnectionError::Inactive { .. } | ConnectionError::SessionTimeout { .. } => {
                Some(Self::connection(StatusMinor::ConnDone, &error.to_string()))
            }
            ConnectionError::AuthFailedTemporarily { .. }
            | ConnectionError::CertificateRefused(_)
            | ConnectionError::HandshakeTimeout { .. }
            | ConnectionError::NoAnswer { .. }
            | ConnectionError::PeerExited
            | ConnectionError::PeerIncompatible(_)
            | ConnectionError::PeerLost { .. }
            | ConnectionError::PeerMisbehaved(_)
            | ConnectionError::ProxyRefused(_)
            | ConnectionError::PushRejected(_)
            | ConnectionError::ServerHalt { .. }
            | ConnectionError::ServerRestart { .. }
            | ConnectionError::Tls(_)
            | ConnectionError::TlsAlert(_)
            | ConnectionError::TokenExpired { .. }
            | ConnectionError::Transport(_) => Some(Self::connection(
                StatusMinor::ConnFailed,
                &error.to_string(),
            )),
        }
    }

    /// The first code.
    #[must_use]
    pub const fn major(&self) -> StatusMajor {
        self.major
    }

    /// The second code.
    #[must_use]
    pub const fn minor(&self) -> StatusMinor {
        self.minor
    }

    /// The message, printable; may be empty.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// As it travels.
    #[must_use]
    pub fn to_tuple(&self) -> (u32, u32, String) {
        (self.major as u32, self.minor as u32, self.message.clone())
    }

    /// Whether this status says why the session cannot go on, so that a later "disconnected" would hide the reason.
    #[must_use]
    pub const fn explains_the_end(&self) -> bool {
        matches!(
            self.minor,
            StatusMinor::CfgError
                | StatusMinor::CfgRequireUser
                | StatusMinor::ConnAuthFailed
                | StatusMinor::ConnFailed
                | StatusMinor::ProcKilled
        )
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.minor.words())?;
        if self.message.is_empty() || self.message == self.minor.words() {
            return Ok(());
        }
        write!(f, ": {}", self.message)
    }
}

impl StatusMinor {
    /// In words, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Unset => "starting",
            Self::CfgError => "the profile cannot be used",
            Self::CfgOk => "profile loaded",
            Self::CfgInlineMissing => "a file of the profile is missing",
            Self::CfgRequireUser => "waiting for the user",
            Self::ConnInit => "preparing",
            Self::ConnConnecting => "connecting",
            Self::ConnConnected => "connected",
            Self::ConnDisconnecting => "disconnecting",
            Self::ConnDisconnected => "disconnected",
            Self::ConnFailed => "the connection failed",
            Self::ConnAuthFailed => "authentication failed",
            Self::ConnReconnecting => "reconnecting",
            Self::ConnPausing => "pausing",
            Self::ConnPaused => "paused",
            Self::ConnResuming => "resuming",
            Self::ConnDone => "done",
            Self::SessNew => "session created",
            Self::SessBackendCompleted => "backend complete",
            Self::SessRemoved => "session removed",
            Self::SessAuthUserpass => "user name and password needed",
            Self::SessAuthChallenge => "waiting for the answer to a challenge",
            Self::SessAuthUrl => "waiting for a login in the web browser",
            Self::Pkcs11Sign => "waiting for a signature",
            Self::Pkcs11Encrypt => "waiting for an encryption",
            Self::Pkcs11Decrypt => "waiting for a decryption",
            Self::Pkcs11Verify => "waiting for a verification",
            Self::ProcStarted => "process started",
            Self::ProcStopped => "process stopped",
            Self::ProcKilled => "process ended for an error",
        }
    }
}

/// The status in force: decides what is said, so that signal, property and systemd's STATUS cannot disagree.
#[derive(Debug, Default)]
pub struct StatusBoard {
    last: Status,
}

impl StatusBoard {
    /// Takes a new status. The answer is what is to be announced: nothing if it is said already, or if it is a mere
    /// "disconnected" after a status that explains the end. That the profile is good is said before every begin.
    pub fn change_to(&mut self, status: Status) -> Option<&Status> {
        let hides_reason =
            status.minor == StatusMinor::ConnDisconnected && self.last.explains_the_end();
        let said_already = status == self.last && status.minor != StatusMinor::CfgOk;
        if hides_reason || said_already {
            return None;
        }
        self.last = status;
        Some(&self.last)
    }

    /// The last status announced; (0, 0, "") before the first.
    #[must_use]
    pub const fn last(&self) -> &Status {
        &self.last
    }
}

/// Text that may travel in a D-Bus string and be shown on one line: control characters become spaces, NUL goes.
#[must_use]
pub fn printable(text: &str) -> String {
    text.trim_end()
        .chars()
        .filter(|c| *c != '\0')
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_interface() {
        assert_eq!(
            Status::config_ok("/x").to_tuple(),
            (2, 2, "config_path=/x".to_owned())
        );
        assert_eq!(
            Status::open_url("https://login").to_tuple(),
            (3, 22, "https://login".to_owned())
        );
        assert_eq!(StatusMinor::ConnDone as u32, 16);
        assert_eq!(StatusMinor::ProcKilled as u32, 29);
        assert_eq!(Status::default().to_tuple(), (0, 0, String::new()));
    }

    #[test]
    fn a_disconnect_does_not_hide_the_reason() {
        for reason in [
            Status::require_user("Challenge"),
            Status::connection(StatusMinor::ConnAuthFailed, ""),
            Status::connection(StatusMinor::ConnFailed, "no"),
        ] {
            let mut board = StatusBoard::default();
            assert!(board.change_to(reason.clone()).is_some());
            assert_eq!(
                board.change_to(Status::connection(StatusMinor::ConnDisconnected, "")),
                None
            );
            assert_eq!(*board.last(), reason);
        }
    }

    #[test]
    fn a_status_is_said_once() {
        let mut board = StatusBoard::default();
        let connected = Status::connection(StatusMinor::ConnConnected, "");
        assert_eq!(board.change_to(connected.clone()), Some(&connected));
        assert_eq!(board.change_to(connected), None);
    }

    #[test]
    fn a_refused_login_has_its_own_code_and_a_challenge_none() {
        let refused = ConnectionError::AuthFailed {
            reason: "locked\n".to_owned(),
        };
        let status = Status::ended_by(&refused).unwrap();
        assert_eq!(status.minor(), StatusMinor::ConnAuthFailed);
        assert!(!status.message().contains('\n'));
    }

    #[test]
    fn messages_carry_no_control_characters() {
        assert_eq!(printable("a\0b\nc\u{1b}[1m\n"), "ab c [1m");
    }
}
