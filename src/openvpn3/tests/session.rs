//! The session's object, seen from the bus. The session loop behind it is played by the test.

mod ending;

use std::time::Duration;

use crate::bus::names;
use crate::control::call::{Ask, Call, Confirmation, Told, View};
use crate::log::bus_layer::bus_layer;
use crate::openvpn3::announcer::Announcer;
use crate::openvpn3::log_signal::{LogGroup, LogSource};
use crate::openvpn3::session_object::{ServedUntil, SessionObject};
use openvpn_engine::session::Refusal;
use openvpn_engine::session::{Attention, InputGroup, Question, Visibility};
use openvpn_engine::session::{Request, Status};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zbus::Message;
use zbus::zvariant::{DynamicType, ObjectPath, OwnedValue, Value};

use crate::testing::bus::{FakeBus, error_of, on_one_thread};

const MANAGER: &str = ":1.2";
const LOG: &str = ":1.3";
const STRANGER: &str = ":1.66";
const TOKEN: &str = "27400f79t4a54t47a9tb70ata424eebacbce";

struct Scene {
    bus: FakeBus,
    calls: mpsc::Receiver<Call>,
    announcer: Announcer,
    serving: JoinHandle<ServedUntil>,
    /// The session asks to be registered.
    request: Message,
}

impl Scene {
    /// A backend that has asked for its registration.
    async fn begin() -> Self {
        let (mut bus, connection) =
            FakeBus::with(&[(names::SESSIONS, MANAGER), (names::LOG, LOG)]).await;
        let (calls_in, calls) = mpsc::channel(16);
        let (_layer, records) = bus_layer(3);
        let source = LogSource {
            path: names::SESSION_PATH,
            group: LogGroup::Client,
            session_token: Some(TOKEN.to_owned()),
        };
        let (mut object, announcer) = SessionObject::export(&connection, calls_in, records, source)
            .await
            .expect("exported");
        let registering = async {
            object
                .register("net.openvpn.v3.backends.be7", TOKEN, 7)
                .await
                .expect("asked for");
            object
        };
        let answering = async {
            // It is not kept waiting by a slow log service.
            let request = bus.expect("RegistrationRequest").await;
            for _ in 0..2 {
                let attach = bus.expect("Attach").await;
                bus.answer(&attach, &()).await;
            }
            request
        };
        let (object, request) = tokio::join!(registering, answering);
        let serving = tokio::task::spawn_local(object.serve());
        Self {
            bus,
            calls,
            announcer,
            serving,
            request,
        }
    }

    async fn call<B>(&self, from: &str, member: &str, body: &B) -> Message
    where
        B: serde::Serialize + DynamicType,
    {
        self.bus
            .call(
                from,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                member,
                body,
            )
            .await
    }

    async fn get(&self, from: &str, property: &str) -> Message {
        self.bus
            .call(
                from,
                names::SESSION_PATH,
                names::PROPERTIES,
                "Get",
                &(names::BACKENDS_INTERFACE, property),
            )
            .await
    }

    async fn set(&self, from: &str, property: &str, value: Value<'_>) -> Message {
        self.bus
            .call(
                from,
                names::SESSION_PATH,
                names::PROPERTIES,
                "Set",
                &(names::BACKENDS_INTERFACE, property, value),
            )
            .await
    }

    async fn asked(&mut self) -> Call {
        tokio::time::timeout(Duration::from_secs(10), self.calls.recv())
            .await
            .expect("the loop is asked")
            .expect("the object is served")
    }

    /// Takes one call by `member`, which the loop answers so.
    async fn told(&mut self, member: &str, told: Result<Told, Refusal>) -> Message {
        let answer = self
            .bus
            .begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                member,
                &(),
            )
            .await;
        let asked = self.asked().await;
        drop(asked.answer.send(told));
        answer.await.expect("answered")
    }
}

