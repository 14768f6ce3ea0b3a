//! The (major, minor, message) codes of the D-Bus interface, and which status of a session has which of them.

use openvpn_engine::session::{Status, printable};

/// What a session is about, the first number of its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum StatusMajor {
    /// Nothing was said yet.
    Unset = 0,
    /// The connection: nearly every status of a backend.
    Connection = 2,
    /// The session as a whole.
    Session = 3,
}

/// What happened, the second number of a status. Those that no backend says are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum StatusMinor {
    /// Nothing was said yet.
    Unset = 0,
    /// The profile cannot be used. The session manager ends the session for it.
    CfgError = 1,
    /// The profile can be used.
    CfgOk = 2,
    /// The user is asked for something; the message is the question.
    CfgRequireUser = 4,
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
    /// The user is to open a web page; the message is its address.
    SessAuthUrl = 22,
    /// A process ended for an error.
    ProcKilled = 29,
}

/// A status as it travels. `config_path`: the profile's object; empty where no configuration manager gave the profile.
pub(crate) fn to_bus(status: &Status, config_path: &str) -> (u32, u32, String) {
    let (major, minor) = codes(status);
    let message = match (status, config_path) {
        (Status::ProfileLoaded, path) if !path.is_empty() => format!("config_path={path}"),
        (Status::ProfileInvalid(reason), path) if !path.is_empty() => {
            format!("config_path={path}, eval_message='{reason}'")
        }
        (Status::Pausing(reason), _) => format!("Reason: {reason}"),
        (other, _) => other.text().to_owned(),
    };
    (major as u32, minor as u32, printable(&message))
}

const fn codes(status: &Status) -> (StatusMajor, StatusMinor) {
    let minor = match status {
        Status::AuthenticationFailed(_) => StatusMinor::ConnAuthFailed,
        Status::Connected => StatusMinor::ConnConnected,
        Status::Connecting => StatusMinor::ConnConnecting,
        Status::Disconnected => StatusMinor::ConnDisconnected,
        Status::Disconnecting => StatusMinor::ConnDisconnecting,
        Status::Done(_) => StatusMinor::ConnDone,
        Status::Failed(_) => StatusMinor::ConnFailed,
        Status::InputRequired(_) => StatusMinor::CfgRequireUser,
        Status::OpenUrl(_) => return (StatusMajor::Session, StatusMinor::SessAuthUrl),
        Status::Paused => StatusMinor::ConnPaused,
        Status::Pausing(_) => StatusMinor::ConnPausing,
        Status::ProfileInvalid(_) | Status::ProfileUnusable(_) => StatusMinor::CfgError,
        Status::ProfileLoaded => StatusMinor::CfgOk,
        Status::Reconnecting => StatusMinor::ConnReconnecting,
        Status::Resuming => StatusMinor::ConnResuming,
        Status::Starting => return (StatusMajor::Unset, StatusMinor::Unset),
    };
    (StatusMajor::Connection, minor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_interface() {
        let text = || "why".to_owned();
        for (status, major, minor, message) in [
            (Status::Starting, 0, 0, ""),
            (Status::ProfileLoaded, 2, 2, "config_path=/x"),
            (Status::InputRequired(text()), 2, 4, "why"),
            (Status::Connecting, 2, 6, ""),
            (Status::Connected, 2, 7, ""),
            (Status::Disconnecting, 2, 8, ""),
            (Status::Disconnected, 2, 9, ""),
            (Status::Failed(text()), 2, 10, "why"),
            (Status::AuthenticationFailed(text()), 2, 11, "why"),
            (Status::Reconnecting, 2, 12, ""),
            (Status::Pausing(text()), 2, 13, "Reason: why"),
            (Status::Paused, 2, 14, ""),
            (Status::Resuming, 2, 15, ""),
            (Status::Done(String::new()), 2, 16, ""),
            (Status::Done(text()), 2, 16, "why"),
            (
                Status::OpenUrl("https://login".to_owned()),
                3,
                22,
                "https://login",
            ),
        ] {
            let expected = (major, minor, message.to_owned());
            assert_eq!(to_bus(&status, "/x"), expected, "{status:?}");
        }
        assert_eq!(StatusMinor::ProcKilled as u32, 29);
    }

    #[test]
    fn a_profile_that_cannot_be_used_is_named_to_the_session_manager() {
        let invalid = Status::ProfileInvalid("the profile cannot be used: no remote".to_owned());
        assert_eq!(
            to_bus(&invalid, "/x"),
            (
                2,
                1,
                "config_path=/x, eval_message='the profile cannot be used: no remote'".to_owned()
            )
        );
        assert_eq!(to_bus(&invalid, ""), (2, 1, "no remote".to_owned()));
        let unusable = Status::ProfileUnusable("the certificate has expired".to_owned());
        assert_eq!(
            to_bus(&unusable, "/x"),
            (2, 1, "the certificate has expired".to_owned())
        );
        assert_eq!(to_bus(&Status::ProfileLoaded, ""), (2, 2, String::new()));
    }

    #[test]
    fn messages_carry_no_control_characters() {
        let status = Status::Failed("a\0b\nc\u{1b}[1m\n".to_owned());
        assert_eq!(to_bus(&status, "/x").2, "ab c [1m");
    }
}
