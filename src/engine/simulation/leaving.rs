//! Exit notifications, and the limits of a session.

use std::time::Duration;

use crate::config::Transport;
use crate::error::{Advance, ConnectionError};
use crate::event::{Ended, Input};

use crate::simulation::model::script::Script;
use crate::simulation::model::world::{World, ip_packet};

fn pushing(options: &str) -> Script {
    Script {
        on_push_request: vec![format!(
            "PUSH_REPLY,peer-id 7,cipher AES-256-GCM,key-derivation tls-ekm,{options}"
        )],
        dynamic_tls_crypt: false,
        ..Script::default()
    }
}

#[test]
fn goodbye_is_said_in_the_control_channel_where_the_server_knows_it() {
    let mut world = World::connected(Script::default());
    world.tell(Input::Stop);
    assert_eq!(world.ended(), None, "the server must get it first");
    assert!(!world.send_packet(&ip_packet(1)));
    world.run(Duration::from_millis(100));
    assert_eq!(world.ended(), Some(&Ended::Stopped));
    assert_eq!(world.server.heard.last().map(String::as_str), Some("EXIT"));
    assert!(!world.server.client_left);
}

#[test]
fn a_goodbye_that_nobody_answers_does_not_hold_us_up() {
    let mut world = World::connected(Script::default());
    world.link.cut();
    let at = world.now - world.began;
    world.tell(Input::Stop);
    world.tell(Input::Stop);
    world.run(Duration::from_secs(60));
    assert_eq!(world.ended(), Some(&Ended::Stopped));
    assert_eq!(world.ended_after(), Some(at + Duration::from_millis(600)));
}

#[test]
fn goodbye_is_said_in_the_data_channel_where_the_server_knows_nothing_better() {
    let mut world = World::connected(pushing("explicit-exit-notify 2"));
    world.tell(Input::Stop);
    world.run(Duration::from_secs(1));
    assert_eq!(world.ended(), Some(&Ended::Stopped));
    assert!(world.server.client_left);
}

#[test]
fn on_tcp_the_end_of_the_stream_is_goodbye_enough() {
    let mut world = World::connected(Script {
        transport: Transport::Tcp,
        ..pushing("ping 10")
    });
    world.tell(Input::Stop);
    assert_eq!(world.ended(), Some(&Ended::Stopped));
}

#[test]
fn before_the_tunnel_is_up_we_just_leave() {
    let mut world = World::perfect(Script::default());
    world.tell(Input::Stop);
    assert_eq!(world.ended(), Some(&Ended::Stopped));
}

#[test]
fn the_server_says_goodbye_in_either_channel() {
    let mut world = World::connected(Script::default());
    world.server.say("EXIT");
    world.run(Duration::from_secs(1));
    assert_eq!(world.error(), Some(&ConnectionError::PeerExited));

    let mut world = World::connected(Script::default());
    world.server.send_exit(world.now);
    world.run(Duration::from_secs(1));
    assert_eq!(world.error(), Some(&ConnectionError::PeerExited));
}

#[test]
fn the_server_restarts_or_halts_us() {
    let restart = |advance, keep_credentials, reason: &str| ConnectionError::ServerRestart {
        reason: reason.to_owned(),
        keep_credentials,
        advance,
    };
    let halt = ConnectionError::ServerHalt {
        reason: "bye".to_owned(),
    };
    for (said, meant) in [
        ("RESTART", restart(Advance::No, false, "")),
        ("RESTART,[N]", restart(Advance::Remote, false, "")),
        ("RESTART,[P]:soon", restart(Advance::No, true, "soon")),
        ("HALT,bye", halt),
    ] {
        let mut world = World::connected(Script::default());
        world.server.say(said);
        world.run(Duration::from_secs(1));
        assert_eq!(world.error(), Some(&meant), "{said}");
    }
}

#[test]
fn a_session_has_its_limit() {
    let mut world = World::connected(pushing("session-timeout 300"));
    let at = world.now - world.began;
    world.run(Duration::from_secs(1000));
    assert_eq!(
        world.error(),
        Some(&ConnectionError::SessionTimeout { seconds: 300 })
    );
    let lasted = world.ended_after().expect("it ended") - at;
    assert!(lasted <= Duration::from_secs(300), "{lasted:?}");
}

#[test]
fn an_idle_tunnel_is_ended_and_pings_are_no_activity() {
    let mut world = World::connected(pushing("inactive 60 100,ping 10"));
    for number in 0..30 {
        world.run(Duration::from_secs(10));
        world.send_packet(&ip_packet(number));
    }
    assert_eq!(world.ended(), None, "300 s with 40 bytes each 10 s");
    let at = world.now - world.began;
    world.run(Duration::from_secs(600));
    assert_eq!(
        world.error(),
        Some(&ConnectionError::Inactive { seconds: 60 })
    );
    let idle = world.ended_after().expect("it ended") - at;
    assert!(
        idle <= Duration::from_secs(60) && idle >= Duration::from_secs(30),
        "{idle:?}"
    );
}

#[test]
fn a_changed_path_makes_us_speak_at_once() {
    let mut world = World::connected(Script::default());
    world.run(Duration::from_secs(2));
    let sent = world.sent.len();
    world.tell(Input::PathChanged);
    assert_eq!(world.sent.len(), sent + 1);
    let (_, head) = world.sent[sent];
    assert_eq!(head >> 3, 9, "only a data packet makes the server follow");
}
