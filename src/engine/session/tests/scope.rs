//! The whole table of scopes, in every situation.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;

use crate::error::{Advance, ConnectionError, DynamicChallenge, ProxyKind};
use crate::session::exit_class::ExitClass;
use crate::session::scope::{Failure, LoginState, Next, Patience, Scope, Situation, TABLE, rule};

/// One error of each kind.
fn errors() -> Vec<ConnectionError> {
    let words = String::new;
    let (backoff, advance) = (Duration::from_secs(42), Advance::Remote);
    vec![
        ConnectionError::AuthFailed { reason: words() },
        ConnectionError::AuthFailedTemporarily {
            reason: words(),
            backoff,
            advance,
        },
        ConnectionError::CertificateNotYetValid(words()),
        ConnectionError::CertificateRefused(words()),
        ConnectionError::DeviceMissing(words()),
        ConnectionError::DynamicChallenge(DynamicChallenge {
            echo: false,
            response_required: true,
            state_id: words(),
            username: words(),
            text: words(),
        }),
        ConnectionError::HandshakeTimeout {
            seconds: 60,
            stage: "",
        },
        ConnectionError::Inactive { seconds: 60 },
        ConnectionError::NoAnswer { seconds: 60 },
        ConnectionError::OwnCertificateNotYetValid(words()),
        ConnectionError::OwnCertificateRefused(words()),
        ConnectionError::PeerExited,
        ConnectionError::PeerIncompatible(words()),
        ConnectionError::PeerLost { seconds: 60 },
        ConnectionError::PeerMisbehaved(""),
        ConnectionError::ProfileUnusable(words()),
        ConnectionError::ProxyCredentials {
            kind: ProxyKind::Http,
            refused: true,
        },
        ConnectionError::ProxyRefused(words()),
        ConnectionError::PushRejected(words()),
        ConnectionError::ServerHalt { reason: words() },
        ConnectionError::ServerRestart {
            reason: words(),
            keep_credentials: true,
            advance: Advance::No,
        },
        ConnectionError::SessionTimeout { seconds: 60 },
        ConnectionError::Tls(words()),
        ConnectionError::TlsAlert(words()),
        ConnectionError::TokenExpired { reason: words() },
        ConnectionError::Transport(words()),
    ]
}

const LOGINS: [LoginState; 4] = [
    LoginState::Complete,
    LoginState::CompleteAfter(Duration::from_secs(10)),
    LoginState::Incomplete,
    LoginState::Refused,
];

/// Every situation that the table tells apart.
fn situations() -> Vec<Situation> {
    let mut all = Vec::new();
    for bits in 0..32_u8 {
        let bit = |place: u8| bits & (1 << place) != 0;
        for refused_rounds in 0..4 {
            all.extend(LOGINS.map(|login| Situation {
                stood: bit(0),
                was_connected: bit(0) || bit(1),
                refused_rounds,
                limit_reached: bit(2),
                clock_trusted: bit(3),
                end_when_lost: bit(4),
                login,
            }));
        }
    }
    all
}

#[test]
fn every_failure_has_its_row_and_every_row_its_failure() {
    let failures: BTreeSet<Failure> = errors().iter().map(Failure::of).collect();
    let rows: BTreeSet<Failure> = TABLE.iter().map(|row| row.failure).collect();
    assert_eq!(failures, rows);
    assert_eq!(rows.len(), TABLE.len());
    for row in TABLE {
        assert_eq!(row.failure.row().failure, row.failure);
    }
}

#[test]
fn a_session_that_was_connected_ends_by_command_limit_profile_or_machine_alone() {
    for error in errors() {
        for situation in situations().iter().filter(|it| it.was_connected) {
            let ruling = rule(&error, situation);
            if ruling.next == Next::End {
                assert!(
                    matches!(
                        ruling.scope,
                        Scope::Command | Scope::Limit | Scope::Machine | Scope::Profile
                    ),
                    "{error:?} {situation:?}"
                );
            }
        }
    }
}

