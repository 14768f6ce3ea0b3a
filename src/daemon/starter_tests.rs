//! The starter's object and what it asks of systemd, with systemd played by the test.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::bus::names;
use crate::daemon::starter::{StarterOptions, run};
use crate::log::bus_layer::bus_layer;
use crate::openvpn3::starter_object::ServedUntil;
use tokio::sync::oneshot;
use zbus::Message;
use zbus::zvariant::{ObjectPath, OwnedValue, Value};

use crate::testing::bus::{FakeBus, error_of, on_one_thread};

const MANAGER: &str = ":1.2";
const STRANGER: &str = ":1.66";
const TOKEN: &str = "27400f79t4a54t47a9tb70ata424eebacbce";

struct Scene {
    bus: FakeBus,
    directory: PathBuf,
    ended: tokio::task::JoinHandle<std::io::Result<ServedUntil>>,
}

impl Scene {
    async fn begin(name: &str, idle_exit: u64) -> Self {
        let (bus, connection) = FakeBus::with(&[(names::SYSTEMD, ":1.1")]).await;
        bus.set_user(MANAGER, rustix::process::geteuid().as_raw());
        bus.set_user(STRANGER, 4_000_000);
        let directory = std::env::temp_dir().join(format!("starter-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let options = StarterOptions {
            log_level: 3,
            idle_exit,
            client_log_level: Some(5),
            network: None,
            client_log_file: None,
            client_colour: false,
            client_disable_protect_socket: false,
        };
        let ended = {
            let directory = directory.clone();
            tokio::task::spawn_local(async move {
                let (_layer, records) = bus_layer(3);
                run(&connection, &options, records, &directory).await
            })
        };
        Self {
            bus,
            directory,
            ended,
        }
    }

    async fn start_client(&self, from: &str, token: &str) -> oneshot::Receiver<Message> {
        self.bus
            .begin_call(
                from,
                names::STARTER_PATH,
                names::BACKENDS_INTERFACE,
                "StartClient",
                &token,
            )
            .await
    }

    /// Plays systemd up to the answer to `StartUnit`; gives the unit's name.
    async fn unit_asked_for(&mut self) -> String {
        let subscribe = self.bus.expect("Subscribe").await;
        self.bus.answer(&subscribe, &()).await;
        let start = self.bus.expect("StartUnit").await;
        let (unit, mode): (String, String) = start.body().deserialize().expect("(ss)");
        assert_eq!(mode, "fail");
        let job = ObjectPath::from_static_str("/org/freedesktop/systemd1/job/9").expect("a path");
        self.bus.answer(&start, &job).await;
        let get = self.bus.expect("Get").await;
        self.bus.answer(&get, &Value::from(0_u32)).await;
        unit
    }

    async fn unit_changed(&self, unit: &str, changed: HashMap<&str, Value<'_>>) {
        let path = crate::systemd::manager::unit_path(unit);
        let none: Vec<String> = Vec::new();
        self.bus
            .signal(
                ":1.1",
                &path,
                names::PROPERTIES,
                "PropertiesChanged",
                &(names::SYSTEMD_SERVICE, changed, none),
            )
            .await;
    }

    async fn job_removed(&self, unit: &str, result: &str) {
        let job = ObjectPath::from_static_str("/org/freedesktop/systemd1/job/9").expect("a path");
        self.bus
            .signal(
                ":1.1",
                names::SYSTEMD_PATH,
                names::SYSTEMD_MANAGER,
                "JobRemoved",
                &(9_u32, job, unit, result),
            )
            .await;
    }

    fn left_behind(&self) -> Vec<String> {
        fs::read_dir(&self.directory)
            .expect("the directory")
            .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
            .collect()
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.directory));
    }
}

#[test]
fn a_session_is_a_unit_and_its_main_process_is_the_answer() {
    on_one_thread(async {
        let mut scene = Scene::begin("unit", 0).await;
        let answer = scene.start_client(MANAGER, TOKEN).await;
        let unit = scene.unit_asked_for().await;

        assert!(unit.starts_with("openvpn3-backend@") && unit.ends_with(".service"));
        assert!(!unit.contains(TOKEN), "the token is in no unit name");
        let files = scene.left_behind();
        assert_eq!(files.len(), 1);
        let text = fs::read_to_string(scene.directory.join(&files[0])).expect("a file");
        assert!(text.contains(TOKEN));
        assert!(text.contains("log-level=5"));

        scene
            .unit_changed(&unit, HashMap::from([("MainPID", Value::from(4321_u32))]))
            .await;
        let answer = answer.await.expect("answered");
        assert_eq!(answer.body().deserialize::<u32>().expect("(u)"), 4321);
    });
}

#[test]
fn a_unit_that_does_not_start_is_an_error_with_its_reason_and_leaves_nothing() {
    on_one_thread(async {
        let mut scene = Scene::begin("failed", 0).await;
        let answer = scene.start_client(MANAGER, TOKEN).await;
        let unit = scene.unit_asked_for().await;
        scene
            .unit_changed(
                &unit,
                HashMap::from([
                    ("Result", Value::from("exit-code")),
                    ("StatusText", Value::from("no system bus")),
                ]),
            )
            .await;
        scene.job_removed(&unit, "failed").await;
        let (name, text) = error_of(&answer.await.expect("answered"));
        assert!(name.contains("gdbuspp_2erequest"), "{name}");
        for part in ["job result: failed", "exit-code", "no system bus"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains(TOKEN));
        assert!(scene.left_behind().is_empty());
    });
}

