//! Tests of the session machine by scenes.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a scene looks for the one effect it is about"
)]

mod activity;
mod attempts;
mod managed;
mod proxy;
mod scene;
mod scope;
mod takeover;
mod trouble;
mod walk;

use std::time::Duration;

use self::scene::{Scene, device, lost, profile, profile_with, start};
use super::effect::{Effect, Report};
use super::exit_class::ExitClass;
use super::network::Step;
use super::request::{Answer, Refusal, Request};
use super::status::Status;
use super::tunnel::TunnelOrder;
use super::user_input::InputError;
use super::{Autonomy, Registration};
use crate::error::ConnectionError;
use crate::event::{Ended, Event, Input, Stage};
use crate::secret::SecretText;

#[test]
fn a_session_goes_from_profile_to_connected_by_itself() {
    let mut scene = Scene::loaded(false);
    scene.resolve();
    assert!(scene.has_connected_to_server());
    scene.push(1500);
    assert!(matches!(scene.steps()[..], [Step::Apply(_)]));
    assert!(scene.session.summary().is_none());
    scene.report(Report::NetworkDone(Some(device())));
    assert!(scene.said.iter().any(|e| matches!(e, Effect::Ready)));
    assert!(scene.said.iter().any(|e| matches!(e, Effect::Connected(_))));
    assert_eq!(
        scene.announced(),
        [
            &Status::ProfileLoaded,
            &Status::ProfileLoaded,
            &Status::Connecting,
            &Status::Connected
        ]
    );
}

#[test]
fn a_disconnect_sends_an_exit_notification_takes_the_network_back_and_exits() {
    let mut scene = Scene::connected(true);
    scene.request(Request::Disconnect).unwrap();
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Tunnel(TunnelOrder::Input(Input::Stop)))
    ));
    scene.event(Event::Ended(Ended::Stopped));
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Network(Step::Revert))
    ));
    scene.report(Report::NetworkDone(None));
    assert_eq!(scene.exit_class(), Some(ExitClass::AsAsked));
    assert!(scene.request(Request::Connect).is_err());
    assert!(scene.request(Request::Disconnect).is_ok());
}

#[test]
fn a_tunnel_that_does_not_stop_is_abandoned_in_bounded_time() {
    let mut scene = Scene::connected(false);
    scene.request(Request::Disconnect).unwrap();
    scene.wait();
    assert!(
        scene
            .said
            .iter()
            .any(|e| matches!(e, Effect::Tunnel(TunnelOrder::Abandon(_))))
    );
    scene.wait();
    assert!(matches!(scene.steps()[..], [Step::Revert]));
    scene.wait();
    assert_eq!(scene.exit_class(), Some(ExitClass::AsAsked));
}

#[test]
fn a_lost_server_is_tried_again_and_the_network_is_untouched_with_persist_tun() {
    let mut scene = Scene::connected(true);
    scene.fail(lost());
    assert_eq!(scene.announced(), [&Status::Reconnecting]);
    let waited = scene.wait();
    assert!(waited >= Duration::from_millis(750) && waited <= Duration::from_millis(1250));
    assert!(scene.has_connected_to_server());
    scene.push(1500);
    assert!(
        scene.session.summary().is_some(),
        "the same plan is in force already"
    );
    assert!(scene.steps().is_empty());
}

#[test]
fn a_server_whose_connection_broke_is_the_first_to_be_tried_again() {
    let mut scene = Scene::with("remote other.example\n");
    scene.resolve();
    scene.push(1500);
    scene.report(Report::NetworkDone(Some(device())));
    scene.said.clear();
    let broken = || ConnectionError::Transport("the stream ended".to_owned());
    scene.fail(broken());
    scene.report(Report::NetworkDone(None));
    scene.wait();
    assert_eq!(scene.hosts(), ["vpn.example"]);
    scene.fail(broken());
    scene.wait();
    scene.resolve();
    assert_eq!(scene.hosts(), ["vpn.example", "other.example"]);
}

