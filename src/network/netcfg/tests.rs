//! The network set up by the stock netcfg service, which is played by the test: what it is told and in which order,
//! with descriptors beside the body in both directions.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};

use crate::bus::names;
use crate::network::{Remote, SocketNeeds};
use openvpn_engine::netplan::{DeviceAddress, DnsPlan, DnsServer, NetPlan, Route, RouteVia};
use zbus::Message;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Value};

use crate::testing::bus::{FakeBus, on_one_thread};

const TOKEN: &str = "27400f79t4a54t47a9tb70ata424eebacbce";
const ERROR: &str =
    "org.gtk.GDBus.UnmappedGError.Quark._net_2eopenvpn_2ev3_2enetcfg_2eerror.Code36";

/// How the service behaves.
#[derive(Debug, Clone, Copy)]
struct Manners {
    version: &'static str,
    /// Refuses this member, always.
    refuses: &'static str,
    /// `Establish` succeeds without a device.
    makes_nothing: bool,
    /// A device of an earlier session of the same process is in the way.
    has_leftover: bool,
}

const GOOD: Manners = Manners {
    version: "v24.1",
    refuses: "",
    makes_nothing: false,
    has_leftover: false,
};

fn own_path() -> String {
    format!("{}/{}_{TOKEN}", names::NETCFG_PATH, std::process::id())
}

/// Plays the service; writes down what it is told.
async fn play(mut bus: FakeBus, manners: Manners, story: Arc<Mutex<Vec<String>>>) {
    let mut leftover = manners.has_leftover;
    loop {
        let call = bus.next().await;
        let header = call.header();
        let member = header.member().expect("a member").to_string();
        assert_eq!(
            header.destination().map(ToString::to_string).as_deref(),
            Some(names::NETCFG)
        );
        let said = said(&call, &member);
        let line = format!("{member} {said}").trim_end().to_owned();
        story.lock().expect("no panic under the lock").push(line);
        if member == manners.refuses {
            bus.refuse(&call, ERROR, "GDBus.Error:net.openvpn.v3.netcfg.error: no")
                .await;
            continue;
        }
        match member.as_str() {
            "CreateVirtualInterface" if leftover => {
                bus.refuse(&call, ERROR, "GDBus.Error:it exists").await;
            }
            "CreateVirtualInterface" => {
                let path = OwnedObjectPath::try_from(own_path()).expect("a path");
                bus.answer(&call, &path).await;
            }
            "ProtectSocket" => bus.answer(&call, &true).await,
            "Get" => bus.answer(&call, &Value::from(manners.version)).await,
            "Establish" if !manners.makes_nothing => {
                let device = File::open("/dev/null").expect("it is everywhere");
                bus.answer_with_descriptor(&call, device.into()).await;
            }
            _ => {
                leftover &= member != "Destroy";
                bus.answer(&call, &()).await;
            }
        }
    }
}

/// The arguments, with their types and descriptors where these matter.
fn said(call: &Message, member: &str) -> String {
    let body = call.body();
    let signature = body.signature().to_string_no_parens();
    let fds = call.data().fds().len();
    assert!(!signature.contains('h'));
    match member {
        "ProtectSocket" => {
            let (remote, ipv6, path): (String, bool, OwnedObjectPath) =
                body.deserialize().expect("its arguments");
            let owned: OwnedFd = call.data().fds()[0]
                .as_fd()
                .try_clone_to_owned()
                .expect("a descriptor");
            assert!(rustix::net::sockopt::socket_type(&owned).is_ok());
            let device = path.as_str().rsplit('/').next().unwrap_or_default();
            format!("{signature} {remote} {ipv6} /{device} fds={fds}")
        }
        "Set" => {
            let (_, name, value): (String, String, OwnedValue) =
                body.deserialize().expect("its arguments");
            format!("{name} {}", Value::from(value))
        }
        "AddNetworks" => {
            if signature == "a(subb)" {
                let list: Vec<(String, u32, bool, bool)> = body.deserialize().expect("networks");
                format!("{signature} {list:?}")
            } else {
                let list: Vec<(String, u32, i32, bool, bool)> =
                    body.deserialize().expect("networks");
                format!("{signature} {list:?}")
            }
        }
        "AddIPAddress" => {
            let (ip, prefix, gateway, ipv6): (String, u32, String, bool) =
                body.deserialize().expect("an address");
            format!("{ip} {prefix} {gateway} {ipv6}")
        }
        "AddDNS" | "AddDNSSearch" => {
            let list: Vec<String> = body.deserialize().expect("a list");
            list.join(",")
        }
        _ => String::new(),
    }
}

