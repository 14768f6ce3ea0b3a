//! Paths that change under us: sleep, and what passes on the path.

use std::time::Duration;

use crate::config::Transport;
use crate::error::ConnectionError;
use crate::event::{Event, Input, PathLimit};

use crate::simulation::model::link::Quality;
use crate::simulation::model::script::Script;
use crate::simulation::model::world::World;

const MINUTE: Duration = Duration::from_secs(60);
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
fn after_a_short_sleep_a_server_that_forgot_us_is_left_after_a_few_seconds() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let script = Script {
            transport,
            ..pushing("ping 60,ping-restart 240")
        };
        let mut world = World::connected(script);
        world.link.cut();
        world.now += MINUTE;
        let woke = world.now - world.began;
        world.tell(Input::PathChanged);
        world.tell(Input::Woke);
        world.run(Duration::from_secs(10));
        assert_eq!(
            world.error(),
            Some(&ConnectionError::PeerLost { seconds: 5 })
        );
        assert_eq!(world.ended_after(), Some(woke + Duration::from_secs(5)));
    }
}

#[test]
fn after_a_short_sleep_a_server_that_knows_us_says_so_and_nothing_else_happens() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let script = Script {
            transport,
            on_push_request: vec![
                "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,protocol-flags tls-ekm dyn-tls-crypt,ping 60,ping-restart 240"
                    .to_owned(),
            ],
            ..Script::default()
        };
        let mut world = World::connected(script);
        world.now += MINUTE;
        let (sent, said) = (world.sent.len(), world.events.len());
        world.tell(Input::PathChanged);
        world.tell(Input::Woke);
        world.run(Duration::from_secs(30));
        assert_eq!(world.ended(), None);
        assert_eq!(world.events.len(), said, "{:?}", world.events);
        let control = world.sent[sent..].iter().filter(|(_, head)| head >> 3 == 4);
        assert_eq!(control.count(), 1, "it is asked once");
        assert!(world.traffic_flows());
        // The control channel is as it was.
        world.tell(Input::Renegotiate);
        world.run(MINUTE * 2);
        assert_eq!(world.renewed(), [1]);
        assert!(world.traffic_flows());
    }
}

#[test]
fn a_sleep_that_the_network_awakes_later_from_ends_no_session() {
    let mut world = World::connected(pushing("ping 60,ping-restart 240"));
    world.tell(Input::PathLost);
    world.link.cut();
    world.now += MINUTE;
    world.tell(Input::Woke);
    world.run(Duration::from_secs(30));
    assert_eq!(world.ended(), None);
    world.link.quality = Quality::PERFECT;
    world.tell(Input::PathChanged);
    world.run(Duration::from_secs(10));
    assert_eq!(world.ended(), None);
    assert!(world.traffic_flows());
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

#[test]
fn a_server_that_knows_no_such_questions_is_asked_for_echoes() {
    let network = "ifconfig 10.8.0.2 255.255.255.0,topology subnet,route-gateway 10.8.0.1";
    let script = pushing(&format!("ping 600,{network}"));
    let mut world = World::new(1, Quality::PERFECT, script, |config| {
        config.data.probe_path = true;
    });
    world.run_until(Duration::from_secs(10), World::is_up);
    let mut answered = 0;
    let mut limit = None;
    for _ in 0..400 {
        world.run(Duration::from_millis(100));
        let asked = world.server.packets.split_off(answered);
        answered += asked.len();
        for mut packet in asked {
            // Longer ones are lost. A host answers with the same packet, the other way round.
            if packet.len() <= 1300 {
                assert_eq!((packet[9], packet[20]), (1, 8), "an echo request");
                packet[20] = 0;
                let (from, to) = (packet[12..16].to_vec(), packet[16..20].to_vec());
                packet[12..20].copy_from_slice(&[to, from].concat());
                world.server.send_packet(world.now, &packet);
            }
            world.server.packets.push(packet);
        }
        limit = world.events.iter().find_map(|(_, event)| match event {
            Event::PathLimit(limit) => *limit,
            _ => None,
        });
        if limit.is_some() {
            break;
        }
    }
    let Some(PathLimit { packet, payload }) = limit else {
        panic!("the limit is not found: {:?}", world.events);
    };
    assert!((1296..=1300).contains(&payload), "{payload}");
    assert_eq!(packet - payload, 52);
    assert!(
        world.packets.is_empty(),
        "echoes of ours are not the user's"
    );
}