fn path(path: &'static str) -> ObjectPath<'static> {
    ObjectPath::from_static_str(path).expect("a path")
}

#[test]
fn a_session_is_registered_as_running_managers_do_it() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;

        // T5: exactly (ssi), to the session manager alone.
        let request = &scene.request;
        assert_eq!(request.header().destination().expect("to one"), MANAGER);
        let asked: (String, String, i32) = request.body().deserialize().expect("(ssi)");
        assert_eq!(
            asked,
            (
                "net.openvpn.v3.backends.be7".to_owned(),
                TOKEN.to_owned(),
                7
            )
        );

        let answer = scene
            .bus
            .begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                "RegistrationConfirmation",
                &(TOKEN, path("/sessions/1"), path("/configuration/1")),
            )
            .await;
        let asked = scene.asked().await;
        let Ask::Confirm(Confirmation {
            token,
            session_path,
            config_path,
        }) = asked.ask
        else {
            panic!("asked for something else");
        };
        assert_eq!(token, TOKEN);
        assert_eq!(session_path.as_deref(), Some("/sessions/1"));
        assert_eq!(config_path, "/configuration/1");
        scene
            .announcer
            .status(&Status::ProfileLoaded, "/configuration/1");
        drop(asked.answer.send(Ok(Told::Name("office".to_owned()))));

        // T3: assigned after it was attached, with the same interface.
        let assign = scene.bus.expect("AssignSession").await;
        let (assigned, interface): (ObjectPath<'_>, String) = assign
            .body()
            .deserialize()
            .map(|(p, i): (ObjectPath<'_>, String)| (p.into_owned(), i))
            .expect("(os)");
        assert_eq!(assigned, path("/sessions/1"));
        assert_eq!(interface, names::BACKENDS_INTERFACE);
        scene.bus.answer(&assign, &()).await;

        // T6: exactly (s).
        let answer = answer.await.expect("answered");
        assert_eq!(
            answer.body().deserialize::<String>().expect("(s)"),
            "office"
        );
    });
}

#[test]
fn the_published_form_of_the_confirmation_is_understood_too() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let answer = scene
            .bus
            .begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                "RegistrationConfirmation",
                &(TOKEN, path("/configuration/1")),
            )
            .await;
        let asked = scene.asked().await;
        assert!(matches!(
            asked.ask,
            Ask::Confirm(Confirmation {
                session_path: None,
                ..
            })
        ));
        drop(asked.answer.send(Ok(Told::Name("office".to_owned()))));
        let answer = answer.await.expect("answered");
        assert_eq!(
            answer.body().deserialize::<String>().expect("(s)"),
            "office"
        );
    });
}

#[test]
fn t1_ready_says_in_name_and_text_where_its_error_belongs() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let answer = scene.told("Ready", Err(Refusal::MissingCredentials)).await;
        assert_eq!(
            error_of(&answer),
            (
                "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2ev3_2eerror_2eready.Code36"
                    .to_owned(),
                "GDBus.Error:net.openvpn.v3.error.ready: Missing user credentials".to_owned()
            )
        );
        let fine = scene.told("Ready", Ok(Told::Done)).await;
        assert_eq!(error_of(&fine).0, "");
    });
}

#[test]
fn t7_a_ping_is_answered_while_another_call_waits_and_goes_through_the_loop() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let connect = scene
            .bus
            .begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                "Connect",
                &(),
            )
            .await;
        let waiting = scene.asked().await;
        assert!(matches!(waiting.ask, Ask::Request(Request::Connect)));

        let pong = scene.told("Ping", Ok(Told::Done)).await;
        assert!(pong.body().deserialize::<bool>().expect("(b)"));

        drop(waiting.answer.send(Ok(Told::Done)));
        assert_eq!(error_of(&connect.await.expect("answered")).0, "");
    });
}

#[test]
fn t27_a_caller_that_is_not_the_present_session_manager_is_refused_everything() {
    on_one_thread(async {
        let scene = Scene::begin().await;
        for member in [
            "Connect",
            "Disconnect",
            "ForceShutdown",
            "Pause",
            "Ping",
            "Ready",
            "RegistrationConfirmation",
            "Restart",
            "Resume",
            "UserInputProvide",
            "UserInputQueueCheck",
            "UserInputQueueFetch",
            "UserInputQueueGetTypeGroup",
        ] {
            let (name, text) = error_of(&scene.call(STRANGER, member, &()).await);
            assert_eq!(
                name, "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2egdbuspp.Code36",
                "{member}"
            );
            assert!(text.contains(STRANGER), "{text}");
        }
        for property in ["statistics", "device_name", "session_name", "last_log_line"] {
            let (name, _) = error_of(&scene.get(STRANGER, property).await);
            assert_eq!(
                name, "org.freedesktop.DBus.Error.AccessDenied",
                "{property}"
            );
        }
        for property in ["dco", "log_level", "status"] {
            let (name, _) = error_of(&scene.set(STRANGER, property, Value::from(3_u32)).await);
            assert_eq!(
                name, "org.freedesktop.DBus.Error.AccessDenied",
                "{property}"
            );
        }
    });
}

