//! What the end of an attempt means: again, where and when; ask the user; or the end.

use std::time::Duration;

use super::super::error::{Advance, ConnectionError, Retry};
use super::login::Login;
use super::settings::RetryRules;
use crate::profile::model::AuthRetry;

/// What comes after an attempt that ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Ask the user for what is missing, then try again.
    Ask,
    /// The session is over.
    End,
    /// Try again.
    Retry {
        /// Where.
        advance: Advance,
        /// Not before this much time.
        not_before: Duration,
    },
}

/// Judges the error that ended an attempt, and makes the login forget what the server no longer takes.
pub fn judge(error: &ConnectionError, login: &mut Login, rules: &RetryRules) -> Verdict {
    match error {
        ConnectionError::AuthFailed { .. } => refused_login(login, rules),
        ConnectionError::AuthFailedTemporarily {
            backoff, advance, ..
        } => {
            login.drop_challenge();
            Verdict::Retry {
                advance: *advance,
                not_before: *backoff,
            }
        }
        ConnectionError::DynamicChallenge(challenge) => {
            login.challenged(challenge.clone());
            again_or_ask(login, Advance::No)
        }
        ConnectionError::TokenExpired { .. } => {
            login.drop_token();
            login.drop_challenge();
            again_or_ask(login, Advance::No)
        }
        ConnectionError::ServerRestart {
            keep_credentials,
            advance,
            ..
        } => {
            if !keep_credentials {
                login.drop_token();
            }
            match again_or_ask(login, *advance) {
                Verdict::Retry {
                    advance: Advance::No,
                    ..
                } => Verdict::Retry {
                    advance: Advance::No,
                    not_before: RESTART_WAIT,
                },
                verdict @ (Verdict::Ask | Verdict::End | Verdict::Retry { .. }) => verdict,
            }
        }
        ConnectionError::PeerLost { .. } if rules.end_when_lost => Verdict::End,
        ConnectionError::CertificateRefused(_)
        | ConnectionError::HandshakeTimeout { .. }
        | ConnectionError::Inactive { .. }
        | ConnectionError::NoAnswer { .. }
        | ConnectionError::PeerExited
        | ConnectionError::PeerIncompatible(_)
        | ConnectionError::PeerLost { .. }
        | ConnectionError::PeerMisbehaved(_)
        | ConnectionError::ProfileUnusable(_)
        | ConnectionError::ProxyCredentials { .. }
        | ConnectionError::ProxyRefused(_)
        | ConnectionError::PushRejected(_)
        | ConnectionError::ServerHalt { .. }
        | ConnectionError::SessionTimeout { .. }
        | ConnectionError::Tls(_)
        | ConnectionError::TlsAlert(_)
        | ConnectionError::Transport(_) => match error.retry() {
            Retry::Advance => again_or_ask(login, Advance::Address),
            Retry::Same => again_or_ask(login, Advance::No),
            Retry::AskUser => Verdict::Ask,
            Retry::Never => Verdict::End,
        },
    }
}

/// A token is the first to be suspected: a restarted server refuses those it gave out before.
fn refused_login(login: &mut Login, rules: &RetryRules) -> Verdict {
    login.drop_challenge();
    if login.drop_token() {
        return again_or_ask(login, Advance::No);
    }
    if rules.retry_refused_login {
        return Verdict::Retry {
            advance: Advance::No,
            not_before: OVERRIDDEN_WAIT,
        };
    }
    let again = Verdict::Retry {
        advance: Advance::No,
        not_before: NO_INTERACT_WAIT,
    };
    match rules.auth_retry {
        AuthRetry::Interact => {
            login.purge();
            // Who logs in by certificate alone has nothing to be asked for.
            if login.missing().is_empty() {
                again
            } else {
                Verdict::Ask
            }
        }
        AuthRetry::None => Verdict::End,
        AuthRetry::NoInteract => again,
    }
}

fn again_or_ask(login: &Login, advance: Advance) -> Verdict {
    if login.missing().is_empty() {
        Verdict::Retry {
            advance,
            not_before: Duration::ZERO,
        }
    } else {
        Verdict::Ask
    }
}

