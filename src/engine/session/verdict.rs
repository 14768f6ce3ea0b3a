//! What the end of an attempt means for the login, and from there, by the table of scopes, for the session.

use std::time::Duration;

use super::super::error::ConnectionError;
use super::login::Login;
use super::scope::{LoginState, Ruling, Situation, rule};
use super::settings::RetryRules;
use crate::profile::model::AuthRetry;

/// What is known of the session when an attempt ends, beside its login and the profile's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and every combination occurs"
)]
pub struct Circumstances {
    /// The connection stood until now.
    pub stood: bool,
    /// The session was connected before.
    pub was_connected: bool,
    /// In how many rounds, one after the other, every remote has refused us.
    pub refused_rounds: u32,
    /// `connect-retry-max` is reached.
    pub limit_reached: bool,
    /// The clock can be believed.
    pub clock_trusted: bool,
}

/// Judges the error that ended an attempt, and makes the login forget what the server no longer takes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most errors say nothing about the login"
)]
pub fn judge(
    error: &ConnectionError,
    login: &mut Login,
    rules: &RetryRules,
    circumstances: Circumstances,
) -> Ruling {
    let login = match error {
        ConnectionError::AuthFailed { .. } => refused_login(login, rules),
        ConnectionError::ProxyCredentials { .. } => LoginState::Incomplete,
        error => {
            forget(error, login);
            state_of(login)
        }
    };
    let Circumstances {
        stood,
        was_connected,
        refused_rounds,
        limit_reached,
        clock_trusted,
    } = circumstances;
    let situation = Situation {
        stood,
        was_connected,
        refused_rounds,
        limit_reached,
        clock_trusted,
        end_when_lost: rules.end_when_lost,
        login,
    };
    rule(error, &situation)
}

/// Forgets what the server no longer takes.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most errors say nothing about the login"
)]
fn forget(error: &ConnectionError, login: &mut Login) {
    match error {
        ConnectionError::AuthFailedTemporarily { .. } => login.drop_challenge(),
        ConnectionError::DynamicChallenge(challenge) => login.challenged(challenge.clone()),
        ConnectionError::TokenExpired { .. } => {
            login.drop_token();
            login.drop_challenge();
        }
        ConnectionError::ServerRestart {
            keep_credentials: false,
            ..
        } => {
            login.drop_token();
        }
        _ => {}
    }
}

/// A token is the first to be suspected: a restarted server refuses those it gave out before.
fn refused_login(login: &mut Login, rules: &RetryRules) -> LoginState {
    login.drop_challenge();
    if login.drop_token() {
        return state_of(login);
    }
    if rules.retry_refused_login {
        return LoginState::CompleteAfter(OVERRIDDEN_WAIT);
    }
    match rules.auth_retry {
        AuthRetry::Interact => {
            login.purge();
            // Who logs in by certificate alone has nothing to be asked for.
            if login.missing().is_empty() {
                LoginState::CompleteAfter(NO_INTERACT_WAIT)
            } else {
                LoginState::Incomplete
            }
        }
        AuthRetry::None => LoginState::Refused,
        AuthRetry::NoInteract => LoginState::CompleteAfter(NO_INTERACT_WAIT),
    }
}

fn state_of(login: &Login) -> LoginState {
    if login.missing().is_empty() {
        LoginState::Complete
    } else {
        LoginState::Incomplete
    }
}

/// `auth-retry nointeract`: a server that locks accounts must not be hammered.
const NO_INTERACT_WAIT: Duration = Duration::from_secs(10);
/// The override `auth-fail-retry`.
const OVERRIDDEN_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::super::scope::Next;
    use super::*;
    use crate::error::{Advance, DynamicChallenge};
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

    fn judge(error: &ConnectionError, login: &mut Login, rules: &RetryRules) -> Next {
        let circumstances = Circumstances {
            stood: false,
            was_connected: true,
            refused_rounds: 0,
            limit_reached: false,
            clock_trusted: true,
        };
        super::judge(error, login, rules, circumstances).next
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
                Next::Retry {
                    advance: Advance::No,
                    ..
                }
            ),
            "{first:?}"
        );
        let second = judge(&refused(), &mut login, &rules(AuthRetry::None));
        assert_eq!(second, Next::End);
    }

    #[test]
    fn auth_retry_decides_about_a_refused_password() {
        let mut asked = login();
        assert_eq!(
            judge(&refused(), &mut asked, &rules(AuthRetry::Interact)),
            Next::Ask
        );
        assert_eq!(asked.missing(), [Missing::Password]);
        assert_eq!(
            judge(&refused(), &mut login(), &rules(AuthRetry::NoInteract)),
            Next::Retry {
                advance: Advance::No,
                not_before: Duration::from_secs(10)
            }
        );
    }

    #[test]
    fn who_has_nothing_to_be_asked_for_tries_again() {
        let mut by_certificate = Login::new(LoginRules::default());
        let verdict = judge(&refused(), &mut by_certificate, &rules(AuthRetry::Interact));
        assert!(matches!(verdict, Next::Retry { .. }), "{verdict:?}");
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
        assert_eq!(judge(&challenge(true), &mut login(), &none), Next::Ask);
        assert!(matches!(
            judge(&challenge(false), &mut login(), &none),
            Next::Retry { .. }
        ));
    }

    #[test]
    fn ping_exit_makes_silence_the_end() {
        let lost = ConnectionError::PeerLost { seconds: 60 };
        let mut strict = rules(AuthRetry::None);
        assert!(matches!(
            judge(&lost, &mut login(), &strict),
            Next::Retry { .. }
        ));
        strict.end_when_lost = true;
        assert_eq!(judge(&lost, &mut login(), &strict), Next::End);
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
            Next::Retry {
                advance: Advance::Remote,
                not_before: Duration::from_secs(42)
            }
        );
    }
}
