//! Scenes of attempts: which reports count, and what is lost while one is being ended.

use super::scene::{Scene, device, lost};
use crate::event::{Ended, Event, Input};
use crate::session::effect::{Effect, Report};
use crate::session::exit_class::ExitClass;
use crate::session::network::Step;
use crate::session::request::Request;
use crate::session::tunnel::{AttemptId, TunnelOrder, TunnelReport};

fn ended(id: AttemptId) -> Report {
    Report::Tunnel(id, TunnelReport::Event(Event::Ended(Ended::Failed(lost()))))
}

#[test]
fn what_is_said_of_an_attempt_that_is_over_is_ignored() {
    let mut scene = Scene::connected(true);
    let first = scene.attempt;
    scene.request(Request::Restart).unwrap();
    scene.event(Event::Ended(Ended::Stopped));
    assert_ne!(scene.attempt, first);
    scene.push(1500);
    assert!(scene.session.summary().is_some());

    scene.report(ended(first));

    assert!(scene.session.summary().is_some(), "the second one stands");
    scene.report(ended(scene.attempt));
    assert!(scene.session.summary().is_none());
}

#[test]
fn an_attempt_that_ends_by_itself_while_it_is_abandoned_is_followed_by_one_other() {
    let mut scene = Scene::connected(true);
    let first = scene.attempt;
    scene.request(Request::Restart).unwrap();
    scene.wait();
    let last = scene.said.last();
    assert!(
        matches!(last, Some(Effect::Tunnel(TunnelOrder::Abandon(id))) if *id == first),
        "{last:?}"
    );
    scene.report(ended(first));
    scene.event(Event::Ended(Ended::Stopped));
    scene.said.clear();
    scene.report(Report::Tunnel(
        first,
        TunnelReport::Event(Event::Ended(Ended::Stopped)),
    ));
    assert!(scene.said.is_empty(), "{:?}", scene.said);
}

#[test]
fn a_device_that_is_lost_while_an_attempt_is_abandoned_is_made_again() {
    let mut scene = Scene::connected(true);
    scene.request(Request::Restart).unwrap();
    scene.wait();
    scene.report(Report::TunLost("it was deleted".to_owned()));
    assert!(matches!(scene.steps()[..], [Step::Revert]));
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    scene.push(1500);
    assert!(
        matches!(scene.steps()[..], [Step::Revert, Step::Apply(_)]),
        "{:?}",
        scene.steps()
    );
    scene.report(Report::NetworkDone(Some(device())));
    assert!(scene.session.summary().is_some());
}

#[test]
fn a_device_that_is_lost_while_the_session_leaves_is_taken_back_and_the_session_ends() {
    let mut scene = Scene::connected(true);
    scene.request(Request::Disconnect).unwrap();
    let last = scene.said.last();
    assert!(
        matches!(last, Some(Effect::Tunnel(TunnelOrder::Input(Input::Stop)))),
        "{last:?}"
    );
    scene.report(Report::TunLost("it was deleted".to_owned()));
    scene.event(Event::Ended(Ended::Stopped));
    scene.report(Report::NetworkDone(None));
    assert_eq!(scene.exit_class(), Some(ExitClass::AsAsked));
}
