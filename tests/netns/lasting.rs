//! A tunnel that carries much, for long, and over narrow paths.

use super::namespace::{FAR_V4, SERVER_V4};
use super::process::Process;
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;
use super::traffic::{Direction, stream, transfer};

/// No link of a test carries so much within the time that three renewals take.
const TOO_MUCH: u64 = 1 << 35;

/// How many key negotiations the server has finished.
fn negotiations(server: &Process) -> usize {
    server.count(|line| line.contains("Control Channel: TLS"))
}

/// Streams in both directions until the keys have been renewed three times in each.
fn renew_keys(transport: Transport, wrapping: Wrapping, server_says: &str, client_says: &str) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let server = scene.serve(&(scene::server(transport, wrapping, Login::Both) + server_says));
    let client =
        scene.connect(&(scene::profile(transport, wrapping, Login::Both, SERVER_V4) + client_says));
    client.wait_connected();

    for direction in [Direction::Up, Direction::Down] {
        let enough = negotiations(&server) + 3;
        stream(&scene.world, direction, |sent| {
            client.process.assert_running();
            negotiations(&server) < enough && sent < TOO_MUCH
        });
        assert!(negotiations(&server) >= enough, "the keys are not renewed");
    }

    scene.assert_passes(&client);
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_server_that_renews_keys_every_two_seconds_breaks_no_stream_over_udp() {
    renew_keys(
        Transport::Udp,
        Wrapping::TlsCrypt,
        "reneg-sec 2\n",
        "reneg-sec 0\n",
    );
}

#[test]
fn a_client_that_renews_keys_every_two_seconds_breaks_no_stream_over_udp() {
    renew_keys(
        Transport::Udp,
        Wrapping::TlsAuth,
        "reneg-sec 0\n",
        "reneg-sec 2\n",
    );
}

#[test]
fn both_renewing_keys_every_two_seconds_break_no_stream_over_tcp() {
    renew_keys(
        Transport::Tcp,
        Wrapping::TlsCryptV2,
        "reneg-sec 2\n",
        "reneg-sec 2\n",
    );
}

#[test]
fn much_arrives_unchanged_in_both_directions_over_tcp() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&scene::server(
        Transport::Tcp,
        Wrapping::None,
        Login::Certificate,
    ));
    let profile = scene::profile(
        Transport::Tcp,
        Wrapping::None,
        Login::Certificate,
        SERVER_V4,
    );
    let client = scene.connect(&profile);
    client.wait_connected();

    transfer(&scene.world, Direction::Up, 1 << 26);
    transfer(&scene.world, Direction::Down, 1 << 26);

    client.leave();
}

#[test]
fn a_path_of_1200_bytes_is_wide_enough() {
    if skipped_connecting(&[]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let scene = Scene::new();
        scene.world.client.ip("link set cable mtu 1200");
        scene.world.server.ip("link set cable mtu 1200");
        let _server = scene.serve(&scene::server(transport, Wrapping::TlsCryptV2, Login::Both));
        let client = scene.connect(&scene::profile(
            transport,
            Wrapping::TlsCryptV2,
            Login::Both,
            SERVER_V4,
        ));
        client.wait_connected();

        transfer(&scene.world, Direction::Up, 1 << 23);
        transfer(&scene.world, Direction::Down, 1 << 23);
        scene.ping(&client, scene::INSIDE_V4, &["-s", "1400"]);

        client.leave();
    }
}

#[test]
fn all_traffic_goes_through_the_tunnel_when_the_server_says_so_and_none_afterwards() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let push = "push \"redirect-gateway def1 ipv6\"\npush \"route 203.0.113.0 255.255.255.0 net_gateway\"\n\
                push \"dhcp-option DNS 10.9.0.1\"\npush \"dhcp-option DOMAIN corp.example\"\n";
    let _server =
        scene.serve(&(scene::server(Transport::Udp, Wrapping::TlsAuth, Login::Certificate) + push));
    let profile = scene::profile(
        Transport::Udp,
        Wrapping::TlsAuth,
        Login::Certificate,
        SERVER_V4,
    );
    let client = scene.connect(&profile);
    client.wait_connected();

    scene.ping(&client, FAR_V4, &[]);
    for (to, by) in [
        (FAR_V4, "tun"),
        ("8.8.8.8", "tun"),
        ("2001:db8:5::1", "tun"),
        (SERVER_V4, "cable"),
        ("203.0.113.7", "cable"),
    ] {
        let way = scene.world.client.ip(&format!("route get {to}"));
        assert!(way.contains(&format!("dev {by}")), "to {to}: {way}");
    }
    transfer(&scene.world, Direction::Down, 1 << 22);

    client.leave();
    scene.assert_as_before();
}