#[test]
fn the_last_word_on_silence_counts_and_the_servers_comes_last() {
    let ends = |profile: &str, pushed: &str| {
        let mut scene = Scene::with(profile);
        scene.resolve();
        scene.push_options(pushed);
        scene.report(Report::NetworkDone(Some(device())));
        scene.fail(lost());
        scene.report(Report::NetworkDone(None));
        scene.exit_class().is_some()
    };
    assert!(ends("ping-exit 60\n", ""));
    assert!(!ends("ping-exit 60\n", ",ping-restart 60"));
    assert!(!ends("", ",ping-exit 60,ping-restart 60"));
    assert!(ends("", ",ping-restart 60,ping-exit 60"));
    assert!(!ends("ping-exit 60\nkeepalive 10 60\n", ""));
}

#[test]
fn a_device_that_is_lost_while_it_is_set_up_is_made_again() {
    let mut scene = Scene::connected(true);
    scene.fail(lost());
    scene.wait();
    scene.push(1400);
    assert!(matches!(scene.steps()[..], [Step::Change { .. }]));
    scene.report(Report::TunLost("it was deleted".to_owned()));
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Tunnel(TunnelOrder::Input(Input::Stop)))
    ));
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    assert!(matches!(scene.steps()[..], [_, Step::Revert]));
    scene.report(Report::NetworkDone(None));
    assert_eq!(scene.hosts().len(), 2, "{:?}", scene.said);
}

#[test]
fn another_plan_goes_by_a_change() {
    let mut scene = Scene::connected(true);
    scene.fail(lost());
    scene.wait();
    scene.push(1400);
    assert!(matches!(scene.steps()[..], [Step::Change { .. }]));
    scene.report(Report::NetworkDone(None));
    assert!(scene.session.summary().is_some());
}

#[test]
fn without_persist_tun_the_network_is_taken_back_before_the_next_attempt() {
    let mut scene = Scene::connected(false);
    scene.fail(lost());
    assert!(matches!(scene.steps()[..], [Step::Revert]));
    assert_eq!(scene.drain(), None, "nothing to do before the step ends");
    scene.report(Report::NetworkDone(None));
    assert!(!scene.has_connected_to_server());
    scene.wait();
    assert!(scene.has_connected_to_server());
}

#[test]
fn a_restart_without_persist_tun_waits_for_the_network_and_not_by_the_clock() {
    let mut scene = Scene::connected(false);
    scene.request(Request::Restart).unwrap();
    scene.event(Event::Ended(Ended::Stopped));
    assert!(matches!(scene.steps()[..], [Step::Revert]));
    assert_eq!(
        scene.drain(),
        None,
        "a passed deadline would turn in circles"
    );
    scene.report(Report::NetworkDone(None));
    assert!(scene.has_connected_to_server());
}

#[test]
fn a_refused_login_ends_a_session_that_acts_by_itself() {
    let mut scene = Scene::loaded(false);
    scene.resolve();
    scene.fail(ConnectionError::AuthFailed {
        reason: "no".to_owned(),
    });
    assert_eq!(scene.exit_class(), Some(ExitClass::AuthenticationFailed));
    assert!(matches!(
        scene.announced()[..],
        [.., Status::AuthenticationFailed(_), _]
    ));
}

#[test]
fn an_unreachable_server_is_given_up_after_connect_retry_max_rounds() {
    let mut scene = Scene::loaded(false);
    for _ in 0..3 {
        assert_eq!(scene.exit_class(), None);
        scene.resolve();
        scene.fail(ConnectionError::NoAnswer { seconds: 10 });
        if scene.exit_class().is_none() {
            scene.wait();
        }
    }
    assert_eq!(scene.exit_class(), Some(ExitClass::ServerUnreachable));
}

