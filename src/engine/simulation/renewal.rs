//! Keys renewed by either side, at any moment, over any link.

use std::time::Duration;

use crate::data::stats::DropReason;
use crate::error::ConnectionError;
use crate::event::{Ended, Input};

use crate::simulation::model::link::Quality;
use crate::simulation::model::script::Script;
use crate::simulation::model::world::{World, ip_packet};

/// A server that never gives us a reason to leave.
fn patient() -> Script {
    Script {
        on_push_request: vec![
            "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm dyn-tls-crypt,\
             ping 10,ping-restart 0"
                .to_owned(),
        ],
        ..Script::default()
    }
}

#[test]
fn we_renew_the_key_and_the_old_one_goes_on_until_the_server_uses_the_new_one() {
    let mut world = World::connected(Script {
        ping: None,
        ..patient()
    });
    world.tell(Input::Renegotiate);
    world.run(Duration::from_secs(1));
    assert_eq!(
        world.renewed(),
        [],
        "the server may still be deciding on the login"
    );
    assert_eq!(world.server.logins.len(), 2);
    world.run(Duration::from_secs(58));
    assert_eq!(world.renewed(), [], "the new key waits for the hand window");
    world.run(Duration::from_secs(2));
    assert_eq!(world.renewed(), [1]);
    assert!(world.traffic_flows());
}

#[test]
fn the_new_key_is_used_at_once_when_the_server_is_heard_with_it() {
    let mut world = World::connected(Script {
        ping: None,
        ..Script::default()
    });
    world.tell(Input::Renegotiate);
    world.run(Duration::from_secs(1));
    world.server.use_newest_key();
    world.server.send_packet(world.now, &ip_packet(1));
    world.run(Duration::from_secs(1));
    assert_eq!(world.renewed(), [1]);
}

#[test]
fn the_server_renews_the_key() {
    let mut world = World::connected(Script::default());
    for key_id in [1, 2, 3, 4, 5, 6, 7, 1, 2] {
        world.server.renegotiate(world.now);
        world.run(Duration::from_secs(70));
        assert_eq!(world.renewed().last(), Some(&key_id));
        assert!(world.traffic_flows(), "key {key_id}");
    }
    assert_eq!(world.ended(), None);
}

#[test]
fn both_sides_may_begin_at_the_same_moment() {
    for seed in 0..20 {
        let mut world = World::new(seed, Quality::BAD, patient(), |_| {});
        world.run_until(Duration::from_secs(60), World::is_up);
        world.run(Duration::from_secs(5));
        for _ in 0..3 {
            world.server.renegotiate(world.now);
            world.tell(Input::Renegotiate);
            world.run(Duration::from_secs(200));
        }
        // Where one was lost on the way, the next key id follows.
        let renewed = world.renewed();
        assert_eq!(renewed.len(), 3, "seed {seed}: {renewed:?}");
        assert!(world.traffic_flows(), "seed {seed}");
    }
}

#[test]
fn a_renegotiation_may_be_asked_for_at_every_step_of_an_attempt() {
    for by_server in [false, true] {
        for step in 0..60 {
            let mut world = World::new(step, Quality::PERFECT, patient(), |_| {});
            let end = world.now + Duration::from_secs(120);
            for _ in 0..step {
                world.step(end);
            }
            if by_server {
                world.server.renegotiate(world.now);
            } else {
                world.tell(Input::Renegotiate);
            }
            // Another one in the middle of that one must change nothing.
            for _ in 0..step % 7 {
                world.step(end);
            }
            world.tell(Input::Renegotiate);
            world.run(Duration::from_secs(130));
            assert_eq!(world.ended(), None, "step {step}");
            assert!(world.traffic_flows(), "step {step}");
        }
    }
}

/// Renews keys over a bad link for five minutes; says what went wrong.
fn renew_over_a_bad_link(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed, Quality::BAD, patient(), |config| {
        config.timing.reneg = Some(Duration::from_secs(30));
    });
    world.run_until(Duration::from_secs(60), World::is_up);
    for round in 0..10 {
        if !world.traffic_flows() {
            return Err(format!("seed {seed}: no traffic in round {round}"));
        }
        world.run(Duration::from_secs(20));
    }
    let renewed = world.renewed();
    if renewed.len() < 5 || world.ended().is_some() {
        return Err(format!("seed {seed}: {renewed:?}, {:?}", world.ended()));
    }
    Ok(())
}