#[test]
fn only_our_own_account_has_sessions_started() {
    on_one_thread(async {
        let mut scene = Scene::begin("stranger", 0).await;
        let refused = scene.start_client(STRANGER, TOKEN).await;
        let (name, text) = error_of(&refused.await.expect("answered"));
        assert_eq!(
            name,
            "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2egdbuspp.Code36"
        );
        assert!(text.contains("StartClient"));
        assert!(!scene.bus.sent_until_now().contains(&"StartUnit".to_owned()));
    });
}

#[test]
fn what_is_no_token_is_refused() {
    on_one_thread(async {
        let scene = Scene::begin("token", 0).await;
        for token in ["", "../../etc", "a\nlog-level=6"] {
            let answer = scene.start_client(MANAGER, token).await;
            assert_ne!(
                error_of(&answer.await.expect("answered")).0,
                "",
                "{token:?}"
            );
        }
        assert!(scene.left_behind().is_empty());
    });
}

#[test]
fn twenty_sessions_are_started_at_once() {
    on_one_thread(async {
        let mut scene = Scene::begin("twenty", 0).await;
        let mut answers = Vec::new();
        for _ in 0..20 {
            answers.push(scene.start_client(MANAGER, TOKEN).await);
        }
        let mut units = Vec::new();
        let mut begun = 0;
        while units.len() < 20 || begun < 20 {
            let message = scene.bus.next().await;
            match message.header().member().map(|m| m.as_str()) {
                Some("Subscribe") if units.is_empty() => scene.bus.answer(&message, &()).await,
                Some("Subscribe") => {
                    let name = "org.freedesktop.systemd1.AlreadySubscribed";
                    scene.bus.refuse(&message, name, "already").await;
                }
                Some("StartUnit") => {
                    let (unit, _): (String, String) = message.body().deserialize().expect("(ss)");
                    units.push(unit);
                    let job = ObjectPath::from_static_str("/job/1").expect("a path");
                    scene.bus.answer(&message, &job).await;
                }
                Some("Get") => {
                    begun += 1;
                    scene.bus.answer(&message, &Value::from(0_u32)).await;
                }
                _ => {}
            }
        }
        for (number, unit) in (1_u32..).zip(&units) {
            scene
                .unit_changed(unit, HashMap::from([("MainPID", Value::from(number))]))
                .await;
        }
        let mut processes = Vec::new();
        for answer in answers {
            let answer = answer.await.expect("answered");
            processes.push(answer.body().deserialize::<u32>().expect("(u)"));
        }
        processes.sort_unstable();
        assert_eq!(processes, (1..=20).collect::<Vec<u32>>());
    });
}

#[test]
fn everybody_may_ask_for_the_version() {
    on_one_thread(async {
        let scene = Scene::begin("version", 0).await;
        let all = scene
            .bus
            .call(
                STRANGER,
                names::STARTER_PATH,
                names::PROPERTIES,
                "GetAll",
                &names::BACKENDS_INTERFACE,
            )
            .await;
        let all: HashMap<String, OwnedValue> = all.body().deserialize().expect("a{sv}");
        let version = <&str>::try_from(&all["version"]).expect("a text");
        assert!(version.starts_with('v'));
        scene
            .bus
            .call(STRANGER, "/", names::PEER, "Ping", &())
            .await;
    });
}

#[test]
fn t32_names_are_watched_before_ours_is_claimed() {
    on_one_thread(async {
        let scene = Scene::begin("order", 0).await;
        scene
            .bus
            .call(STRANGER, "/", names::PEER, "Ping", &())
            .await;
        let asked = scene.bus.asked_bus();
        let claimed = asked
            .iter()
            .position(|m| m == "RequestName")
            .expect("claimed");
        let watched = asked
            .iter()
            .rposition(|m| m == "AddMatch")
            .expect("watched");
        assert!(watched < claimed, "{asked:?}");
    });
}

#[test]
fn the_starter_leaves_when_nobody_asks() {
    on_one_thread(async {
        let mut scene = Scene::begin("idle", 1).await;
        let attach = scene.bus.expect("Attach").await;
        scene.bus.answer(&attach, &()).await;
        let detach = scene.bus.expect("Detach").await;
        scene.bus.answer(&detach, &()).await;
        let ended = (&mut scene.ended).await.expect("no panic");
        assert_eq!(ended.expect("ended well"), ServedUntil::Idle);
        assert!(scene.bus.asked_bus().contains(&"ReleaseName".to_owned()));
    });
}

#[test]
fn the_starter_is_what_the_contract_says() {
    on_one_thread(async {
        let scene = Scene::begin("contract", 0).await;
        let answer = scene
            .bus
            .call(
                STRANGER,
                names::STARTER_PATH,
                names::INTROSPECTABLE,
                "Introspect",
                &(),
            )
            .await;
        let xml: String = answer.body().deserialize().expect("(s)");
        assert!(xml.contains(include_str!("../../tests/data/introspection/starter.xml")));
    });
}
