//! The session's object at its ends: a disconnect, a service that goes, and strangers who would like it to.

use std::time::Duration;

use super::{MANAGER, STRANGER, Scene, path};
use crate::bus::names;
use crate::control::call::{Ask, Told};
use crate::openvpn3::session_object::ServedUntil;
use crate::testing::bus::{error_of, on_one_thread};
use openvpn_engine::session::{Request, Status};

#[test]
fn t8_a_second_disconnect_is_granted_after_the_loop_has_ended() {
    on_one_thread(async {
        let scene = Scene::begin().await;
        let Scene {
            bus,
            mut calls,
            announcer,
            serving,
            request: _,
        } = scene;
        let call = |member: &'static str| {
            bus.begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                member,
                &(),
            )
        };
        let first = call("Disconnect").await;
        let asked = calls.recv().await.expect("asked");
        drop(asked.answer.send(Ok(Told::Done)));
        drop((calls, announcer));
        assert_eq!(error_of(&first.await.expect("answered")).0, "");

        let second = call("Disconnect").await.await.expect("answered");
        assert_eq!(error_of(&second).0, "");
        let late = call("Connect").await.await.expect("answered");
        assert!(error_of(&late).1.contains("net.openvpn.v3.error.client"));

        assert_eq!(serving.await.expect("no panic"), ServedUntil::Finished);
    });
}

#[test]
fn t8_a_disconnect_is_answered_before_a_goodbye_that_takes_long() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let told = scene.told("Disconnect", Ok(Told::Done));
        let answer = tokio::time::timeout(Duration::from_secs(4), told).await;
        assert_eq!(error_of(&answer.expect("in time")).0, "");
    });
}

#[test]
fn t28_a_lost_session_manager_ends_the_session() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        scene.bus.change_owner(names::SESSIONS, None).await;
        assert!(matches!(
            scene.asked().await.ask,
            Ask::Request(Request::Disconnect)
        ));
        let (_, text) = error_of(&scene.call(MANAGER, "Ping", &()).await);
        assert!(text.contains("has no owner"), "{text}");
    });
}

#[test]
fn a_restarted_log_service_listens_again() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        scene.bus.change_owner(names::LOG, Some(":1.30")).await;
        for interface in [names::BACKENDS_INTERFACE, names::SESSIONS_INTERFACE] {
            let attach = scene.bus.expect("Attach").await;
            assert_eq!(
                attach.body().deserialize::<String>().expect("(s)"),
                interface
            );
            scene.bus.answer(&attach, &()).await;
        }
        scene.announcer.status(&Status::Connected, "");
        let receivers: Vec<String> = [
            scene.bus.expect("StatusChange").await,
            scene.bus.expect("StatusChange").await,
        ]
        .iter()
        .filter_map(|m| Some(m.header().destination()?.to_string()))
        .collect();
        assert_eq!(receivers, [MANAGER, ":1.30"]);
    });
}

#[test]
fn the_object_is_what_the_contract_says() {
    on_one_thread(async {
        let scene = Scene::begin().await;
        let answer = scene
            .bus
            .call(
                STRANGER,
                names::SESSION_PATH,
                names::INTROSPECTABLE,
                "Introspect",
                &(),
            )
            .await;
        let xml: String = answer.body().deserialize().expect("(s)");
        assert!(xml.contains(include_str!(
            "../../../../tests/data/introspection/session.xml"
        )));
    });
}

#[test]
fn ten_thousand_strange_calls_leave_it_serving() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let huge = "x".repeat(100_000);
        let members = ["Connect", "Pause", "Explode", "UserInputProvide", "Ready"];
        for round in 0..2_000_u32 {
            for member in members {
                let from = if round % 2 == 0 { STRANGER } else { MANAGER };
                let answer = match round % 4 {
                    0 => scene.call(from, member, &(round, 1_u32)).await,
                    1 => scene.call(from, member, &(round, "x")).await,
                    2 => scene.call(from, member, &path("/x")).await,
                    _ if round % 100 == 3 => {
                        scene.call(from, member, &(huge.as_str(), 1_u32)).await
                    }
                    _ => scene.call(from, member, &vec![round]).await,
                };
                assert_ne!(error_of(&answer).0, "", "{member} in round {round}");
            }
        }
        assert!(scene.calls.try_recv().is_err(), "nothing reached the loop");
        let pong = scene.told("Ping", Ok(Told::Done)).await;
        assert!(pong.body().deserialize::<bool>().expect("(b)"));
    });
}
