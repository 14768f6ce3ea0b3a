//! DNS through systemd-resolved: a bus of the test's own, and a resolver on it that writes down what it is told.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use crate::network::dns::Resolver;
use crate::network::monitor::{NetworkChange, NetworkMonitor};
use crate::network::{LocalOptions, Network, TunDevice};
use openvpn_engine::netplan::{DnsPlan, DnsSec, DnsServer, DnsTransport, NetPlan};
use zbus::Connection;
use zbus::connection::Builder;

use crate::testing::namespace::World;
use crate::testing::process::Process;
use crate::testing::{in_runtime, skipped};

const NAME: &str = "org.freedesktop.resolve1";
const PATH: &str = "/org/freedesktop/resolve1";

/// A world with a folder for files.
struct Scene {
    world: World,
    folder: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        let folder = std::env::temp_dir().join(world.client.name());
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        Self { world, folder }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A bus that lets everybody do everything.
struct Bus {
    address: String,
    _daemon: Process,
}

impl Bus {
    fn start(scene: &Scene) -> Self {
        let socket = scene.file("bus-socket", "");
        std::fs::remove_file(&socket).expect("it was just made");
        let address = format!("unix:path={}", socket.display());
        let config = scene.file(
            "bus.conf",
            &format!(
                "<busconfig><type>custom</type><listen>{address}</listen><auth>EXTERNAL</auth>\
                 <policy context='default'><allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/>\
                 <allow user='*'/></policy></busconfig>"
            ),
        );
        let daemon = Process::start(
            "the bus",
            Command::new("dbus-daemon")
                .args([
                    "--nofork",
                    "--nopidfile",
                    "--print-address=1",
                    "--config-file",
                ])
                .arg(config),
        );
        daemon.wait_for("its address", |line| line.starts_with("unix:"));
        Self {
            address,
            _daemon: daemon,
        }
    }

    async fn connect(&self) -> Connection {
        let builder = Builder::address(self.address.as_str()).expect("it is an address");
        builder.build().await.expect("the bus is there")
    }

    /// Puts a resolver on the bus, until the connection is dropped.
    async fn resolver(&self, told: &Told) -> Connection {
        let builder = Builder::address(self.address.as_str()).expect("it is an address");
        builder
            .serve_at(PATH, FakeResolver { told: told.clone() })
            .expect("the object can be served")
            .name(NAME)
            .expect("it is a name")
            .build()
            .await
            .expect("the bus is there")
    }
}

/// What the resolver was told, one line per call.
#[derive(Debug, Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn write(&self, line: String) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct FakeResolver {
    told: Told,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "arguments of a D-Bus method are values"
)]
#[zbus::interface(name = "org.freedesktop.resolve1.Manager")]
impl FakeResolver {
    #[zbus(name = "SetLinkDNSEx")]
    fn set_link_dns_ex(&self, _index: i32, servers: Vec<(i32, Vec<u8>, u16, String)>) {
        self.told.write(format!("servers {servers:?}"));
    }

    fn set_link_domains(&self, _index: i32, domains: Vec<(String, bool)>) {
        self.told.write(format!("domains {domains:?}"));
    }

    fn set_link_default_route(&self, _index: i32, enable: bool) {
        self.told.write(format!("default-route {enable}"));
    }

    #[zbus(name = "SetLinkDNSOverTLS")]
    fn set_link_dns_over_tls(&self, _index: i32, mode: &str) {
        self.told.write(format!("tls {mode:?}"));
    }

    #[zbus(name = "SetLinkDNSSEC")]
    fn set_link_dnssec(&self, _index: i32, mode: &str) -> zbus::fdo::Result<()> {
        self.told.write(format!("dnssec {mode:?}"));
        // As a resolver says that was built without it.
        Err(zbus::fdo::Error::NotSupported("no DNSSEC here".into()))
    }

    fn revert_link(&self, _index: i32) {
        self.told.write("revert".into());
    }

    fn flush_caches(&self) {}
}

