//! Paths that lose large packets without a word: noticed, told, and the tunnel fitted to what passes.

use std::net::UdpSocket;
use std::time::Duration;

use super::namespace::{SERVER_V4, SERVER_V6};
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::traffic::{Direction, transfer};
use super::{client, skipped_connecting};

/// What the path lets through.
const LARGEST: u16 = 1400;

/// The header that counts where packets leave.
const ETHERNET: u16 = 14;

/// Loses every packet above the limit between the hosts, in both directions. No ICMP tells anybody.
fn narrow(scene: &Scene) {
    let host = &scene.world.server;
    let rules = format!(
        "table netdev narrow {{\n\
         chain in {{ type filter hook ingress device cable priority 0; meta length > {LARGEST} drop; }}\n\
         chain out {{ type filter hook egress device cable priority 0; meta length > {} drop; }}\n}}\n",
        LARGEST + ETHERNET
    );
    let file = scene.file("narrow.nft", &rules);
    let output = host.command("nft").arg("-f").arg(file).output();
    let output = output.expect("nft is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // What passes a virtual cable in one piece is none on a real one.
    for end in [host, &scene.world.client] {
        end.ip("link set cable gso_max_segs 1");
    }
}

fn noticed_and_fitted(remote: &str, mssfix: u16, mtu: u16, more: &str) {
    if skipped_connecting(&["nft"]) {
        return;
    }
    if client::Program::chosen() == client::Program::Stock {
        println!("OpenVPN 2 does not look for what passes");
        return;
    }
    let scene = Scene::new();
    narrow(&scene);
    let config = scene::server(Transport::Udp, Wrapping::TlsCrypt, Login::Certificate);
    let _server = scene.serve(&(config + more));
    let profile = scene::profile(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        remote,
    );

    let client = scene.connect(&(profile + more));
    client.wait_connected();

    let said = client.process.wait_for("that packets get lost", |line| {
        line.contains("large packets get lost")
    });
    assert!(said.contains(&format!("\"mssfix {mssfix} mtu\"")), "{said}");
    assert!(said.contains(&format!("\"tun-mtu {mtu}\"")), "{said}");
    transfer(&scene.world, Direction::Up, 1 << 20);
    transfer(&scene.world, Direction::Down, 1 << 20);
    long_datagram_arrives(&scene);
    client.leave();
}

/// The kernel cuts what is too long for the device, and puts it together at the other end.
fn long_datagram_arrives(scene: &Scene) {
    let inside = (scene::INSIDE_V4, 0);
    let there = scene.world.server.inside(|| UdpSocket::bind(inside));
    let there = there.expect("the server's end of the tunnel is up");
    let here = scene.world.client.inside(|| UdpSocket::bind("0.0.0.0:0"));
    let here = here.expect("any port will do");
    there
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a time-out can be set");
    let arrived = (0..5).any(|_| {
        let to = there.local_addr().expect("it is bound");
        here.send_to(&[7; 1450], to).expect("there is a way");
        there.recv(&mut [0; 2000]).is_ok_and(|size| size == 1450)
    });
    assert!(arrived, "a long datagram gets lost");
}

#[test]
fn a_path_that_swallows_large_packets_is_noticed_and_the_tunnel_fitted_to_it() {
    noticed_and_fitted(SERVER_V4, LARGEST, 1348, "");
}

#[test]
fn a_narrow_path_is_noticed_over_ipv6_and_with_old_ciphers() {
    noticed_and_fitted(
        SERVER_V6,
        // The packets grow by blocks of 16 bytes.
        1380,
        1275,
        "cipher AES-256-CBC\ndata-ciphers AES-256-CBC\nauth SHA256\n",
    );
}
