//! The network set up by ourselves: put in force, changed, taken back, also after accidents.

mod far_end;

use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::network::dns::Resolver;
use crate::network::{LocalOptions, NetError, Network, TunDevice, cleanup};
use openvpn_engine::netplan::{DeviceAddress, DnsPlan, DnsServer, NetPlan, Route, RouteVia};

use super::without_numbers;
use crate::testing::namespace::{FAR_V4, FAR_V6, Namespace, SERVER_V4, World};
use crate::testing::{in_runtime, skipped, state};

/// A world whose client has a TUN device, and a folder for files.
pub(crate) struct Stage {
    world: World,
    folder: PathBuf,
    before: String,
}

const RESOLV_CONF: &str = "nameserver 192.0.2.53\nsearch home.example\n";

impl Stage {
    pub(crate) fn new() -> Self {
        let world = World::new();
        world.client.ip("tuntap add dev tunx mode tun");
        let folder = std::env::temp_dir().join(world.client.name());
        std::fs::create_dir_all(&folder).expect("a temporary folder");
        std::fs::write(folder.join("resolv.conf"), RESOLV_CONF).expect("a file");
        let before = state::of(&world.client);
        Self {
            world,
            folder,
            before,
        }
    }

    /// The same after these words to `ip` on the client's host.
    pub(crate) fn after(words: &[&str]) -> Self {
        let mut stage = Self::new();
        for words in words {
            stage.world.client.ip(words);
        }
        stage.before = state::of(&stage.world.client);
        stage
    }

    pub(crate) fn options(&self) -> LocalOptions {
        LocalOptions {
            record: Some(self.record()),
            resolv_conf: self.folder.join("resolv.conf"),
            resolver: Resolver::File,
            bus: None,
        }
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.folder.join("network")
    }

    /// Runs asynchronous work inside the client's namespace, with a network and the device.
    pub(crate) fn run<T: Send, F: Future<Output = T>>(
        &self,
        work: impl FnOnce(Network, TunDevice) -> F + Send,
    ) -> T {
        self.run_alone(|| work(Network::local(self.options()), self.tun()))
    }

    pub(crate) fn run_alone<T: Send, F: Future<Output = T>>(
        &self,
        work: impl FnOnce() -> F + Send,
    ) -> T {
        self.world.client.inside(|| in_runtime(work()))
    }

    pub(crate) fn client(&self) -> &Namespace {
        &self.world.client
    }

    pub(crate) fn tun(&self) -> TunDevice {
        TunDevice {
            name: "tunx".into(),
            index: self.world.client.index_of("tunx"),
        }
    }

    /// Which interface a packet to `address` leaves by, or what the kernel says instead.
    pub(crate) fn way(&self, address: &str) -> String {
        let output = self.world.client.try_ip(&format!("route get {address}"));
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let mut words = said
            .split_whitespace()
            .skip_while(|word| *word != "dev")
            .skip(1);
        words.next().unwrap_or(&said).to_owned()
    }

    pub(crate) fn names(&self) -> String {
        std::fs::read_to_string(self.folder.join("resolv.conf")).expect("the file is there")
    }

