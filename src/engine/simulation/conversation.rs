//! What the server says, and what we make of it.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Credentials;
use crate::error::{Advance, ConnectionError};
use crate::event::{AuthToken, Event, Input};
use crate::profile::pushed::{PullAction, PullFilter};
use crate::secret::SecretText;

use crate::simulation::model::link::Quality;
use crate::simulation::model::script::Script;
use crate::simulation::model::world::World;

fn saying(messages: &[&str]) -> Script {
    Script {
        on_push_request: messages
            .iter()
            .map(|message| (*message).to_owned())
            .collect(),
        ..Script::default()
    }
}

/// A world with a user name and password, at a server that answers the request with `messages`.
fn answered_by(messages: &[&str]) -> World {
    let mut world = World::new(1, Quality::PERFECT, saying(messages), |config| {
        config.credentials = Some(Arc::new(Credentials {
            username: "user".to_owned(),
            password: SecretText::from("secret"),
        }));
    });
    world.run(Duration::from_secs(2));
    world
}

const FLAGS: &str = "protocol-flags cc-exit tls-ekm dyn-tls-crypt";

#[test]
fn a_reply_may_come_in_parts() {
    let first = "PUSH_REPLY,route 10.1.0.0 255.255.0.0,peer-id 7,push-continuation 2";
    let last = format!(
        "PUSH_REPLY,route 10.2.0.0 255.255.0.0,cipher AES-256-GCM,{FLAGS},push-continuation 1"
    );
    let mut world = answered_by(&[first, &last]);
    let Some((_, Event::Pushed(established))) = world.events.last() else {
        panic!("{:?}", world.events);
    };
    assert_eq!(established.options.tunnel.routes.len(), 2);
    assert_eq!(established.options.peer_id, Some(7));
    assert!(world.traffic_flows());
}

#[test]
fn a_server_that_never_sends_options_is_given_up() {
    let mut world = answered_by(&[]);
    world.run(Duration::from_secs(100));
    let seconds = 60;
    let stage = "the server's options";
    assert_eq!(
        world.error(),
        Some(&ConnectionError::HandshakeTimeout { seconds, stage })
    );
    let asked = world
        .server
        .heard
        .iter()
        .filter(|said| *said == "PUSH_REQUEST")
        .count();
    assert!((18..=23).contains(&asked), "{asked}");
}

#[test]
fn user_name_and_password_arrive_once_the_server_is_known() {
    let world = answered_by(&[]);
    let login = &world.server.logins[0];
    assert_eq!(login.username, "user");
    assert_eq!(login.password, SecretText::from("secret"));
    assert!(login.peer_info.contains("IV_PROTO=8094\n"));
    assert_eq!(
        login.options,
        "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth [null-digest],keysize 256,\
         key-method 2,tls-client"
    );
}

