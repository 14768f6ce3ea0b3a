//! From the reset to the tunnel, and what comes in between.

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Framing, Transport, Wrapping};
use crate::crypto::cipher::Cipher;
use crate::crypto::client_key::ClientKey;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::data::key::Format;
use crate::data::stats::DropReason;
use crate::error::ConnectionError;
use crate::event::{Event, Stage};
use crate::secret::Secret;

use crate::simulation::model::link::{Quality, Way};
use crate::simulation::model::script::{Script, TLS12, TLS13};
use crate::simulation::model::world::World;

fn key(byte: u8) -> StaticKey {
    StaticKey(Secret::new([byte; 256]))
}

fn wrapped(wrapping: Wrapping) -> Script {
    Script {
        wrapping: Arc::new(wrapping),
        ..Script::default()
    }
}

fn tls_crypt(byte: u8) -> Wrapping {
    Wrapping::TlsCrypt { key: key(byte) }
}

#[test]
fn the_stages_come_in_order_and_the_options_last() {
    let world = World::connected(Script::default());
    let stages: Vec<Stage> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Stage(stage) => Some(*stage),
            _ => None,
        })
        .collect();
    assert_eq!(
        stages,
        [
            Stage::Waiting,
            Stage::ServerAnswered,
            Stage::Authenticating,
            Stage::GettingConfig
        ]
    );
    assert!(matches!(world.events.last(), Some((_, Event::Pushed(_)))));
}

#[test]
fn what_was_agreed_on_is_said() {
    let world = World::connected(Script::default());
    let Some((_, Event::Pushed(established))) = world.events.last() else {
        panic!("{:?}", world.events);
    };
    assert_eq!(established.cipher, Cipher::Aes256Gcm);
    assert!(established.exporter_keys && !established.epoch);
    assert!(
        established.tls.starts_with("TLSv1.3"),
        "{}",
        established.tls
    );
    assert_eq!(established.server_subject, "CN=server");
}

#[test]
fn a_handshake_gets_through_where_three_of_ten_packets_are_lost() {
    for seed in 0..100 {
        let mut world = World::new(seed, Quality::BAD, Script::default(), |_| {});
        world.run_until(Duration::from_secs(60), World::is_up);
        assert!(world.is_up(), "seed {seed}: {:?}", world.events);
        assert!(world.traffic_flows(), "seed {seed}");
    }
}

#[test]
fn the_post_quantum_exchange_fits_control_packets_of_1250_bytes_where_three_of_ten_are_lost() {
    for seed in 0..100 {
        let mut world = World::new(seed, Quality::BAD, wrapped(tls_crypt(1)), |config| {
            config.wrapping = Arc::new(tls_crypt(1));
        });
        world.run_until(Duration::from_secs(60), World::is_up);
        let tls = agreed_tls(&world).unwrap_or_else(|| panic!("seed {seed}: {:?}", world.events));
        assert!(tls.ends_with(", X25519MLKEM768"), "seed {seed}: {tls}");
        assert!(world.traffic_flows(), "seed {seed}");
        let largest = world.largest_control;
        assert!(
            (1200..=1250 - 28).contains(&largest),
            "seed {seed}: {largest}"
        );
    }
}

#[test]
fn a_server_without_the_post_quantum_group_needs_no_second_hello() {
    let without = Script {
        groups: rustls::crypto::ring::default_provider().kx_groups,
        ..Script::default()
    };
    let world = World::connected(without);
    let tls = agreed_tls(&world).expect("it is up");
    assert!(tls.ends_with(", X25519"), "{tls}");
    let with = World::connected(Script::default());
    assert_eq!(world.sent.len(), with.sent.len());
}

fn agreed_tls(world: &World) -> Option<&str> {
    world.events.iter().find_map(|(_, event)| match event {
        Event::Pushed(established) => Some(established.tls.as_str()),
        _ => None,
    })
}

#[test]
fn every_protection_works_over_a_bad_link_too() {
    let wrappings: [fn() -> (Wrapping, Wrapping); 5] = [
        || (Wrapping::None, Wrapping::None),
        || (tls_crypt(1), tls_crypt(1)),
        || (client_key(), client_key()),
        || {
            (
                tls_auth(KeyDirection::Inverse),
                tls_auth(KeyDirection::Normal),
            )
        },
        || {
            (
                tls_auth(KeyDirection::Bidirectional),
                tls_auth(KeyDirection::Bidirectional),
            )
        },
    ];
    for (number, make) in wrappings.into_iter().enumerate() {
        for seed in 0..10 {
            let (ours, theirs) = make();
            let mut world = World::new(seed, Quality::BAD, wrapped(theirs), |config| {
                config.wrapping = Arc::new(ours);
            });
            world.run_until(Duration::from_secs(60), World::is_up);
            assert!(world.traffic_flows(), "wrapping {number}, seed {seed}");
            world.tell(crate::event::Input::Renegotiate);
            world.run(Duration::from_secs(90));
            assert_eq!(world.renewed(), [1], "wrapping {number}, seed {seed}");
        }
    }
}

