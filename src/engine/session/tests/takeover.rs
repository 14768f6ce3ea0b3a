//! What a session takes over: from the process before it, and from itself when its profile is read again.

use super::scene::{PROFILE, Scene, device, lost, profile_of};
use crate::event::{AuthToken, Ended, Event};
use crate::secret::SecretText;
use crate::session::effect::{Effect, Report};
use crate::session::request::{Answer, Request};
use crate::session::saved::Saved;
use crate::session::tunnel::{Attempt, TunnelOrder};
use crate::session::{Autonomy, Registration};

const LOGIN: &str = "auth-user-pass\n";

fn profile() -> String {
    format!("{PROFILE}{LOGIN}")
}

/// The profile with `new` in the place of `old`.
fn changed(old: &str, new: &str) -> String {
    let text = profile().replace(old, new);
    assert_ne!(text, profile(), "something is replaced");
    text
}

/// All that makes a profile another one.
fn other_profiles() -> Vec<String> {
    vec![
        changed("remote vpn.example", "remote other.example"),
        changed("remote vpn.example", "remote vpn.example 443"),
        changed(
            "remote vpn.example",
            "remote vpn.example\nremote other.example",
        ),
        changed("peer-fingerprint 00:", "peer-fingerprint 01:"),
        changed(LOGIN, "auth-user-pass\nauth-nocache\n"),
        changed(LOGIN, "auth-user-pass\nstatic-challenge PIN 1\n"),
        changed(LOGIN, "auth-user-pass\nverify-x509-name vpn name\n"),
    ]
}

fn answer(scene: &mut Scene, value: &str) {
    let open = |scene: &Scene| scene.session.questions().check(1, 1);
    assert!(!open(scene).is_empty(), "a login is asked for");
    for number in open(scene) {
        let answer = Answer {
            kind: 1,
            group: 1,
            number,
            value: SecretText::from(value),
        };
        scene.request(Request::ProvideInput(answer)).unwrap();
    }
}

/// A session that somebody has logged in for, with a token.
fn logged_in() -> Scene {
    let mut scene = Scene::new(Registration::None, Autonomy::ByItself);
    scene.report(Report::Profile(Ok(profile_of(&profile()))));
    answer(&mut scene, "secret");
    scene.resolve();
    scene.push(1500);
    scene.report(Report::NetworkDone(Some(device())));
    scene.event(Event::Token(AuthToken {
        username: None,
        token: SecretText::from("SESS_ID"),
    }));
    scene
}

fn kept(scene: &Scene) -> Option<Saved> {
    scene.said.iter().rev().find_map(|effect| match effect {
        Effect::Save(kept) => Some(Saved::from_bytes(kept.expose()).unwrap()),
        _ => None,
    })
}

fn attempts(scene: &Scene) -> Vec<&Attempt> {
    let begun = scene.said.iter().filter_map(|effect| match effect {
        Effect::Tunnel(TunnelOrder::Begin(attempt)) => Some(&**attempt),
        _ => None,
    });
    begun.collect()
}

fn reload(scene: &mut Scene, text: &str) {
    scene.said.clear();
    scene.request(Request::Reload).unwrap();
    scene.report(Report::Profile(Ok(profile_of(text))));
}

#[test]
fn a_process_that_comes_back_asks_nobody_and_goes_to_the_same_server() {
    let kept = kept(&logged_in());
    let mut next = Scene::after(kept);
    next.report(Report::Profile(Ok(profile_of(&profile()))));
    assert!(next.session.questions().is_complete());
    assert!(next.has_connected_to_server());
    assert!(!next.said.iter().any(|e| matches!(e, Effect::Resolve(_))));
}

#[test]
fn what_was_kept_for_one_profile_is_nothing_to_another_of_the_same_name() {
    for text in other_profiles() {
        let kept = kept(&logged_in());
        let mut next = Scene::after(kept);
        next.report(Report::Profile(Ok(profile_of(&text))));
        assert!(!next.session.questions().is_complete(), "{text}");
        assert!(attempts(&next).is_empty(), "{text}");
    }
}