fn plan() -> NetPlan {
    let inside = |destination: &str, metric| Route {
        destination: destination.parse().expect("a network"),
        via: RouteVia::Tunnel(Some("10.8.0.1".parse().expect("an address"))),
        metric,
    };
    NetPlan {
        device: "tun".to_owned(),
        mtu: 1500,
        addresses: vec![DeviceAddress {
            network: "10.8.0.2/24".parse().expect("a network"),
            peer: None,
        }],
        routes: vec![
            inside("0.0.0.0/1", None),
            inside("128.0.0.0/1", None),
            inside("10.66.0.0/16", Some(7)),
        ],
        bypass: vec!["192.0.2.1".parse().expect("an address")],
        dns: DnsPlan {
            servers: vec![DnsServer {
                address: "10.8.0.1:0".parse().expect("an address"),
                name: None,
            }],
            search_domains: vec!["corp.example".to_owned()],
            ..DnsPlan::default()
        },
        ..NetPlan::default()
    }
}

struct Scene {
    remote: Remote,
    story: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    async fn begin(manners: Manners) -> Self {
        let (bus, connection) = FakeBus::with(&[(names::NETCFG, ":1.7")]).await;
        let story = Arc::default();
        tokio::task::spawn_local(play(bus, manners, Arc::clone(&story)));
        Self {
            remote: Remote::new(connection, TOKEN, None),
            story,
        }
    }

    /// What the service was told since the last time this was asked.
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.story.lock().expect("no panic under the lock"))
    }

    async fn protect(&mut self) {
        let address = "192.0.2.1".parse().expect("an address");
        let needs = self.remote.protect(address).await.expect("protected");
        assert_eq!(needs, SocketNeeds::default());
    }
}

#[test]
fn a_plan_is_told_in_the_order_of_the_stock_client() {
    on_one_thread(async {
        let mut scene = Scene::begin(GOOD).await;
        scene.protect().await;
        let device = scene.remote.establish(&plan()).await.expect("set up");
        assert_eq!(device.path, own_path());
        assert_eq!(
            scene.told(),
            [
                "ProtectSocket sbo 192.0.2.1 false / fds=1",
                "CreateVirtualInterface",
                "AddIPAddress 10.8.0.2 24 10.8.0.1 false",
                "Set reroute_ipv4 true",
                "Set dns_scope \"global\"",
                "AddDNSSearch corp.example",
                "AddDNS 10.8.0.1",
                "SetRemoteAddress",
                "Set layer uint32 3",
                "Set mtu uint16 1500",
                "Get",
                "AddNetworks a(subb) [(\"10.66.0.0\", 16, false, false)]",
                "Establish",
            ]
        );
        scene.remote.close().await.expect("closed");
        assert_eq!(scene.told(), ["Destroy", "Cleanup"]);
        scene.remote.close().await.expect("nothing to close");
        assert!(scene.told().is_empty());
    });
}

#[test]
fn newer_services_take_metrics() {
    for version in ["v26", "v27.1", "git:master:0123456789ab"] {
        on_one_thread(async {
            let manners = Manners { version, ..GOOD };
            let mut scene = Scene::begin(manners).await;
            scene.protect().await;
            let device = scene.remote.establish(&plan()).await;
            let told = scene.told();
            // The description of an unknown version cannot be read from this service.
            if version.starts_with('v') {
                device.expect("set up");
                let networks = "AddNetworks a(suibb) [(\"10.66.0.0\", 16, 7, false, false)]";
                assert!(told.iter().any(|it| it == networks), "{told:?}");
            } else {
                assert!(told.iter().any(|it| it == "Introspect"), "{told:?}");
                device.expect_err("no description");
                assert_eq!(told.last().map(String::as_str), Some("Destroy"));
            }
        });
    }
}

