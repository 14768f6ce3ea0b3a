//! Scenes in which attempts fail: which failure ends a session, which one does not, and what the network does meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::scene::{Scene, address, device, lost};
use crate::error::{Advance, ConnectionError};
use crate::event::{Ended, Event, Input};
use crate::session::effect::{Effect, Report};
use crate::session::exit_class::ExitClass;
use crate::session::network::Step;
use crate::session::tunnel::TunnelOrder;

/// Two servers, and no limit of tries.
const TWO: &str = "remote other.example\nconnect-retry-max unlimited\n";
const NO_LIMIT: &str = "connect-retry-max unlimited\n";
const FULL: &str = ",redirect-gateway def1";

fn refused() -> ConnectionError {
    ConnectionError::CertificateRefused("its issuer is not in ca".to_owned())
}

fn not_yet() -> ConnectionError {
    ConnectionError::CertificateNotYetValid("it is not valid before 2030".to_owned())
}

/// What may come from anybody between us and the server.
fn strangers() -> Vec<ConnectionError> {
    let words = || "whatever".to_owned();
    vec![
        refused(),
        not_yet(),
        ConnectionError::HandshakeTimeout {
            seconds: 60,
            stage: "TLS",
        },
        ConnectionError::NoAnswer { seconds: 60 },
        ConnectionError::PeerIncompatible(words()),
        ConnectionError::PeerMisbehaved("whatever"),
        ConnectionError::ProxyRefused(words()),
        ConnectionError::PushRejected(words()),
        ConnectionError::Tls(words()),
        ConnectionError::TlsAlert(words()),
        ConnectionError::Transport(words()),
    ]
}

/// A full tunnel that stands.
fn full_tunnel(lines: &str) -> Scene {
    let mut scene = Scene::with(&format!("{NO_LIMIT}{lines}"));
    scene.resolve();
    scene.push_options(FULL);
    scene.report(Report::NetworkDone(Some(device())));
    assert!(scene.session.summary().is_some());
    scene.said.clear();
    scene
}

/// Lets time pass, and answers lookups, until the next attempt is under way.
fn next_attempt(scene: &mut Scene) -> Duration {
    let before = scene.now;
    let attempts = scene.hosts().len();
    for _ in 0..10 {
        match scene.said.last() {
            Some(Effect::Resolve(_)) => scene.resolve(),
            _ => {
                scene.wait();
            }
        }
        if scene.hosts().len() > attempts {
            return scene.now - before;
        }
    }
    panic!("no attempt is made");
}

fn is_released(scene: &Scene) -> bool {
    scene.steps().iter().any(|it| matches!(it, Step::Revert))
}

#[test]
fn a_server_that_is_refused_hands_over_to_the_next_remote() {
    let mut scene = Scene::with(TWO);
    scene.resolve();
    scene.fail(refused());
    assert_eq!(scene.exit_class(), None);
    next_attempt(&mut scene);
    assert_eq!(scene.hosts(), ["vpn.example", "other.example"]);
}

#[test]
fn when_every_remote_refuses_the_session_ends_with_the_reason() {
    let mut scene = Scene::with(TWO);
    scene.resolve();
    scene.fail(refused());
    next_attempt(&mut scene);
    scene.fail(ConnectionError::PushRejected("route".to_owned()));
    assert_eq!(scene.exit_class(), Some(ExitClass::Incompatible));
}

#[test]
fn a_remote_that_is_not_reached_may_be_the_right_one() {
    let mut scene = Scene::with(TWO);
    scene.resolve();
    for _ in 0..20 {
        scene.fail(refused());
        next_attempt(&mut scene);
        scene.fail(ConnectionError::NoAnswer { seconds: 60 });
        next_attempt(&mut scene);
    }
    assert_eq!(scene.exit_class(), None);
}

#[test]
fn every_address_of_a_remote_is_asked_before_it_counts_as_refusing() {
    let mut scene = Scene::with(NO_LIMIT);
    let Some(Effect::Resolve(lookup)) = scene.said.last() else {
        panic!("the name is looked up");
    };
    let report = Report::Resolved {
        lookup: lookup.clone(),
        addresses: vec![address(1), address(2)],
    };
    scene.report(report);
    scene.fail(refused());
    assert_eq!(scene.exit_class(), None);
    next_attempt(&mut scene);
    scene.fail(refused());
    assert_eq!(scene.exit_class(), Some(ExitClass::CertificateRefused));
}