/// A server that goes away says so two seconds before it does, and until then lets clients in again.
const RESTART_WAIT: Duration = Duration::from_secs(3);
/// `auth-retry nointeract`: a server that locks accounts must not be hammered.
const NO_INTERACT_WAIT: Duration = Duration::from_secs(10);
/// The override `auth-fail-retry`.
const OVERRIDDEN_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DynamicChallenge;
    use crate::event::AuthToken;
    use crate::secret::SecretText;
    use crate::session::login::{LoginRules, Missing};

    fn login() -> Login {
        let mut login = Login::new(LoginRules {
            password_needed: true,
            ..LoginRules::default()
        });
        login.set_username("alice");
        login.set_password(SecretText::from("secret"));
        login
    }

    fn refused() -> ConnectionError {
        ConnectionError::AuthFailed {
            reason: String::new(),
        }
    }

    fn rules(auth_retry: AuthRetry) -> RetryRules {
        RetryRules {
            auth_retry,
            ..RetryRules::default()
        }
    }

    #[test]
    fn a_refused_token_is_dropped_before_the_password_is_doubted() {
        let mut login = login();
        login.token_received(AuthToken {
            username: None,
            token: SecretText::from("t"),
        });
        let first = judge(&refused(), &mut login, &rules(AuthRetry::None));
        assert!(
            matches!(
                first,
                Verdict::Retry {
                    advance: Advance::No,
                    ..
                }
            ),
            "{first:?}"
        );
        let second = judge(&refused(), &mut login, &rules(AuthRetry::None));
        assert_eq!(second, Verdict::End);
    }

    #[test]
    fn auth_retry_decides_about_a_refused_password() {
        let mut asked = login();
        assert_eq!(
            judge(&refused(), &mut asked, &rules(AuthRetry::Interact)),
            Verdict::Ask
        );
        assert_eq!(asked.missing(), [Missing::Password]);
        assert_eq!(
            judge(&refused(), &mut login(), &rules(AuthRetry::NoInteract)),
            Verdict::Retry {
                advance: Advance::No,
                not_before: Duration::from_secs(10)
            }
        );
    }

    #[test]
    fn who_has_nothing_to_be_asked_for_tries_again() {
        let mut by_certificate = Login::new(LoginRules::default());
        let verdict = judge(&refused(), &mut by_certificate, &rules(AuthRetry::Interact));
        assert!(matches!(verdict, Verdict::Retry { .. }), "{verdict:?}");
    }

    #[test]
    fn a_challenge_is_asked_only_if_it_wants_an_answer() {
        let challenge = |response_required| {
            ConnectionError::DynamicChallenge(DynamicChallenge {
                echo: false,
                response_required,
                state_id: "s".to_owned(),
                username: "alice".to_owned(),
                text: "?".to_owned(),
            })
        };
        let none = rules(AuthRetry::None);
        assert_eq!(judge(&challenge(true), &mut login(), &none), Verdict::Ask);
        assert!(matches!(
            judge(&challenge(false), &mut login(), &none),
            Verdict::Retry { .. }
        ));
    }

    #[test]
    fn ping_exit_makes_silence_the_end() {
        let lost = ConnectionError::PeerLost { seconds: 60 };
        let mut strict = rules(AuthRetry::None);
        assert!(matches!(
            judge(&lost, &mut login(), &strict),
            Verdict::Retry { .. }
        ));
        strict.end_when_lost = true;
        assert_eq!(judge(&lost, &mut login(), &strict), Verdict::End);
    }

    #[test]
    fn the_server_says_where_and_when_to_come_back() {
        let later = ConnectionError::AuthFailedTemporarily {
            reason: String::new(),
            backoff: Duration::from_secs(42),
            advance: Advance::Remote,
        };
        assert_eq!(
            judge(&later, &mut login(), &rules(AuthRetry::None)),
            Verdict::Retry {
                advance: Advance::Remote,
                not_before: Duration::from_secs(42)
            }
        );
    }
}