#[test]
fn a_refused_login_says_what_kind_it_is() {
    let text = |reason: &str| reason.to_owned();
    let world = answered_by(&["AUTH_FAILED"]);
    assert_eq!(
        world.error(),
        Some(&ConnectionError::AuthFailed { reason: text("") })
    );
    let world = answered_by(&["AUTH_FAILED,no such user\r\n"]);
    let reason = text("no such user");
    assert_eq!(world.error(), Some(&ConnectionError::AuthFailed { reason }));
    let world = answered_by(&["AUTH_FAILED,TEMP[backoff 7,advance remote]:later"]);
    assert_eq!(
        world.error(),
        Some(&ConnectionError::AuthFailedTemporarily {
            reason: text("later"),
            backoff: Duration::from_secs(7),
            advance: Advance::Remote,
        })
    );
    let world = answered_by(&["AUTH_FAILED,CRV1:R,E:id:dXNlcg==:Code?"]);
    match world.error() {
        Some(ConnectionError::DynamicChallenge(challenge)) => {
            assert_eq!(
                (challenge.username.as_str(), challenge.text.as_str()),
                ("user", "Code?")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refused_token_is_told_apart_from_a_refused_password() {
    let mut world = World::new(
        1,
        Quality::PERFECT,
        saying(&["AUTH_FAILED,bad"]),
        |config| {
            config.token = Some(Arc::new(AuthToken {
                username: Some("other".to_owned()),
                token: SecretText::from("TOKEN"),
            }));
        },
    );
    world.run(Duration::from_secs(2));
    assert_eq!(world.server.logins[0].username, "other");
    assert_eq!(world.server.logins[0].password, SecretText::from("TOKEN"));
    assert!(matches!(
        world.error(),
        Some(ConnectionError::TokenExpired { .. })
    ));
}

#[test]
fn a_login_may_wait_for_a_person_and_an_answer() {
    let mut world = answered_by(&[
        "AUTH_PENDING,timeout 300",
        "INFO_PRE,CR_TEXT:R,E:Code: please",
    ]);
    let asked = world.events.iter().any(|(_, event)| {
        matches!(event, Event::ChallengeText { echo: true, response_required: true, text } if text == "Code: please")
    });
    assert!(asked, "{:?}", world.events);
    let pending = |event: &Event| {
        matches!(
            event,
            Event::AuthPending {
                timeout_seconds: 300
            }
        )
    };
    assert!(world.events.iter().any(|(_, event)| pending(event)));
    world.run(Duration::from_secs(200));
    assert_eq!(world.ended(), None, "longer than the hand window");
    world.tell(Input::Answer(SecretText::from("8675309")));
    world.run(Duration::from_secs(1));
    assert!(
        world
            .server
            .heard
            .contains(&"CR_RESPONSE,ODY3NTMwOQ==".to_owned())
    );
    world.run(Duration::from_secs(200));
    let seconds = 300;
    let stage = "the login outside of the tunnel";
    assert_eq!(
        world.error(),
        Some(&ConnectionError::HandshakeTimeout { seconds, stage })
    );
}

#[test]
fn information_and_addresses_for_the_user_are_passed_on() {
    let world = answered_by(&[
        "INFO,welcome",
        "INFO_PRE,WEB_AUTH:external:https://a.example/?x=1:2",
        "INFO_PRE,OPEN_URL:https://b.example/",
    ]);
    let said: Vec<&str> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Info(text) | Event::OpenUrl(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(
        said,
        ["welcome", "https://a.example/?x=1:2", "https://b.example/"]
    );
}

#[test]
fn a_push_that_cannot_be_honoured_ends_the_attempt() {
    for push in [
        "cipher BF-CBC",
        "cipher AES-256-CBC",
        "peer-id 7,cipher AES-256-GCM,protocol-flags aead-tag-end",
        "cipher AES-256-GCM,protocol-flags tls-ekm aead-epoch",
        "cipher AES-256-GCM,compress lzo",
        "cipher AES-256-GCM,key-derivation magic",
        "cipher AES-256-GCM,peer-id 99999999",
    ] {
        let world = answered_by(&[&format!("PUSH_REPLY,{push}")]);
        assert!(
            matches!(world.error(), Some(ConnectionError::PeerIncompatible(_))),
            "{push}: {:?}",
            world.ended()
        );
    }
}

#[test]
fn what_the_profile_rejects_ends_the_attempt() {
    let script = saying(&["PUSH_REPLY,cipher AES-256-GCM,route 10.0.0.0 255.0.0.0"]);
    let mut world = World::new(1, Quality::PERFECT, script, |config| {
        config.pull.filters.push(PullFilter {
            action: PullAction::Reject,
            text: "route 10.".to_owned(),
        });
    });
    world.run(Duration::from_secs(2));
    assert!(matches!(
        world.error(),
        Some(ConnectionError::PushRejected(_))
    ));
}

#[test]
fn options_may_change_while_the_tunnel_is_up() {
    let mut world = World::connected(Script::default());
    world
        .server
        .say("PUSH_UPDATE,route 10.5.0.0 255.255.0.0,push-continuation 2");
    world.run(Duration::from_secs(1));
    let updates = |world: &World| {
        let update = |event: &Event| match event {
            Event::PushUpdated(options) => Some(options.tunnel.routes.len()),
            _ => None,
        };
        world
            .events
            .iter()
            .filter_map(|(_, event)| update(event))
            .collect::<Vec<_>>()
    };
    assert_eq!(updates(&world), []);
    world
        .server
        .say("PUSH_UPDATE,route 10.6.0.0 255.255.0.0,push-continuation 1");
    world.server.say("PUSH_UPDATE,-route");
    world.run(Duration::from_secs(1));
    assert_eq!(updates(&world), [2, 0]);
    assert!(world.traffic_flows());
    world.server.say("PUSH_UPDATE,cipher AES-128-GCM");
    world.run(Duration::from_secs(1));
    assert!(matches!(
        world.error(),
        Some(ConnectionError::PeerIncompatible(_))
    ));
}

#[test]
fn a_token_stands_in_for_the_password_from_the_next_key_on_and_is_refreshed() {
    let push = format!(
        "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,{FLAGS},auth-token T1,auth-token-user b3RoZXI="
    );
    let mut script = saying(&[&push]);
    script.on_renewed = vec!["PUSH_REPLY,auth-token T2,route 10.0.0.0 255.0.0.0".to_owned()];
    let mut world = World::new(1, Quality::PERFECT, script, |config| {
        config.timing.reneg = Some(Duration::from_secs(100));
    });
    world.run(Duration::from_secs(250));
    let passwords: Vec<&str> = world
        .server
        .logins
        .iter()
        .map(|login| login.password.expose())
        .collect();
    assert_eq!(passwords, ["", "T1", "T2"]);
    assert_eq!(world.server.logins[2].username, "other");
    let tokens: Vec<&str> = world
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Token(token) => Some(token.token.expose()),
            _ => None,
        })
        .collect();
    assert_eq!(tokens, ["T1", "T2"]);
}

#[test]
fn what_we_say_of_ourselves_stays_the_same_at_each_renegotiation() {
    let mut world = World::connected(Script::default());
    world.tell(Input::Renegotiate);
    world.run(Duration::from_secs(10));
    assert_eq!(world.server.logins.len(), 2);
    assert_eq!(world.server.logins[0], world.server.logins[1]);
}

#[test]
fn no_peer_id_of_our_own_is_offered_and_every_server_pushes_one() {
    let world = World::connected(Script::default());
    let about_us = &world.server.logins[0].peer_info;
    assert!(about_us.contains("IV_VER="), "{about_us}");
    assert!(
        !about_us.lines().any(|line| line.starts_with("ID=")),
        "{about_us}"
    );
}

#[test]
fn app_control_messages_go_both_ways_in_fragments() {
    let push = format!(
        "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,{FLAGS},custom-control 64 6:A fortune:other"
    );
    let mut world = World::connected(saying(&[&push]));
    world.server.say("ACC,fortune,5,AF,hello");
    world.server.say("ACC,fortune,8,6,IHdvcmxk");
    world.run(Duration::from_secs(1));
    let heard = world.events.iter().any(|(_, event)| {
        matches!(event, Event::AppControl { protocol, payload } if protocol == "fortune" && payload == b"hello world")
    });
    assert!(heard, "{:?}", world.events);
    world.tell(Input::AppControl {
        protocol: "fortune".to_owned(),
        payload: vec![b'x'; 100],
    });
    world.tell(Input::AppControl {
        protocol: "unknown".to_owned(),
        payload: vec![1],
    });
    world.run(Duration::from_secs(1));
    let said: Vec<&String> = world
        .server
        .heard
        .iter()
        .filter(|said| said.starts_with("ACC,"))
        .collect();
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said.iter().all(|message| message.len() <= 64));
}
