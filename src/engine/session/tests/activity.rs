//! What a session says it is at.

use std::time::Duration;

use super::scene::{Scene, device, lost, start};
use crate::event::{Event, KeyTimes, Stage};
use crate::session::effect::Report;
use crate::session::request::Request;

fn words(scene: &Scene) -> (String, String) {
    let activity = scene.session.activity();
    activity.map_or_else(Default::default, |it| (it.what, it.detail))
}

#[test]
fn every_step_of_an_attempt_has_its_words() {
    let mut scene = Scene::loaded(false);
    assert_eq!(words(&scene).0, "connecting");
    assert!(words(&scene).1.starts_with("looking up "));
    scene.resolve();
    assert!(words(&scene).1.starts_with("opening a connection to "));
    scene.event(Event::Stage(Stage::Waiting));
    assert!(words(&scene).1.starts_with("waiting for an answer from "));
    scene.event(Event::AuthPending {
        timeout_seconds: 30,
    });
    assert_eq!(words(&scene).0, "waiting for the login to be confirmed");
    scene.push(1500);
    assert_eq!(words(&scene).1, "setting up the network");
    scene.report(Report::NetworkDone(Some(device())));
    assert!(words(&scene).0.starts_with("connected to "));
    assert!(words(&scene).0.ends_with(" by tun0"));
}

#[test]
fn a_lost_connection_says_what_happened_until_the_next_one_stands() {
    let mut scene = Scene::connected(true);
    scene.fail(lost());
    let activity = scene.session.activity().unwrap();
    assert_eq!(activity.what, "reconnecting");
    assert_eq!(activity.detail, lost().to_string());
    assert!(activity.until.is_some());
    scene.wait();
    assert!(words(&scene).1.ends_with(&format!("; before: {}", lost())));
}

#[test]
fn the_last_words_are_those_of_the_status() {
    let mut scene = Scene::connected(false);
    scene.request(Request::Disconnect).unwrap();
    assert_eq!(scene.session.activity(), None);
}

#[test]
fn a_renewed_key_has_a_new_age() {
    let mut scene = Scene::connected(false);
    let times = KeyTimes {
        negotiated_at: start() + Duration::from_secs(5),
        renewal_at: None,
    };
    scene.event(Event::KeyRenewed { key_id: 1, times });
    let established = scene.session.established().unwrap();
    assert_eq!(established.key_times, times);
}
