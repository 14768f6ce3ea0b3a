//! A server, or somebody on the way, that sends what it should not: nothing panics, grows or loops.

use std::time::Duration;

use crate::config::Transport;
use crate::error::ConnectionError;
use crate::event::Input;

use crate::simulation::model::clock::Chance;
use crate::simulation::model::link::{Quality, Way};
use crate::simulation::model::script::Script;
use crate::simulation::model::world::World;

fn bytes(chance: &mut Chance, most: u64) -> Vec<u8> {
    let len = chance.below(most + 1);
    (0..len).map(|_| chance.byte()).collect()
}

#[test]
fn noise_at_any_moment_changes_nothing() {
    for seed in 0..20 {
        let mut chance = Chance::new(seed);
        let mut world = World::new(seed, Quality::PERFECT, Script::default(), |_| {});
        for _ in 0..200 {
            for _ in 0..5 {
                let mut noise = bytes(&mut chance, 120);
                if let Some(first) = noise.first_mut() {
                    // A known opcode, so that it gets further.
                    *first = u8::try_from(3 + chance.below(9)).expect("small") << 3 | (*first & 7);
                }
                world.deliver(Way::ToClient, &mut noise);
            }
            let end = world.now + Duration::from_secs(1);
            world.step(end);
        }
        assert_eq!(world.ended(), None, "seed {seed}");
        assert!(world.is_up(), "seed {seed}");
        assert!(world.traffic_flows(), "seed {seed}");
    }
}

#[test]
fn damaged_packets_never_do_more_than_end_the_attempt() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for seed in 0..200 {
            let script = Script {
                transport,
                ..Script::default()
            };
            let mut world = World::new(seed, Quality::PERFECT, script, |_| {});
            world.link.damage_one_in = 4;
            world.run(Duration::from_secs(100));
            assert!(world.events.len() < 100, "seed {seed}");
        }
    }
}

#[test]
fn nonsense_in_place_of_the_key_exchange_ends_the_attempt() {
    let long = vec![0; 60_000];
    let endless: Vec<u8> = [&[0, 0, 0, 0, 2][..], &[1; 64], &[0xff; 100]].concat();
    for nonsense in [
        &b"\x00\x00\x00\x00\x01"[..],
        &long,
        &endless,
        b"\xff\xfe\xfd\xfc\xfb\xfa",
    ] {
        let script = Script {
            instead_of_exchange: Some(nonsense.to_vec()),
            ..Script::default()
        };
        let mut world = World::perfect(script);
        world.run(Duration::from_secs(100));
        assert!(
            matches!(
                world.error(),
                Some(ConnectionError::PeerMisbehaved(_) | ConnectionError::HandshakeTimeout { .. })
            ),
            "{:?}",
            world.error()
        );
    }
}

#[test]
fn a_refusal_in_place_of_the_key_exchange_is_understood() {
    let script = Script {
        instead_of_exchange: Some(b"AUTH_FAILED,go away\0".to_vec()),
        ..Script::default()
    };
    let mut world = World::perfect(script);
    world.run(Duration::from_secs(5));
    assert!(
        matches!(world.error(), Some(ConnectionError::AuthFailed { reason }) if reason == "go away"),
        "{:?}",
        world.error()
    );
}

#[test]
fn an_authentic_server_may_say_anything() {
    const WORDS: &[&str] = &[
        "PUSH_REPLY,",
        "PUSH_UPDATE,",
        "AUTH_FAILED,TEMP[",
        "AUTH_PENDING,timeout ",
        "INFO_PRE,CR_TEXT:",
        "INFO_PRE,ACC:",
        "ACC,",
        "CR_RESPONSE,",
        "INFO,",
        "RELAY",
        "route 1.2.3.4 255.255.255.255",
        ",",
        ":",
        "\0",
        "peer-id ",
        "cipher ",
        "push-continuation 2",
        "-1",
        "99999999999",
        "dns server 0 address ",
        "\"",
        "\\",
        "\u{fc}",
        "ifconfig ",
        "keepalive 1 2",
        "auth-token ",
        "?-",
        "[",
        "]",
        "INFO_PRE,WEB_AUTH:",
        "tun-mtu ",
        "ACC,a,3,AF,abc",
    ];
    for seed in 0..150 {
        let mut chance = Chance::new(seed);
        let mut world = World::perfect(Script::default());
        if seed % 2 == 0 {
            world.run_until(Duration::from_secs(5), World::is_up);
        } else {
            world.run_until(Duration::from_secs(5), |world| {
                !world.server.logins.is_empty()
            });
        }
        for _ in 0..30 {
            let mut message = Vec::new();
            for _ in 0..=chance.below(8) {
                let word = WORDS[usize::try_from(chance.below(WORDS.len() as u64)).expect("small")];
                message.extend_from_slice(word.as_bytes());
                if chance.below(10) == 0 {
                    message.extend(bytes(&mut chance, 20));
                }
            }
            message.push(0);
            world.server.say_raw(&message);
            world.run(Duration::from_millis(100));
        }
        world.run(Duration::from_secs(20));
        assert!(world.events.len() < 2000, "seed {seed}");
    }
}

#[test]
fn messages_without_end_are_cut_off() {
    let mut world = World::connected(Script::default());
    for _ in 0..40 {
        world.server.say_raw(&[b'A'; 10_000]);
        world.run(Duration::from_secs(1));
    }
    world.server.say_raw(b"\0");
    assert!(world.traffic_flows(), "{:?}", world.ended());
    world.server.say("EXIT");
    world.run(Duration::from_secs(1));
    assert_eq!(world.error(), Some(&ConnectionError::PeerExited));
}

#[test]
fn numbers_out_of_all_proportion_do_no_harm() {
    const NUMBERS: &[&str] = &[
        "0",
        "1",
        "-1",
        "4294967295",
        "4294967296",
        "18446744073709551615",
        "1e9",
        "",
    ];
    const OPTIONS: &[&str] = &[
        "ping",
        "ping-restart",
        "ping-exit",
        "keepalive 1",
        "inactive",
        "inactive 9",
        "session-timeout",
        "reneg-sec",
        "reneg-bytes",
        "reneg-pkts",
        "hand-window",
        "tran-window",
        "become-primary",
        "tls-timeout",
        "explicit-exit-notify",
        "tun-mtu",
        "mssfix",
        "peer-id",
        "route-metric",
        "sndbuf",
        "custom-control",
    ];
    for option in OPTIONS {
        for number in NUMBERS {
            let push = format!(
                "PUSH_REPLY,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm dyn-tls-crypt,{option} {number}"
            );
            let mut world = World::perfect(Script {
                on_push_request: vec![push],
                ..Script::default()
            });
            world.run(Duration::from_secs(3));
            world.server.say(&format!("PUSH_UPDATE,?{option} {number}"));
            world.server.say(&format!("AUTH_PENDING,timeout {number}"));
            world.run(Duration::from_secs(3));
            world.tell(Input::Renegotiate);
            world.run(Duration::from_secs(100));
            world.tell(Input::Stop);
            world.run(Duration::from_secs(10));
            assert!(world.ended().is_some(), "{option} {number}");
        }
    }
}