#[test]
fn questions_hold_the_first_attempt_back_until_they_are_answered() {
    let mut scene = Scene::new(Registration::None, Autonomy::ByItself);
    scene.report(Report::Profile(Ok(profile(false, true))));
    let asked = |status: &&Status| matches!(status, Status::InputRequired(_));
    assert!(scene.announced().iter().any(asked));
    assert_eq!(
        scene.session.check_ready(),
        Err(Refusal::MissingCredentials)
    );
    let answer = |number| {
        Request::ProvideInput(Answer {
            kind: 1,
            group: 1,
            number,
            value: SecretText::from("x"),
        })
    };
    scene.request(answer(0)).unwrap();
    assert!(!scene.said.iter().any(|e| matches!(e, Effect::Resolve(_))));
    scene.request(answer(1)).unwrap();
    assert!(scene.said.iter().any(|e| matches!(e, Effect::Resolve(_))));
    assert_eq!(
        scene.request(answer(1)),
        Err(Refusal::Input(InputError::NotRequired))
    );
}

#[test]
fn a_managed_session_is_confirmed_once_and_with_its_token() {
    let registration = Registration::Awaited {
        token: "T".to_owned(),
        give_up_at: start() + Duration::from_secs(60),
    };
    let mut scene = Scene::new(registration, Autonomy::Commanded);
    let confirm = |token: &str| Request::Register {
        token: token.to_owned(),
    };
    assert_eq!(scene.request(Request::Connect), Err(Refusal::NotRegistered));
    assert_eq!(scene.request(confirm("F")), Err(Refusal::WrongToken));
    assert_eq!(scene.request(confirm("T")), Ok(()));
    assert_eq!(scene.request(confirm("T")), Err(Refusal::AlreadyRegistered));
    assert!(!scene.said.iter().any(|it| matches!(it, Effect::Ready)));
    scene.report(Report::Profile(Ok(profile(false, false))));
    assert!(matches!(
        scene.said.as_slice(),
        [.., Effect::Registered(Ok(name)), Effect::Ready] if name == "office"
    ));
    assert!(scene.request(Request::Connect).is_ok());
    scene.resolve();
    scene.fail(ConnectionError::AuthFailed {
        reason: String::new(),
    });
    assert_eq!(scene.exit_class(), None, "it waits for the session manager");
}

#[test]
fn nobody_confirming_ends_the_process() {
    let registration = Registration::Awaited {
        token: "T".to_owned(),
        give_up_at: start() + Duration::from_secs(60),
    };
    let mut scene = Scene::new(registration, Autonomy::Commanded);
    scene.wait();
    assert_eq!(scene.exit_class(), Some(ExitClass::Internal));
    let ready = scene.said.iter().any(|it| matches!(it, Effect::Ready));
    assert!(ready, "to the service manager this is no failure");
}

#[test]
fn a_pause_keeps_the_session_and_a_resume_connects_again() {
    let mut scene = Scene::connected(true);
    assert_eq!(scene.request(Request::Resume), Err(Refusal::NotPaused));
    let pause = || Request::Pause {
        reason: "lunch\n".to_owned(),
    };
    scene.request(pause()).unwrap();
    scene.event(Event::Ended(Ended::Stopped));
    assert_eq!(scene.request(pause()), Err(Refusal::AlreadyPaused));
    assert_eq!(
        scene.announced(),
        [&Status::Pausing("lunch\n".to_owned()), &Status::Paused]
    );
    assert!(scene.steps().is_empty());
    scene.request(Request::Resume).unwrap();
    assert_eq!(
        scene.announced()[2..],
        [&Status::Resuming, &Status::Reconnecting]
    );
    assert!(scene.has_connected_to_server());
    let counted: Vec<_> = scene
        .session
        .event_counters()
        .named()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(counted, [("N_PAUSE", 1), ("N_RECONNECT", 1)]);
}

#[test]
fn a_restart_connects_without_waiting() {
    let mut scene = Scene::connected(true);
    scene.request(Request::Restart).unwrap();
    scene.event(Event::Ended(Ended::Stopped));
    assert!(scene.has_connected_to_server());
}

#[test]
fn a_changed_path_is_told_to_the_connection_and_ends_a_wait() {
    let mut scene = Scene::connected(true);
    scene.report(Report::PathChanged);
    assert!(
        scene
            .said
            .iter()
            .any(|e| matches!(e, Effect::Tunnel(TunnelOrder::Input(Input::PathChanged))))
    );
    scene.fail(lost());
    scene.report(Report::PathChanged);
    scene.resolve();
    assert!(scene.has_connected_to_server());
}