#[test]
fn an_alert_of_the_server_gets_a_second_round() {
    let mut scene = Scene::with(NO_LIMIT);
    scene.resolve();
    scene.fail(ConnectionError::TlsAlert("internal error".to_owned()));
    assert_eq!(scene.exit_class(), None);
    next_attempt(&mut scene);
    scene.fail(ConnectionError::TlsAlert("internal error".to_owned()));
    assert_eq!(scene.exit_class(), Some(ExitClass::CertificateRefused));
}

#[test]
fn nothing_that_strangers_say_ends_a_running_session_or_opens_the_machine() {
    for error in strangers() {
        let mut scene = full_tunnel("");
        scene.fail(lost());
        for _ in 0..30 {
            next_attempt(&mut scene);
            scene.fail(error.clone());
        }
        assert_eq!(scene.exit_class(), None, "{error}");
        assert!(!is_released(&scene), "{error}");
        next_attempt(&mut scene);
        scene.push_options(FULL);
        assert!(scene.session.summary().is_some(), "{error}");
    }
}

#[test]
fn a_failed_renegotiation_with_an_impostor_is_an_ordinary_end_of_an_attempt() {
    let mut scene = full_tunnel("");
    scene.fail(refused());
    assert_eq!(scene.exit_class(), None);
    assert!(!is_released(&scene));
    next_attempt(&mut scene);
    assert_eq!(scene.hosts(), ["vpn.example"]);
}

#[test]
fn a_tunnel_of_some_networks_is_taken_back_as_the_profile_has_it() {
    let mut scene = Scene::connected(false);
    scene.fail(lost());
    assert!(is_released(&scene));
}

#[test]
fn a_push_that_becomes_unusable_does_not_end_a_running_session() {
    let mut scene = full_tunnel("");
    scene.fail(lost());
    next_attempt(&mut scene);
    scene.push_no_address();
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Tunnel(TunnelOrder::Input(Input::Stop)))
    ));
    scene.event(Event::Ended(Ended::Stopped));
    assert_eq!(scene.exit_class(), None);
    assert!(!is_released(&scene));
    next_attempt(&mut scene);
}

#[test]
fn a_push_that_is_unusable_from_the_start_is_that_remotes_fault() {
    let mut scene = Scene::with(TWO);
    for _ in 0..2 {
        assert_eq!(scene.exit_class(), None);
        if scene.hosts().is_empty() {
            scene.resolve();
        } else {
            next_attempt(&mut scene);
        }
        scene.push_no_address();
        scene.event(Event::Ended(Ended::Stopped));
    }
    assert_eq!(scene.hosts(), ["vpn.example", "other.example"]);
    assert_eq!(scene.exit_class(), Some(ExitClass::Incompatible));
}

#[test]
fn a_certificate_of_the_future_is_tried_again_until_the_clock_can_be_believed() {
    let trusted = Arc::new(AtomicBool::new(false));
    let mut scene = Scene::with_clock(NO_LIMIT, &trusted);
    scene.resolve();
    for _ in 0..20 {
        scene.fail(not_yet());
        assert_eq!(scene.exit_class(), None);
        next_attempt(&mut scene);
    }
    trusted.store(true, Ordering::Relaxed);
    scene.fail(not_yet());
    assert_eq!(scene.exit_class(), Some(ExitClass::CertificateRefused));
}

#[test]
fn no_change_of_the_network_shortens_a_wait_that_the_server_asked_for() {
    let mut scene = Scene::with(NO_LIMIT);
    scene.resolve();
    let begin = scene.now;
    scene.fail(ConnectionError::AuthFailedTemporarily {
        reason: String::new(),
        backoff: Duration::from_secs(120),
        advance: Advance::No,
    });
    for _ in 0..5 {
        scene.now += Duration::from_secs(10);
        scene.report(Report::PathChanged);
        scene.report(Report::Woke(Duration::from_secs(1)));
    }
    assert_eq!(scene.hosts().len(), 1);
    next_attempt(&mut scene);
    assert_eq!(scene.now - begin, Duration::from_secs(120));
}