/// What anybody on the way can bring about.
fn strangers_can_cause(error: &ConnectionError) -> bool {
    matches!(
        Failure::of(error).row().scope,
        Scope::Attempt | Scope::Remote
    )
}

#[test]
fn nothing_that_a_stranger_can_cause_ends_a_session_that_was_connected() {
    for error in errors().iter().filter(|it| strangers_can_cause(it)) {
        for situation in situations() {
            let by_the_profile = situation.limit_reached || situation.end_when_lost;
            if situation.was_connected && !by_the_profile {
                assert_ne!(rule(error, &situation).next, Next::End, "{error:?}");
            }
        }
    }
}

#[test]
fn a_refusal_ends_a_session_only_when_every_remote_has_refused_it() {
    for error in errors().iter().filter(|it| strangers_can_cause(it)) {
        for situation in situations() {
            let by_the_profile = situation.limit_reached || situation.end_when_lost;
            if rule(error, &situation).next == Next::End && !by_the_profile {
                assert!(situation.refused_rounds > 0, "{error:?} {situation:?}");
                assert!(Failure::of(error).is_refusal(), "{error:?}");
            }
        }
    }
}

#[test]
fn what_is_not_valid_yet_waits_for_the_right_time() {
    let error = ConnectionError::CertificateNotYetValid(String::new());
    for situation in situations() {
        if !situation.clock_trusted && !situation.limit_reached {
            assert_ne!(rule(&error, &situation).next, Next::End, "{situation:?}");
        }
    }
}

#[test]
fn a_wait_that_the_server_asked_for_is_waited_in_every_situation() {
    let error = ConnectionError::AuthFailedTemporarily {
        reason: String::new(),
        backoff: Duration::from_secs(120),
        advance: Advance::No,
    };
    for situation in situations().iter().filter(|it| !it.limit_reached) {
        assert_eq!(
            rule(&error, situation).next,
            Next::Retry {
                advance: Advance::No,
                not_before: Duration::from_secs(120),
            }
        );
    }
}

#[test]
fn every_class_that_a_connection_can_end_a_session_with_is_reached() {
    let mut reached = BTreeSet::new();
    for error in errors() {
        for situation in situations() {
            let ruling = rule(&error, &situation);
            if ruling.next == Next::End {
                reached.insert(ruling.class);
            }
        }
    }
    // The others are not for a connection to end with: the user's word, the network's set-up, and our own mistakes.
    let all: BTreeSet<ExitClass> = [
        ExitClass::AuthenticationFailed,
        ExitClass::CertificateRefused,
        ExitClass::EndedByServer,
        ExitClass::Incompatible,
        ExitClass::PrivilegeMissing,
        ExitClass::ProfileUnusable,
        ExitClass::ServerUnreachable,
    ]
    .into();
    assert_eq!(reached, all);
}

#[test]
fn what_ends_at_once_does_so_in_every_situation_and_what_is_endless_never_by_itself() {
    for error in errors() {
        let row = Failure::of(&error).row();
        for situation in situations() {
            let next = rule(&error, &situation).next;
            match row.scope {
                Scope::Command | Scope::Limit | Scope::Machine | Scope::Profile => {
                    assert_eq!(next, Next::End, "{error:?} {situation:?}");
                }
                Scope::Attempt | Scope::Remote | Scope::Login => {}
            }
            let limited = situation.limit_reached || situation.end_when_lost;
            if row.patience == Patience::Endless && !limited {
                assert_ne!(next, Next::End, "{error:?} {situation:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn the_limit_of_tries_is_the_profiles_whatever_is_retried(
        error in proptest::sample::select(errors()),
        situation in proptest::sample::select(situations()),
    ) {
        let free = Situation { limit_reached: false, ..situation };
        let limited = Situation { limit_reached: true, ..situation };
        if let Next::Retry { .. } = rule(&error, &free).next {
            let ruling = rule(&error, &limited);
            prop_assert_eq!(ruling.next, Next::End);
            prop_assert_eq!(ruling.scope, Scope::Limit);
        }
    }
}