#[test]
fn a_handshake_begins_anew_where_the_path_is_another_one() {
    let after = |stage| {
        let mut scene = Scene::loaded(false);
        scene.resolve();
        scene.event(Event::Stage(stage));
        scene.report(Report::PathChanged);
        scene
            .said
            .iter()
            .any(|e| matches!(e, Effect::Tunnel(TunnelOrder::Abandon(_))))
    };
    assert!(after(Stage::Waiting));
    assert!(after(Stage::ServerAnswered));
    assert!(after(Stage::Authenticating));
    assert!(!after(Stage::GettingConfig), "the login is with the server");
}

#[test]
fn after_a_sleep_the_connection_is_to_see_whether_the_server_still_knows_us() {
    let mut scene = Scene::connected(true);
    scene.report(Report::PathLost);
    scene.report(Report::Woke(Duration::from_secs(60)));
    let told = |input: fn(&Input) -> bool| {
        let mut said = scene.said.iter();
        said.any(|e| matches!(e, Effect::Tunnel(TunnelOrder::Input(it)) if input(it)))
    };
    assert!(told(|input| matches!(input, Input::PathLost)));
    assert!(told(|input| matches!(input, Input::PathChanged)));
    assert!(told(|input| matches!(input, Input::Woke)));
}

#[test]
fn a_plan_that_cannot_be_applied_ends_the_session_with_its_class() {
    let mut scene = Scene::loaded(false);
    scene.resolve();
    scene.push(1500);
    scene.report(Report::NetworkFailed {
        class: ExitClass::PrivilegeMissing,
        reason: "CAP_NET_ADMIN".to_owned(),
    });
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Tunnel(TunnelOrder::Input(Input::Stop)))
    ));
    scene.event(Event::Ended(Ended::Stopped));
    assert_eq!(scene.exit_class(), Some(ExitClass::PrivilegeMissing));
}

#[test]
fn a_challenge_during_the_login_is_answered_on_the_open_connection() {
    let mut scene = Scene::loaded(false);
    scene.resolve();
    scene.event(Event::ChallengeText {
        echo: false,
        response_required: true,
        text: "code?".to_owned(),
    });
    assert_eq!(scene.session.questions().type_groups(), [(1, 6)]);
    let answer = Answer {
        kind: 1,
        group: 6,
        number: 0,
        value: SecretText::from("42"),
    };
    scene.request(Request::ProvideInput(answer)).unwrap();
    assert!(matches!(
        scene.said.last(),
        Some(Effect::Tunnel(TunnelOrder::Input(Input::Answer(code)))) if code.expose() == "42"
    ));
}

#[test]
fn a_profile_that_is_read_again_may_answer_what_was_asked() {
    let mut scene = Scene::with("auth-user-pass\n");
    assert!(!scene.session.questions().is_complete());
    scene.request(Request::Reload).unwrap();
    scene.report(Report::Profile(Ok(profile_with(
        "auth-user-pass\nverb 4\n",
    ))));
    assert_eq!(scene.session.questions().check(1, 1).len(), 2);
    scene.request(Request::Reload).unwrap();
    let answered = "<auth-user-pass>\nalice\nsecret\n</auth-user-pass>\n";
    scene.report(Report::Profile(Ok(profile_with(answered))));
    assert!(scene.session.questions().is_complete());
    scene.resolve();
    assert!(scene.has_connected_to_server());
}

#[test]
fn a_profile_that_is_read_again_while_we_leave_does_not_bring_the_session_back() {
    let mut scene = Scene::connected(true);
    scene.request(Request::Reload).unwrap();
    scene.request(Request::Disconnect).unwrap();
    scene.report(Report::Profile(Ok(profile(true, false))));
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    assert_eq!(scene.exit_class(), Some(ExitClass::AsAsked));
}
