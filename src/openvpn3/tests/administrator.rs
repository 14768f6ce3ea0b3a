//! The administrator's interface at the object of a session that a session manager drives.

use std::collections::HashMap;

use crate::bus::names;
use crate::control::call::{Ask, Call, Told, View};
use crate::log::bus_layer::bus_layer;
use crate::openvpn3::administration::INTERFACE;
use crate::openvpn3::log_signal::{LogGroup, LogSource};
use crate::openvpn3::session_object::SessionObject;
use openvpn_engine::session::Status;
use tokio::sync::mpsc;
use zbus::zvariant::OwnedValue;

use crate::testing::bus::{FakeBus, error_of, on_one_thread};

const MANAGER: &str = ":1.2";
const ADMINISTRATOR: &str = ":1.7";
const STRANGER: &str = ":1.66";
const PATH: &str = "/net/openvpn/v3/sessions/1";

async fn begin() -> (FakeBus, mpsc::Receiver<Call>) {
    let (bus, connection) = FakeBus::with(&[(names::SESSIONS, MANAGER)]).await;
    bus.set_user(ADMINISTRATOR, 0);
    bus.set_user(STRANGER, 4_000_000);
    let (calls_in, calls) = mpsc::channel(16);
    let (_layer, records) = bus_layer(3);
    let source = LogSource {
        path: names::SESSION_PATH,
        group: LogGroup::Client,
        session_token: None,
    };
    let (object, announcer) = SessionObject::export(&connection, calls_in, records, source)
        .await
        .expect("exported");
    let object = object.of_instance("abcdefghijkm");
    tokio::task::spawn_local(async move {
        // The object is served as long as somebody has something to announce.
        let _announcer = announcer;
        object.serve().await
    });
    (bus, calls)
}

#[test]
fn root_is_told_what_a_managed_session_is_doing() {
    on_one_thread(async {
        let (bus, mut calls) = begin().await;
        let answer = bus
            .begin_call(
                ADMINISTRATOR,
                names::SESSION_PATH,
                INTERFACE,
                "Describe",
                &(),
            )
            .await;
        let asked = calls.recv().await.expect("the loop is asked");
        assert!(matches!(asked.ask, Ask::View));
        let view = View {
            session_path: Some(PATH.to_owned()),
            status: Status::Connected,
            ..View::default()
        };
        drop(asked.answer.send(Ok(Told::View(Box::new(view)))));
        let answer = answer.await.expect("answered");
        let status_report: HashMap<String, OwnedValue> =
            answer.body().deserialize().expect("facts");
        let text = |name: &str| String::try_from(status_report[name].clone()).expect("a text");
        assert_eq!(text("instance"), "abcdefghijkm");
        assert_eq!(text("session_path"), PATH);
    });
}

#[test]
fn a_stranger_whom_polkit_does_not_let_is_refused() {
    on_one_thread(async {
        let (mut bus, mut calls) = begin().await;
        let answer = bus
            .begin_call(STRANGER, names::SESSION_PATH, INTERFACE, "Disconnect", &())
            .await;
        let asked = bus.expect("CheckAuthorization").await;
        let details = HashMap::<String, String>::new();
        bus.answer(&asked, &(false, false, details)).await;
        let (name, _) = error_of(&answer.await.expect("answered"));
        assert_eq!(name, "org.freedesktop.DBus.Error.AccessDenied");
        assert!(calls.try_recv().is_err(), "the loop hears nothing of it");
    });
}