fn plan(routing: &[&str]) -> NetPlan {
    NetPlan {
        addresses: vec![],
        dns: DnsPlan {
            servers: vec![DnsServer {
                address: "10.8.0.1:853".parse().expect("an address"),
                name: Some("dns.example".into()),
            }],
            routing_domains: routing.iter().map(|&domain| domain.into()).collect(),
            dnssec: Some(DnsSec::Optional),
            transport: Some(DnsTransport::Tls),
            ..DnsPlan::default()
        },
        ..NetPlan::default()
    }
}

#[test]
fn the_resolver_is_told_of_the_link_again_after_its_restart_and_at_the_end() {
    if skipped(&["dbus-daemon"]) {
        return;
    }
    let scene = Scene::new();
    scene.world.client.ip("tuntap add dev tunx mode tun");
    let tun = TunDevice {
        name: "tunx".into(),
        index: scene.world.client.index_of("tunx"),
    };
    let bus = Bus::start(&scene);
    let file = scene.file("resolv.conf", "nameserver 192.0.2.53\n");
    let told = Told::default();

    scene.world.client.inside(|| {
        in_runtime(async {
            let resolver = bus.resolver(&told).await;
            let ours = bus.connect().await;
            let mut changes = NetworkMonitor::start(Some(ours.clone())).expect("netlink works");
            let mut network = Network::local(LocalOptions {
                record: None,
                resolv_conf: file.clone(),
                resolver: Resolver::Auto,
                bus: Some(ours),
            });

            network.apply(tun, &plan(&[])).await.expect("it works");
            let all = told.take();
            network
                .change(&plan(&["corp.example"]))
                .await
                .expect("it works");
            let split = told.take();
            resolver
                .release_name(NAME)
                .await
                .expect("it owned the name");
            let _next = bus.resolver(&told).await;
            let change = changes.next().await;
            network.refresh().await.expect("it works");
            let again = told.take();
            network.revert().await.expect("it works");
            let last = told.take();

            let servers = "servers [(2, [10, 8, 0, 1], 853, \"dns.example\")]";
            assert_eq!(
                all,
                [
                    servers,
                    "domains [(\".\", true)]",
                    "default-route true",
                    "tls \"yes\"",
                    "dnssec \"allow-downgrade\""
                ]
            );
            assert_eq!(
                &split[..3],
                [
                    servers,
                    "domains [(\"corp.example\", true)]",
                    "default-route false"
                ]
            );
            assert_eq!(change, Some(NetworkChange::ResolverRestarted));
            assert_eq!(again, split);
            assert_eq!(last, ["revert"]);
        });
    });

    let untouched = std::fs::read_to_string(&file).expect("the file is there");
    assert_eq!(untouched, "nameserver 192.0.2.53\n");
}

#[test]
fn without_a_resolver_on_the_bus_the_file_is_written() {
    if skipped(&["dbus-daemon"]) {
        return;
    }
    let scene = Scene::new();
    scene.world.client.ip("tuntap add dev tunx mode tun");
    let tun = TunDevice {
        name: "tunx".into(),
        index: scene.world.client.index_of("tunx"),
    };
    let bus = Bus::start(&scene);
    let file = scene.file("resolv.conf", "nameserver 192.0.2.53\n");
    let mut plan = plan(&[]);
    plan.dns.servers[0].address = "10.8.0.1:0".parse().expect("an address");

    let meanwhile = scene.world.client.inside(|| {
        in_runtime(async {
            let mut network = Network::local(LocalOptions {
                record: None,
                resolv_conf: file.clone(),
                resolver: Resolver::Auto,
                bus: Some(bus.connect().await),
            });
            network.apply(tun, &plan).await.expect("it works");
            let meanwhile = std::fs::read_to_string(&file).expect("the file is there");
            network.revert().await.expect("it works");
            meanwhile
        })
    });

    assert!(meanwhile.contains("nameserver 10.8.0.1\n"), "{meanwhile}");
}