#[test]
fn properties_have_the_types_that_session_managers_rely_on() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        // T9, T10, T11.
        for (property, signature) in [
            ("connection", "(sssu)"),
            ("dco", "b"),
            ("device_name", "s"),
            ("device_path", "o"),
            ("last_log_line", "a{sv}"),
            ("log_level", "u"),
            ("session_name", "s"),
            ("session_path", "o"),
            ("statistics", "a{sx}"),
            ("status", "(uus)"),
        ] {
            let answer = scene
                .bus
                .begin_call(
                    MANAGER,
                    names::SESSION_PATH,
                    names::PROPERTIES,
                    "Get",
                    &(names::BACKENDS_INTERFACE, property),
                )
                .await;
            let asked = scene.asked().await;
            // Counters are those of the moment in which they are asked for.
            let counted = matches!(asked.ask, Ask::Count);
            assert_eq!(counted, property == "statistics");
            let view = View {
                statistics: vec![("BYTES_IN", 1)],
                ..View::default()
            };
            drop(asked.answer.send(Ok(Told::View(Box::new(view)))));
            let answer = answer.await.expect("answered");
            let value: OwnedValue = answer.body().deserialize().expect("a value");
            assert_eq!(value.value_signature().to_string(), signature, "{property}");
        }
    });
}

#[test]
fn a_log_level_out_of_range_is_refused() {
    on_one_thread(async {
        let scene = Scene::begin().await;
        let (name, _) = error_of(&scene.set(MANAGER, "log_level", Value::from(7_u32)).await);
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
        let (name, _) = error_of(&scene.set(MANAGER, "log_level", Value::from("6")).await);
        assert_eq!(name, "org.freedesktop.DBus.Error.InvalidArgs");
        let (name, _) = error_of(&scene.set(MANAGER, "log_level", Value::from(6_u32)).await);
        assert_eq!(name, "");
        let (name, _) = error_of(&scene.set(MANAGER, "dco", Value::from(true)).await);
        assert_eq!(name, "");
    });
}

#[test]
fn t31_statuses_go_to_the_two_services_and_to_nobody_else() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        scene.announcer.status(&Status::Connecting, "");
        scene.announcer.attention(Attention::new(
            InputGroup::UserPassword,
            "credentials needed",
        ));
        for (member, body) in [
            ("StatusChange", (2, 6, String::new())),
            ("AttentionRequired", (1, 1, "credentials needed".to_owned())),
        ] {
            for receiver in [MANAGER, LOG] {
                let signal = scene.bus.expect(member).await;
                let header = signal.header();
                assert_eq!(header.destination().expect("to one"), receiver);
                assert_eq!(header.path().expect("a path").as_str(), names::SESSION_PATH);
                let said: (u32, u32, String) = signal.body().deserialize().expect("(uus)");
                assert_eq!(said, body);
            }
        }
    });
}

#[test]
fn questions_travel_as_the_front_ends_expect_them() {
    on_one_thread(async {
        let mut scene = Scene::begin().await;
        let groups = scene
            .told(
                "UserInputQueueGetTypeGroup",
                Ok(Told::Groups(vec![(1, 1), (1, 4)])),
            )
            .await;
        let groups: Vec<(u32, u32)> = groups.body().deserialize().expect("a(uu)");
        assert_eq!(groups, [(1, 1), (1, 4)]);

        let answer = scene
            .bus
            .begin_call(
                MANAGER,
                names::SESSION_PATH,
                names::BACKENDS_INTERFACE,
                "UserInputQueueFetch",
                &(1_u32, 1_u32, 1_u32),
            )
            .await;
        let asked = scene.asked().await;
        drop(asked.answer.send(Ok(Told::Question(Question {
            group: InputGroup::UserPassword,
            slot_id: 1,
            name: "password",
            description: "Auth Password".to_owned(),
            visibility: Visibility::Hidden,
        }))));
        let answer = answer.await.expect("answered");
        let fetched: (u32, u32, u32, String, String, bool) =
            answer.body().deserialize().expect("uuussb");
        assert_eq!(
            fetched,
            (
                1,
                1,
                1,
                "password".to_owned(),
                "Auth Password".to_owned(),
                true
            )
        );
    });
}