#[test]
fn no_change_of_the_network_sends_a_refused_password_sooner() {
    let mut scene = Scene::with(&format!("{NO_LIMIT}auth-retry nointeract\n"));
    scene.resolve();
    let begin = scene.now;
    scene.fail(ConnectionError::AuthFailed {
        reason: String::new(),
    });
    scene.report(Report::PathChanged);
    assert_eq!(scene.hosts().len(), 1);
    next_attempt(&mut scene);
    assert_eq!(scene.now - begin, Duration::from_secs(10));
}

#[test]
fn a_change_of_the_network_does_shorten_the_back_off() {
    let mut scene = Scene::with(NO_LIMIT);
    scene.resolve();
    for _ in 0..20 {
        scene.fail(ConnectionError::NoAnswer { seconds: 1 });
        next_attempt(&mut scene);
    }
    scene.fail(ConnectionError::NoAnswer { seconds: 1 });
    scene.report(Report::PathChanged);
    let begin = scene.now;
    scene.resolve();
    assert_eq!(scene.now, begin);
    assert_eq!(scene.hosts().len(), 22);
}

#[test]
fn refused_logins_count_at_a_remote_with_several_addresses_too() {
    let mut scene = Scene::with("auth-retry nointeract\n");
    let Some(Effect::Resolve(lookup)) = scene.said.last() else {
        panic!("the name is looked up");
    };
    let addresses: Vec<SocketAddr> = (1..9).map(address).collect();
    let lookup = lookup.clone();
    scene.report(Report::Resolved { lookup, addresses });
    for _ in 0..2 {
        scene.fail(ConnectionError::AuthFailed {
            reason: String::new(),
        });
        next_attempt(&mut scene);
    }
    scene.fail(ConnectionError::AuthFailed {
        reason: String::new(),
    });
    assert_eq!(scene.exit_class(), Some(ExitClass::AuthenticationFailed));
}

#[test]
fn a_missing_device_ends_the_session_before_anything_is_sent() {
    let mut scene = Scene::with(NO_LIMIT);
    scene.resolve();
    let error = ConnectionError::DeviceMissing("/dev/net/tun cannot be opened".to_owned());
    scene.fail(error);
    assert_eq!(scene.exit_class(), Some(ExitClass::PrivilegeMissing));
}

#[test]
fn a_session_of_a_process_that_crashed_counts_as_connected() {
    let mut scene = full_tunnel("");
    scene.fail(lost());
    next_attempt(&mut scene);
    scene.fail(lost());
    let saved = scene.last_saved();
    let mut next = Scene::after_crash(NO_LIMIT, saved);
    for _ in 0..5 {
        if !next.has_connected_to_server() {
            next.resolve();
        }
        next.fail(refused());
        assert_eq!(next.exit_class(), None);
        next_attempt(&mut next);
    }
}

#[test]
fn who_cannot_be_asked_is_said_once() {
    let mut scene = Scene::with("auth-user-pass\n");
    for _ in 0..5 {
        scene.report(Report::NobodyToAsk("no terminal".to_owned()));
    }
    let ends = scene
        .said
        .iter()
        .filter(|it| matches!(it, Effect::Exit(_)))
        .count();
    assert_eq!(ends, 1);
}

#[test]
fn a_question_of_a_running_login_that_nobody_answers_is_withdrawn() {
    let mut scene = Scene::with(NO_LIMIT);
    scene.resolve();
    scene.event(Event::ChallengeText {
        echo: false,
        response_required: true,
        text: "PIN?".to_owned(),
    });
    assert_eq!(scene.session.questions().open_questions().count(), 1);
    scene.report(Report::NobodyToAsk("no terminal".to_owned()));
    assert_eq!(scene.session.questions().open_questions().count(), 0);
    let before = scene.said.len();
    scene.report(Report::NobodyToAsk("no terminal".to_owned()));
    assert_eq!(scene.said.len(), before);
    scene.event(Event::Ended(Ended::Stopped));
    assert_eq!(scene.exit_class(), Some(ExitClass::AuthenticationFailed));
}