#[test]
fn what_was_kept_for_another_profile_is_not_kept_any_longer() {
    let before = kept(&logged_in());
    let mut next = Scene::after(before);
    let text = changed("remote vpn.example", "remote other.example");
    next.report(Report::Profile(Ok(profile_of(&text))));
    let saved = kept(&next).expect("the store is overwritten");
    assert_eq!(saved.password, None);
    assert_eq!(saved.token, None);
}

#[test]
fn what_does_not_concern_the_login_may_change_without_a_question() {
    let text = changed(
        LOGIN,
        "auth-user-pass\nverb 5\nroute 10.1.0.0 255.255.0.0\n",
    );
    let kept = kept(&logged_in());
    let mut next = Scene::after(kept);
    next.report(Report::Profile(Ok(profile_of(&text))));
    assert!(next.has_connected_to_server());

    let mut scene = logged_in();
    reload(&mut scene, &text);
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    scene.resolve();
    let attempts = attempts(&scene);
    let attempt = attempts.last().expect("an attempt begins");
    let token = attempt.config.token.as_ref().expect("the token is used");
    assert_eq!(token.token.expose(), "SESS_ID");
}

#[test]
fn a_reload_with_another_profile_asks_anew_and_takes_the_network_back_meanwhile() {
    for text in other_profiles() {
        let mut scene = logged_in();
        reload(&mut scene, &text);
        // What the former server says on the way out is not taken up.
        scene.event(Event::Token(AuthToken {
            username: None,
            token: SecretText::from("LATE"),
        }));
        scene.event(Event::Ended(Ended::Stopped));
        assert!(!scene.session.questions().is_complete(), "{text}");
        assert!(attempts(&scene).is_empty(), "{text}");
        assert_eq!(scene.steps().len(), 1, "the network is taken back");
        scene.report(Report::NetworkDone(None));
        let saved = kept(&scene).expect("the store is overwritten");
        assert_eq!((saved.password, saved.token), (None, None), "{text}");
    }
}

#[test]
fn after_a_reload_with_another_profile_the_new_answer_is_sent() {
    let mut scene = logged_in();
    let text = changed("remote vpn.example", "remote other.example");
    reload(&mut scene, &text);
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    answer(&mut scene, "another");
    scene.resolve();
    let attempts = attempts(&scene);
    let [attempt] = attempts[..] else {
        panic!("one attempt begins: {attempts:?}")
    };
    assert_eq!(attempt.config.endpoint.host, "other.example");
    assert!(attempt.config.token.is_none());
    let credentials = attempt.config.credentials.as_ref().expect("a login");
    assert_eq!(credentials.password.expose(), "another");
}

#[test]
fn a_reload_with_another_profile_between_two_attempts_asks_anew() {
    let mut scene = logged_in();
    scene.fail(lost());
    scene.report(Report::NetworkDone(None));
    reload(
        &mut scene,
        &changed("remote vpn.example", "remote other.example"),
    );
    assert!(!scene.session.questions().is_complete());
    assert!(attempts(&scene).is_empty());
}

#[test]
fn half_an_answer_for_one_profile_is_not_completed_for_another() {
    let mut scene = Scene::new(Registration::None, Autonomy::ByItself);
    scene.report(Report::Profile(Ok(profile_of(&profile()))));
    let first = Answer {
        kind: 1,
        group: 1,
        number: 0,
        value: SecretText::from("alice"),
    };
    scene.request(Request::ProvideInput(first)).unwrap();
    reload(
        &mut scene,
        &changed("remote vpn.example", "remote other.example"),
    );
    assert_eq!(scene.session.questions().check(1, 1).len(), 2);
}

#[test]
fn the_token_of_the_start_counts_where_nothing_was_kept_for_this_profile() {
    let token = || {
        Some(AuthToken {
            username: None,
            token: SecretText::from("GIVEN"),
        })
    };
    let other = changed("remote vpn.example", "remote other.example");
    for (text, sent) in [(profile(), "SESS_ID"), (other, "GIVEN")] {
        let kept = kept(&logged_in());
        let mut next = Scene::given(Registration::None, Autonomy::ByItself, kept, token());
        next.report(Report::Profile(Ok(profile_of(&text))));
        if !next.has_connected_to_server() {
            next.resolve();
        }
        let attempts = attempts(&next);
        let attempt = attempts.first().expect("nobody is asked");
        let token = attempt.config.token.as_ref().expect("a token");
        assert_eq!(token.token.expose(), sent);
    }
}
