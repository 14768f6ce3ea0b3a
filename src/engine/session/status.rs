//! What a session announces: what happened, with its text where there is one.

use std::fmt;

use crate::error::ConnectionError;

/// What happened last. A front-end shows it in its own words or codes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Status {
    /// The server or a proxy refused the credentials, and with which words.
    AuthenticationFailed(String),
    /// The tunnel carries traffic.
    Connected,
    /// The first attempt is under way.
    Connecting,
    /// The connection is down.
    Disconnected,
    /// The connection is being taken down.
    Disconnecting,
    /// The session is over; with a reason where it is neither a failure nor what the user asked for.
    Done(String),
    /// The connection failed for good, and why.
    Failed(String),
    /// The user is asked for something, and for what.
    InputRequired(String),
    /// The user is to open this web page to finish the login.
    OpenUrl(String),
    /// The connection is paused.
    Paused,
    /// The connection is being paused, and why.
    Pausing(String),
    /// The profile was read and cannot be used, and why.
    ProfileInvalid(String),
    /// The profile can be used; announced when it was read, and when a first attempt begins.
    ProfileLoaded,
    /// An attempt showed that the profile cannot be used, and why.
    ProfileUnusable(String),
    /// A later attempt is under way.
    Reconnecting,
    /// The connection is being resumed.
    Resuming,
    /// Nothing was announced yet.
    #[default]
    Starting,
}

impl Status {
    /// An error that ends the session, with its reason. `None` for the errors after which the session waits for the
    /// user: what is announced then is the question.
    #[must_use]
    pub fn ended_by(error: &ConnectionError) -> Option<Self> {
        let text = error.to_string();
        match error {
            ConnectionError::AuthFailed { .. } => Some(Self::AuthenticationFailed(text)),
            ConnectionError::DynamicChallenge(_) | ConnectionError::ProxyCredentials { .. } => None,
            ConnectionError::ProfileUnusable(_) => Some(Self::ProfileUnusable(text)),
            ConnectionError::Inactive { .. } | ConnectionError::SessionTimeout { .. } => {
                Some(Self::Done(text))
            }
            ConnectionError::AuthFailedTemporarily { .. }
            | ConnectionError::CertificateNotYetValid(_)
            | ConnectionError::CertificateRefused(_)
            | ConnectionError::DeviceMissing(_)
            | ConnectionError::HandshakeTimeout { .. }
            | ConnectionError::NoAnswer { .. }
            | ConnectionError::OwnCertificateNotYetValid(_)
            | ConnectionError::OwnCertificateRefused(_)
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
            | ConnectionError::Transport(_) => Some(Self::Failed(text)),
        }
    }

    /// Whether this status says why the session cannot go on, so that a later "disconnected" would hide the reason.
    #[must_use]
    pub const fn explains_the_end(&self) -> bool {
        matches!(
            self,
            Self::AuthenticationFailed(_)
                | Self::Failed(_)
                | Self::InputRequired(_)
                | Self::ProfileInvalid(_)
                | Self::ProfileUnusable(_)
        )
    }

    /// What happened, in words for people, without its text.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::AuthenticationFailed(_) => "authentication failed",
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Disconnected => "disconnected",
            Self::Disconnecting => "disconnecting",
            Self::Done(_) => "done",
            Self::Failed(_) => "the connection failed",
            Self::InputRequired(_) => "waiting for the user",
            Self::OpenUrl(_) => "waiting for a login in the web browser",
            Self::Paused => "paused",
            Self::Pausing(_) => "pausing",
            Self::ProfileInvalid(_) | Self::ProfileUnusable(_) => PROFILE_UNUSABLE,
            Self::ProfileLoaded => "profile loaded",
            Self::Reconnecting => "reconnecting",
            Self::Resuming => "resuming",
            Self::Starting => "starting",
        }
    }

    /// The text: a reason, a question or an address; may be empty.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::AuthenticationFailed(text)
            | Self::Done(text)
            | Self::Failed(text)
            | Self::InputRequired(text)
            | Self::OpenUrl(text)
            | Self::Pausing(text) => text,
            Self::ProfileInvalid(text) | Self::ProfileUnusable(text) => {
                let text = text.strip_prefix(PROFILE_UNUSABLE).unwrap_or(text);
                text.strip_prefix(": ").unwrap_or(text)
            }
            Self::Connected
            | Self::Connecting
            | Self::Disconnected
            | Self::Disconnecting
            | Self::Paused
            | Self::ProfileLoaded
            | Self::Reconnecting
            | Self::Resuming
            | Self::Starting => "",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())?;
        let text = printable(self.text());
        if text.is_empty() || text == self.words() {
            return Ok(());
        }
        write!(f, ": {text}")
    }
}

/// The status in force: decides what is announced, so that all who show it cannot disagree.
#[derive(Debug, Default)]
pub(super) struct StatusBoard {
    last: Status,
}

impl StatusBoard {
    /// Takes a new status. The answer is what is to be announced: nothing if it is said already, or if it is a mere
    /// "disconnected" after a status that explains the end. That the profile is good is said before every begin.
    pub(super) fn change_to(&mut self, status: Status) -> Option<&Status> {
        let hides_reason = status == Status::Disconnected && self.last.explains_the_end();
        let said_already = status == self.last && status != Status::ProfileLoaded;
        if hides_reason || said_already {
            return None;
        }
        self.last = status;
        Some(&self.last)
    }

    /// The last status announced; [`Status::Starting`] before the first.
    pub(super) const fn last(&self) -> &Status {
        &self.last
    }
}

/// Text that may be shown on one line: control characters become spaces, NUL goes.
#[must_use]
pub fn printable(text: &str) -> String {
    text.trim_end()
        .chars()
        .filter(|c| *c != '\0')
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

const PROFILE_UNUSABLE: &str = "the profile cannot be used";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disconnect_does_not_hide_the_reason() {
        for reason in [
            Status::InputRequired("Challenge".to_owned()),
            Status::AuthenticationFailed(String::new()),
            Status::Failed("no".to_owned()),
        ] {
            let mut board = StatusBoard::default();
            assert!(board.change_to(reason.clone()).is_some());
            assert_eq!(board.change_to(Status::Disconnected), None);
            assert_eq!(*board.last(), reason);
        }
    }

    #[test]
    fn a_status_is_said_once() {
        let mut board = StatusBoard::default();
        assert_eq!(board.change_to(Status::Connected), Some(&Status::Connected));
        assert_eq!(board.change_to(Status::Connected), None);
    }

    #[test]
    fn a_refused_login_has_its_own_status_and_a_challenge_none() {
        let refused = ConnectionError::AuthFailed {
            reason: "locked\n".to_owned(),
        };
        let status = Status::ended_by(&refused).unwrap();
        assert!(matches!(status, Status::AuthenticationFailed(_)));
        assert!(!status.to_string().contains('\n'));
    }

    #[test]
    fn text_carries_no_control_characters() {
        assert_eq!(printable("a\0b\nc\u{1b}[1m\n"), "ab c [1m");
    }

    #[test]
    fn a_reason_does_not_repeat_the_words_before_it() {
        let unusable = Status::ProfileInvalid("the profile cannot be used: no remote".to_owned());
        assert_eq!(
            unusable.to_string(),
            "the profile cannot be used: no remote"
        );
        assert_eq!(unusable.text(), "no remote");
    }
}