fn all_renew(seeds: std::ops::Range<u64>) {
    let failed: Vec<String> = seeds
        .filter_map(|seed| renew_over_a_bad_link(seed).err())
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn keys_are_renewed_all_the_time_over_a_bad_link_and_traffic_flows_on() {
    all_renew(0..500);
}

#[test]
fn keys_are_renewed_all_the_time_over_other_bad_links_and_traffic_flows_on() {
    all_renew(500..1000);
}

#[test]
fn a_renegotiation_that_fails_at_any_step_keeps_the_old_key_and_is_tried_again() {
    for step in 0..14 {
        let mut world = World::connected(patient());
        world.run(Duration::from_secs(3));
        world.tell(Input::Renegotiate);
        let end = world.now + Duration::from_secs(5);
        for _ in 0..step {
            world.step(end);
        }
        world.link.cut();
        world.run(Duration::from_secs(75));
        world.link.quality = Quality::PERFECT;
        assert!(world.traffic_flows(), "step {step}");
        world.run(Duration::from_secs(180));
        assert!(!world.renewed().is_empty(), "step {step}");
        assert!(world.traffic_flows(), "step {step}");
        assert_eq!(world.ended(), None, "step {step}");
    }
}

#[test]
fn the_old_key_dies_with_the_transition_window() {
    let mut world = World::new(1, Quality::PERFECT, patient(), |config| {
        config.timing.tran_window = Duration::from_secs(100);
    });
    world.run_until(Duration::from_secs(5), World::is_up);
    let old = world.server.sealed(world.now, &ip_packet(1));
    let older = world.server.sealed(world.now, &ip_packet(2));
    world.tell(Input::Renegotiate);
    world.run(Duration::from_secs(90));
    world.deliver_to_client(old);
    assert_eq!(world.packets.len(), 1, "it still opens");
    world.run(Duration::from_secs(20));
    world.deliver_to_client(older);
    assert_eq!(world.packets.len(), 1);
    assert_eq!(world.client.stats().dropped(DropReason::KeyState), 1);
}

#[test]
fn a_key_is_renewed_after_so_many_packets() {
    let mut world = World::new(1, Quality::PERFECT, patient(), |config| {
        config.timing.reneg_packets = Some(50);
    });
    world.run_until(Duration::from_secs(5), World::is_up);
    for number in 0..60 {
        world.send_packet(&ip_packet(number));
    }
    world.run(Duration::from_secs(70));
    assert_eq!(world.renewed(), [1]);
}

#[test]
fn a_day_of_life_passes_in_a_moment() {
    let mut world = World::connected(Script::default());
    let day = Duration::from_secs(24 * 3600);
    world.run(day);
    assert_eq!(world.ended(), None);
    assert_eq!(world.renewed().len(), 23);
    assert!(world.traffic_flows());
    let pings = world
        .sent
        .iter()
        .filter(|(_, head)| *head >> 3 == 9)
        .count();
    assert!((8600..8700).contains(&pings), "{pings}");
}

#[test]
fn a_peer_that_falls_silent_is_lost_after_ping_restart() {
    let mut world = World::connected(Script::default());
    world.run(Duration::from_secs(100));
    let heard = world.now - world.began;
    world.link.cut();
    world.run(Duration::from_secs(200));
    assert_eq!(
        world.error(),
        Some(&ConnectionError::PeerLost { seconds: 60 })
    );
    let silence = world.ended_after().expect("it ended") - heard;
    assert!(silence <= Duration::from_secs(60), "{silence:?}");
    assert!(silence >= Duration::from_secs(49), "{silence:?}");
}

#[test]
fn nothing_happens_after_the_end() {
    let mut world = World::connected(Script::default());
    world.tell(Input::TransportFailed("gone".to_owned()));
    let ended = Ended::Failed(ConnectionError::Transport("gone".to_owned()));
    assert_eq!(world.ended(), Some(&ended));
    let (events, sent) = (world.events.len(), world.sent.len());
    world.tell(Input::Renegotiate);
    world.tell(Input::Stop);
    world.server.send_packet(world.now, &ip_packet(1));
    world.run(Duration::from_secs(100));
    assert!(!world.send_packet(&ip_packet(2)));
    assert_eq!((world.events.len(), world.sent.len()), (events, sent));
    assert!(world.packets.is_empty());
}