fn tls_auth(direction: KeyDirection) -> Wrapping {
    Wrapping::TlsAuth {
        key: key(3),
        direction,
        digest: Digest::Sha256,
    }
}

fn client_key() -> Wrapping {
    let mut wrapped = vec![7; 300];
    wrapped[298..].copy_from_slice(&300_u16.to_be_bytes());
    Wrapping::TlsCryptV2 {
        key: ClientKey {
            key: key(2),
            wrapped,
        },
    }
}

#[test]
fn a_silent_server_is_asked_ever_more_rarely_and_given_up() {
    let mut world = World::new(1, Quality::DEAD, Script::default(), |config| {
        config.timing.server_poll = Duration::from_secs(40);
    });
    world.run(Duration::from_secs(100));
    let asked: Vec<u64> = world.sent.iter().map(|(at, _)| at.as_secs()).collect();
    assert_eq!(asked, [0, 1, 3, 7, 15, 23, 31, 39]);
    assert_eq!(
        world.error(),
        Some(&ConnectionError::NoAnswer { seconds: 40 })
    );
    assert_eq!(world.ended_after(), Some(Duration::from_secs(40)));
}

#[test]
fn a_server_that_falls_silent_on_the_way_is_given_up_in_time_with_the_stage_named() {
    let mut stages = std::collections::BTreeSet::new();
    for delivered in 0..24 {
        let mut world = World::perfect(Script::default());
        let end = world.now + Duration::from_secs(200);
        for _ in 0..delivered {
            world.step(end);
        }
        if world.is_up() {
            break;
        }
        world.link.cut();
        world.run(Duration::from_secs(200));
        let ended = world.ended_after().expect("it is given up");
        assert!(ended <= Duration::from_secs(61), "{delivered}: {ended:?}");
        match world.error() {
            Some(ConnectionError::HandshakeTimeout { seconds: 60, stage }) => {
                stages.insert(*stage);
            }
            Some(ConnectionError::NoAnswer { .. }) => {}
            other => panic!("{delivered}: {other:?}"),
        }
    }
    for named in [
        "the TLS handshake",
        "the server's half of the key exchange",
        "the server's options",
    ] {
        assert!(
            stages.iter().any(|stage| stage.starts_with(named)),
            "{named}: {stages:?}"
        );
    }
}

#[test]
fn another_key_is_no_answer_and_is_counted() {
    let script = wrapped(tls_crypt(1));
    let mut world = World::new(1, Quality::PERFECT, script, |config| {
        config.wrapping = Arc::new(tls_crypt(2));
    });
    world.run(Duration::from_secs(5));
    assert!(world.server.rejected > 0);
    // Somebody answers without the key.
    let mut forged = vec![0x40; 66];
    world.deliver(Way::ToClient, &mut forged);
    world.run(Duration::from_secs(100));
    assert!(matches!(
        world.error(),
        Some(ConnectionError::NoAnswer { .. })
    ));
    assert_eq!(world.client.stats().dropped(DropReason::Hmac), 1);
}

#[test]
fn on_tcp_a_forged_control_packet_ends_the_attempt_and_on_udp_it_does_not() {
    for (transport, ends) in [(Transport::Tcp, true), (Transport::Udp, false)] {
        let script = Script {
            transport,
            ..wrapped(tls_crypt(1))
        };
        let mut world = World::perfect(script);
        world.deliver(Way::ToClient, &mut [0x40; 66]);
        world.run(Duration::from_millis(1));
        let ended = matches!(world.error(), Some(ConnectionError::PeerMisbehaved(_)));
        assert_eq!(ended, ends, "{transport:?}");
    }
}

#[test]
fn on_tcp_nothing_is_sent_twice() {
    let script = || Script {
        transport: Transport::Tcp,
        ..Script::default()
    };
    let mut silent = World::new(1, Quality::DEAD, script(), |_| {});
    silent.run(Duration::from_secs(50));
    assert_eq!(silent.sent.len(), 1);

    let slow = Quality {
        delay: 3000,
        ..Quality::PERFECT
    };
    let mut world = World::new(1, slow, script(), |_| {});
    world.run_until(Duration::from_secs(59), World::is_up);
    let resets = world
        .sent
        .iter()
        .filter(|(_, head)| *head >> 3 == 7)
        .count();
    assert_eq!(resets, 1);
    assert!(world.is_up());
}

