//! Paths that change under us: sleep, and what passes on the way.

use std::time::Duration;

use openvpn3_backend::engine::error::ConnectionError;
use openvpn3_backend::engine::event::{Event, Input};

use crate::sim::link::Quality;
use crate::sim::script::Script;
use crate::sim::world::World;

const HOUR: Duration = Duration::from_secs(3600);

fn pushing(options: &str) -> Script {
    Script {
        on_push_request: vec![format!(
            "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,key-derivation tls-ekm,{options}"
        )],
        ..Script::default()
    }
}

#[test]
fn after_a_sleep_of_hours_a_server_that_forgot_us_is_left_at_once() {
    let mut world = World::connected(pushing("ping 10,ping-restart 60"));
    world.link.cut();
    world.now += 9 * HOUR;
    let woke = world.now - world.began;
    world.tell(Input::PathChanged);
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.error(),
        Some(&ConnectionError::PeerLost { seconds: 60 })
    );
    assert_eq!(
        world.ended_after(),
        Some(woke),
        "the next attempt need not wait"
    );
}

#[test]
fn after_a_short_sleep_the_session_goes_on() {
    let mut world = World::connected(pushing("ping 10,ping-restart 3600"));
    world.now += HOUR / 2;
    world.tell(Input::PathChanged);
    assert!(world.traffic_flows());
    assert_eq!(world.ended(), None);
}

#[test]
fn a_server_that_knows_no_questions_about_packets_is_asked_a_few_times_and_nothing_is_concluded() {
    let mut world = World::new(1, Quality::PERFECT, pushing("ping 600"), |config| {
        config.data.probe_path = true;
    });
    world.run_until(Duration::from_secs(10), World::is_up);
    let sent = world.sent.len();
    world.run(Duration::from_secs(300));
    let data = world.sent[sent..].iter().filter(|(_, head)| head >> 3 == 9);
    assert_eq!(data.count(), 6);
    let concluded = |event: &Event| matches!(event, Event::PathLimit(_));
    assert!(!world.events.iter().any(|(_, event)| concluded(event)));
    assert!(world.traffic_flows());
}