    pub(crate) fn assert_as_before(&self) {
        assert_eq!(self.before, state::of(&self.world.client));
        assert_eq!(self.names(), RESOLV_CONF);
        assert!(!self.record().exists(), "the record is left behind");
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn address(network: &str, peer: Option<&str>) -> DeviceAddress {
    DeviceAddress {
        network: network.parse().expect("a network"),
        peer: peer.map(ip),
    }
}

fn route(destination: &str, via: RouteVia) -> Route {
    Route {
        destination: destination.parse().expect("a network"),
        via,
        metric: None,
    }
}

pub(crate) fn inside(destination: &str) -> Route {
    route(destination, RouteVia::Tunnel(None))
}

/// All at once: both families, everything through the tunnel, one destination by the old way.
pub(crate) fn full_plan() -> NetPlan {
    NetPlan {
        mtu: 1400,
        addresses: vec![address("10.8.0.2/24", None), address("fd08::2/64", None)],
        routes: vec![
            route("0.0.0.0/0", RouteVia::Tunnel(Some(ip("10.8.0.1")))),
            inside("::/0"),
            route("192.0.2.0/24", RouteVia::Tunnel(Some(ip("10.8.0.1")))),
            route("203.0.113.0/24", RouteVia::PreviousDefault),
        ],
        bypass: vec![ip(FAR_V4), ip(FAR_V6), ip(SERVER_V4)],
        dns: DnsPlan {
            servers: vec![DnsServer {
                address: "10.8.0.1:0".parse().expect("an address"),
                name: None,
            }],
            ..DnsPlan::default()
        },
        ..NetPlan::default()
    }
}

#[test]
fn a_plan_in_force_leads_into_the_tunnel_and_is_taken_back_without_a_trace() -> Result<(), NetError>
{
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();

    stage.run(async |mut network, tun| {
        network.apply(tun, &full_plan()).await?;

        assert!(
            stage
                .world
                .client
                .ip("-o link show tunx")
                .contains("mtu 1400")
        );
        let addresses = stage.world.client.ip("-6 addr show dev tunx");
        assert!(addresses.contains("fd08::2/64") && !addresses.contains("tentative"));
        assert!(!addresses.contains("fe80"), "{addresses}");
        for far in [
            "192.0.2.9",
            "8.8.8.8",
            "200.1.1.1",
            "2001:db8::8",
            "fd99::1",
        ] {
            assert_eq!(stage.way(far), "tunx", "to {far}");
        }
        for near in [FAR_V4, FAR_V6, SERVER_V4, "203.0.113.5"] {
            assert_eq!(stage.way(near), "cable", "to {near}");
        }
        assert!(stage.names().contains("nameserver 10.8.0.1\n"));
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn a_route_that_is_not_ours_is_neither_changed_nor_removed() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let mut stage = Stage::new();
    stage
        .world
        .client
        .ip(&format!("route add {FAR_V4}/32 via 10.77.0.9"));
    stage
        .world
        .client
        .ip("route add 192.0.2.0/24 via 10.77.0.9");
    stage.before = state::of(&stage.world.client);

    stage.run(async |mut network, tun| {
        network.apply(tun, &full_plan()).await?;
        let routes = stage.world.client.ip("route show 192.0.2.0/24");
        assert_eq!(routes.trim(), "192.0.2.0/24 via 10.77.0.9 dev cable");
        network.refresh().await?;
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn a_set_up_that_fails_half_way_says_where_and_leaves_nothing() {
    if skipped(&[]) {
        return;
    }
    let stage = Stage::new();
    let mut plan = full_plan();
    plan.routes.push(inside("10.99.0.1/16"));

    let error = stage
        .run(async |mut network, tun| network.apply(tun, &plan).await)
        .expect_err("the kernel refuses host bits");

    assert!(
        error.to_string().contains("add the route 10.99.0.1/16"),
        "{error}"
    );
    stage.assert_as_before();
}

#[test]
fn a_change_keeps_what_stays_and_the_rest_becomes_as_planned() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut second = full_plan();
    second.mtu = 1300;
    second.addresses[0] = address("10.8.0.3/24", None);
    second.routes = vec![
        inside("172.16.0.0/12"),
        route("192.0.2.0/24", RouteVia::PreviousDefault),
        inside("203.0.113.0/24"),
    ];
    second.bypass = vec![ip(FAR_V4)];
    second.dns.servers[0].address = "10.8.0.7:0".parse().expect("an address");

    stage.run(async |mut network, tun| {
        network.apply(tun.clone(), &full_plan()).await?;
        network.change(&second).await?;

        let addresses = stage.world.client.ip("-4 addr show dev tunx");
        assert!(
            addresses.contains("10.8.0.3/24") && !addresses.contains("10.8.0.2/"),
            "{addresses}"
        );
        assert!(
            stage
                .world
                .client
                .ip("-o link show tunx")
                .contains("mtu 1300")
        );
        for (to, by) in [
            ("172.16.1.1", "tunx"),
            ("10.8.0.1", "tunx"),
            ("192.0.2.1", "cable"),
            ("203.0.113.1", "tunx"),
            ("8.8.8.8", "cable"),
            (FAR_V4, "cable"),
        ] {
            assert_eq!(stage.way(to), by, "to {to}");
        }
        assert!(stage.names().contains("nameserver 10.8.0.7\n"));
        assert!(
            stage
                .world
                .client
                .ip("route show proto 194")
                .lines()
                .count()
                == 4
        );

        network.change(&full_plan()).await?;
        assert_eq!(stage.way("8.8.8.8"), "tunx");
        assert_eq!(stage.way("192.0.2.1"), "tunx");
        network.apply(tun, &full_plan()).await?;
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn an_address_is_protected_while_the_plan_is_in_force() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();

    stage.run(async |mut network, tun| {
        network.protect(ip("8.8.4.4")).await?;
        network.apply(tun, &full_plan()).await?;
        assert_eq!(stage.way("8.8.4.4"), "tunx");
        network.protect(ip("8.8.4.4")).await?;
        network.protect(ip("8.8.4.4")).await?;
        network.protect(ip("2001:db8:4::4")).await?;
        assert_eq!(stage.way("8.8.4.4"), "cable");
        assert_eq!(stage.way("2001:db8:4::4"), "cable");
        network.change(&full_plan()).await?;
        assert_eq!(stage.way("8.8.4.4"), "tunx");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn after_a_move_to_another_router_the_server_is_reached_by_it() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();

    stage.run(async |mut network, tun| {
        network.apply(tun, &full_plan()).await?;
        stage.world.client.ip("route replace default via 10.77.0.8");
        stage.world.client.ip("route del 0.0.0.0/1");
        stage.world.client.ip("addr del 10.8.0.2/24 dev tunx");
        network.refresh().await?;
        assert!(
            stage
                .world
                .client
                .ip(&format!("route get {FAR_V4}"))
                .contains("via 10.77.0.8")
        );
        assert!(
            stage
                .world
                .client
                .ip("route get 203.0.113.1")
                .contains("via 10.77.0.8")
        );
        assert_eq!(stage.way("8.8.8.8"), "tunx");
        assert!(
            stage
                .world
                .client
                .ip("addr show dev tunx")
                .contains("10.8.0.2/24")
        );
        stage
            .world
            .client
            .ip(&format!("route replace default via {SERVER_V4}"));
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn what_a_killed_process_left_is_cleaned_up_by_its_record() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let mut stage = Stage::new();
    stage.world.client.ip("route add unreachable 192.0.2.77");
    stage.before = state::of(&stage.world.client);
    let mut plan = full_plan();
    plan.block_ipv6 = true;

    stage.run(async |mut network, tun| network.apply(tun, &plan).await)?;
    let mode = std::fs::metadata(stage.record()).expect("the record is there");
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
    stage.world.client.ip("tuntap del dev tunx mode tun");
    let found = stage.run_alone(async || cleanup(&stage.record(), None).await)?;
    assert!(found);
    assert!(!stage.run_alone(async || cleanup(&stage.record(), None).await)?);

    stage.world.client.ip("tuntap add dev tunx mode tun");
    assert_eq!(
        without_numbers(&stage.before),
        without_numbers(&state::of(&stage.world.client))
    );
    assert_eq!(stage.names(), RESOLV_CONF);
    Ok(())
}

#[test]
fn a_process_that_follows_a_killed_one_takes_over_what_is_in_force() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut second = full_plan();
    second.routes.truncate(2);
    second.addresses[0] = address("10.8.0.9/24", None);

    stage.run(async |mut network, tun| network.apply(tun, &full_plan()).await)?;
    stage.run(async |mut network, tun| {
        network.apply(tun, &second).await?;

        let addresses = stage.world.client.ip("-4 addr show dev tunx");
        assert!(
            addresses.contains("10.8.0.9/24") && !addresses.contains("10.8.0.2/"),
            "{addresses}"
        );
        assert_eq!(stage.way("8.8.8.8"), "tunx");
        assert_eq!(stage.way(FAR_V4), "cable");
        assert_eq!(stage.world.client.ip("route show 203.0.113.0/24"), "");
        network.revert().await
    })?;

    stage.world.client.ip("link set tunx mtu 1500 down");
    stage.assert_as_before();
    Ok(())
}

#[test]
fn blocked_families_and_local_subnets_are_out_of_reach() -> Result<(), NetError> {
    if skipped(&[]) {
        return Ok(());
    }
    let stage = Stage::new();
    let mut plan = full_plan();
    plan.routes.clear();
    plan.block_ipv6 = true;
    plan.block_local = true;
    plan.bypass = vec![ip(FAR_V4)];

    stage.run(async |mut network, tun| {
        network.apply(tun, &plan).await?;

        assert!(stage.way("2001:db8::8").contains("No route to host"));
        assert_eq!(stage.way("fd08::77"), "tunx");
        assert_eq!(stage.way("8.8.8.8"), "cable");
        assert_eq!(stage.way("10.77.0.66"), "tunx");
        assert_eq!(stage.way("10.77.0.200"), "tunx");
        assert_eq!(stage.way("fd77::66"), "tunx");
        assert_eq!(stage.way(SERVER_V4), "cable");
        assert_eq!(stage.way(FAR_V4), "cable");
        network.revert().await
    })?;

    stage.assert_as_before();
    Ok(())
}

#[test]
fn without_the_capability_the_error_says_what_is_missing() {
    if skipped(&[]) {
        return;
    }
    let stage = Stage::new();

    let error = stage
        .run(async |mut network, tun| {
            let mut sets = rustix::thread::capabilities(None).expect("they can be read");
            sets.effective
                .remove(rustix::thread::CapabilitySet::NET_ADMIN);
            rustix::thread::set_capabilities(None, sets).expect("they can be dropped");
            network.apply(tun, &full_plan()).await
        })
        .expect_err("it is not permitted");

    assert!(error.to_string().contains("CAP_NET_ADMIN"), "{error}");
}