#[test]
fn a_certificate_of_another_authority_is_refused_and_the_server_is_told() {
    for versions in [TLS12, TLS13] {
        let script = Script {
            versions,
            ..Script::default()
        };
        let mut world = World::new(1, Quality::PERFECT, script, |config| {
            config.tls = Arc::new(crate::simulation::model::pki::tls("ca-other.crt"));
        });
        let before = world.sent.len();
        world.run(Duration::from_secs(5));
        assert!(
            matches!(world.error(), Some(ConnectionError::CertificateRefused(_))),
            "{:?}",
            world.error()
        );
        assert!(world.sent.len() > before + 1, "the alert goes out");
        assert!(
            world.server.logins.is_empty(),
            "no password before the server is known"
        );
    }
}

#[test]
fn a_server_without_exporter_gets_keys_by_the_old_way() {
    let script = Script {
        exporter: false,
        dynamic_tls_crypt: false,
        versions: TLS12,
        on_push_request: vec!["PUSH_REPLY,peer-id 7,cipher AES-256-GCM".to_owned()],
        ..Script::default()
    };
    let mut world = World::connected(script);
    assert!(world.traffic_flows());
    world.tell(crate::event::Input::Renegotiate);
    world.run(Duration::from_secs(70));
    assert_eq!(world.renewed(), [1]);
    assert!(world.traffic_flows());
}

#[test]
fn a_server_that_negotiates_nothing_is_served_by_its_options_string() {
    let script = Script {
        exporter: false,
        dynamic_tls_crypt: false,
        versions: TLS12,
        options:
            "V4,dev-type tun,link-mtu 1557,tun-mtu 1500,proto UDPv4,cipher AES-256-CBC,auth SHA1,\
                  keysize 256,key-method 2,tls-server"
                .to_owned(),
        peer_info: None,
        on_push_request: vec!["PUSH_REPLY".to_owned()],
        cipher: Cipher::Aes256Cbc,
        format: Format::Legacy {
            digest: Digest::Sha1,
        },
        peer_id: None,
        ..Script::default()
    };
    let refused = {
        let mut world = World::perfect(script.clone());
        world.run(Duration::from_secs(5));
        world.error().cloned()
    };
    assert!(
        matches!(refused, Some(ConnectionError::PeerIncompatible(_))),
        "{refused:?}"
    );

    let mut world = World::new(1, Quality::PERFECT, script, |config| {
        config.data.ciphers.push(Cipher::Aes256Cbc);
    });
    world.run_until(Duration::from_secs(5), World::is_up);
    assert!(world.traffic_flows());
}

#[test]
fn every_format_of_data_packets_carries_traffic() {
    let push = |rest: &str| vec![format!("PUSH_REPLY,peer-id 7,{rest}")];
    let scripts = [
        Script {
            format: Format::Epoch,
            on_push_request: push(
                "cipher AES-256-GCM,protocol-flags tls-ekm aead-epoch dyn-tls-crypt",
            ),
            ..Script::default()
        },
        Script {
            cipher: Cipher::ChaCha20Poly1305,
            on_push_request: push("cipher CHACHA20-POLY1305,protocol-flags tls-ekm dyn-tls-crypt"),
            ..Script::default()
        },
        Script {
            framing: Framing::Lzo,
            on_push_request: push("cipher AES-256-GCM,comp-lzo no,key-derivation tls-ekm"),
            dynamic_tls_crypt: false,
            ..Script::default()
        },
        Script {
            framing: Framing::Swap,
            on_push_request: push("cipher AES-256-GCM,compress stub,key-derivation tls-ekm"),
            dynamic_tls_crypt: false,
            ..Script::default()
        },
    ];
    for script in scripts {
        let what = script.on_push_request.clone();
        let mut world = World::connected(script);
        assert!(world.traffic_flows(), "{what:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_decisions_at_the_same_moments() {
    let run = || {
        let mut world = World::new(7, Quality::BAD, Script::default(), |_| {});
        world.run(Duration::from_secs(4000));
        let events: Vec<_> = world
            .events
            .iter()
            .map(|(at, event)| (*at, std::mem::discriminant(event)))
            .collect();
        (events, world.renewed())
    };
    assert_eq!(run(), run());
}
