//! Scenes of sessions that a session manager commands: what it is told, and in which order.

use std::time::Duration;

use super::scene::{Scene, profile_with, start};
use crate::error::ConnectionError;
use crate::event::{Ended, Event};
use crate::session::effect::{Effect, Report};
use crate::session::request::Request;
use crate::session::status::Status;
use crate::session::{Autonomy, Registration};

/// A session that a manager has registered, with these lines in its profile.
fn managed(lines: &str) -> Scene {
    let registration = Registration::Awaited {
        token: "T".to_owned(),
        give_up_at: start() + Duration::from_secs(60),
    };
    let mut scene = Scene::new(registration, Autonomy::Commanded);
    let token = "T".to_owned();
    scene.request(Request::Register { token }).unwrap();
    scene.report(Report::Profile(Ok(profile_with(lines))));
    scene
}

#[test]
fn what_a_managed_session_needs_is_announced_last() {
    let scene = managed("auth-user-pass\n");
    let needed = "Username/password credentials needed".to_owned();
    assert_eq!(
        scene.announced(),
        [&Status::ProfileLoaded, &Status::InputRequired(needed)]
    );
    let place = |fits: fn(&Effect) -> bool| scene.said.iter().position(fits);
    let attention = place(|it| matches!(it, Effect::Attention(_)));
    let loaded = place(|it| matches!(it, Effect::Announce(Status::ProfileLoaded)));
    let required = place(|it| matches!(it, Effect::Announce(Status::InputRequired(_))));
    assert!(loaded < attention && attention < required);
}

#[test]
fn a_managed_session_that_never_connected_says_that_it_disconnects() {
    let mut scene = managed("");
    scene.request(Request::Disconnect).unwrap();
    let announced = scene.announced();
    let ended = [&Status::Disconnecting, &Status::Disconnected];
    assert_eq!(announced[1..3], ended);
}

#[test]
fn auth_fail_retry_tells_each_refusal_to_the_session_manager() {
    let mut scene = managed("auth-retry nointeract\nconnect-retry-max 9\n");
    scene.request(Request::Connect).unwrap();
    scene.resolve();
    for _ in 0..3 {
        scene.fail(ConnectionError::AuthFailed {
            reason: String::new(),
        });
        scene.wait();
    }
    let refused = "authentication failed".to_owned();
    let pair = [&Status::AuthenticationFailed(refused), &Status::Connecting];
    assert_eq!(
        scene.announced()[3..],
        [pair, pair, pair].concat(),
        "each of them"
    );
}

#[test]
fn a_paused_session_still_says_what_it_was_connected_to() {
    let mut scene = Scene::connected(true);
    let reason = "lunch".to_owned();
    scene.request(Request::Pause { reason }).unwrap();
    scene.event(Event::Ended(Ended::Stopped));
    assert!(scene.session.summary().is_none());
    let host = scene.session.connected_to().map(|it| it.host.as_str());
    assert_eq!(host, Some("vpn.example"));
}