#[test]
fn what_failed_half_way_is_taken_back() {
    for refuses in [
        "AddIPAddress",
        "Set",
        "AddDNS",
        "SetRemoteAddress",
        "AddNetworks",
        "Establish",
    ] {
        on_one_thread(async {
            let mut scene = Scene::begin(Manners { refuses, ..GOOD }).await;
            scene.protect().await;
            let error = scene.remote.establish(&plan()).await.expect_err(refuses);
            let error = error.to_string();
            assert!(
                error.starts_with("cannot ") && error.ends_with("net.openvpn.v3.netcfg.error: no"),
                "{error}"
            );
            let told = scene.told();
            assert_eq!(told.last().map(String::as_str), Some("Destroy"), "{told:?}");
            scene.remote.close().await.expect("closed");
            assert_eq!(scene.told(), ["Cleanup"]);
        });
    }
}

#[test]
fn success_without_a_device_is_none() {
    on_one_thread(async {
        let manners = Manners {
            makes_nothing: true,
            ..GOOD
        };
        let mut scene = Scene::begin(manners).await;
        scene.protect().await;
        let error = scene
            .remote
            .establish(&plan())
            .await
            .expect_err("no device");
        assert!(
            error.to_string().contains("no device came of it"),
            "{error}"
        );
        assert_eq!(scene.told().last().map(String::as_str), Some("Destroy"));
    });
}

#[test]
fn a_device_that_was_left_over_makes_room() {
    on_one_thread(async {
        let manners = Manners {
            has_leftover: true,
            ..GOOD
        };
        let mut scene = Scene::begin(manners).await;
        scene.protect().await;
        scene.remote.establish(&plan()).await.expect("set up");
        assert_eq!(
            scene.told()[1..5],
            [
                "CreateVirtualInterface",
                "Destroy",
                "CreateVirtualInterface",
                "AddIPAddress 10.8.0.2 24 10.8.0.1 false"
            ]
        );
    });
}

#[test]
fn the_device_stays_while_its_plan_does() {
    on_one_thread(async {
        let mut scene = Scene::begin(GOOD).await;
        scene.protect().await;
        scene.remote.establish(&plan()).await.expect("set up");
        scene.told();

        let elsewhere = "192.0.2.9".parse().expect("an address");
        scene.remote.protect(elsewhere).await.expect("protected");
        let mut moved = plan();
        moved.bypass = vec![elsewhere];
        assert!(!scene.remote.needs_new_device(&moved));
        assert!(scene.remote.change(&moved).await.expect("kept").is_none());
        let device = own_path();
        let device = device.rsplit('/').next().unwrap_or_default();
        assert_eq!(
            scene.told(),
            [format!("ProtectSocket sbo 192.0.2.9 false /{device} fds=1")]
        );

        moved.mtu = 1400;
        assert!(scene.remote.needs_new_device(&moved));
        assert!(scene.remote.change(&moved).await.expect("anew").is_some());
        let told = scene.told();
        assert_eq!(told[..2], ["Destroy", "CreateVirtualInterface"]);
        assert!(told.contains(&"Set mtu uint16 1400".to_owned()), "{told:?}");
    });
}

#[test]
fn a_socket_that_is_not_protected_is_an_error() {
    on_one_thread(async {
        let manners = Manners {
            refuses: "ProtectSocket",
            ..GOOD
        };
        let mut scene = Scene::begin(manners).await;
        let address = "2001:db8::1".parse().expect("an address");
        let error = scene.remote.protect(address).await.expect_err("refused");
        assert!(
            error
                .to_string()
                .starts_with("cannot protect the route to 2001:db8::1: "),
            "{error}"
        );
        assert_eq!(scene.told(), ["ProtectSocket sbo 2001:db8::1 true / fds=1"]);
        scene.remote.close().await.expect("closed");
        assert_eq!(scene.told(), ["Cleanup"]);
    });
}
