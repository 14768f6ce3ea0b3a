//! Streams that keep their digest under load: many at once, over good cables and bad ones.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::link::{lose_one_percent, switch_offload_off};
use super::namespace::{SERVER_V4, World};
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::traffic::eight_transfers;
use super::{Defer, skipped_connecting};

/// Eight streams of so many bytes at once, through the program and a stock server; `port` is where the program believes
/// the server to be.
fn through_a_server(scene: &Scene, bytes: u64, port: u16) {
    let _server = scene.serve(&scene::server(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
    ));
    let profile = scene::profile(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        SERVER_V4,
    );
    let client = scene.connect(&profile.replace(" 1194\n", &format!(" {port}\n")));
    client.wait_connected();

    eight_transfers(&scene.world, bytes);

    client.leave();
}

#[test]
fn a_gibibyte_in_eight_streams_arrives_unchanged() {
    if skipped_connecting(&[]) {
        return;
    }
    through_a_server(&Scene::new(), 1 << 27, PORT);
}

#[test]
fn eight_streams_arrive_unchanged_over_a_cable_without_offload() {
    if skipped_connecting(&["ethtool"]) {
        return;
    }
    let scene = Scene::new();
    for host in [&scene.world.client, &scene.world.server] {
        switch_offload_off(host, "cable");
    }
    through_a_server(&scene, 1 << 24, PORT);
}

#[test]
fn eight_streams_arrive_unchanged_over_a_cable_that_loses_and_reorders() {
    if skipped_connecting(&["nft"]) {
        return;
    }
    let scene = Scene::new();
    for host in [&scene.world.client, &scene.world.server] {
        lose_one_percent(host);
    }
    let near = socket(&scene.world, (SERVER_V4, CROSSING));
    let far = socket(&scene.world, (SERVER_V4, 0));
    far.connect((SERVER_V4, PORT)).expect("an address");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| shuffle(&near, &far, &over));
        scope.spawn(|| shuffle(&far, &near, &over));
        let _over = Defer(|| over.store(true, Ordering::Relaxed));
        through_a_server(&scene, 1 << 21, CROSSING);
    });
}

/// A socket on the server's host that looks up now and then.
fn socket(world: &World, address: (&str, u16)) -> UdpSocket {
    let socket = world
        .server
        .inside(|| UdpSocket::bind(address).expect("a free port"));
    socket
        .set_read_timeout(Some(Duration::from_millis(5)))
        .expect("a time-out can be set");
    socket
}

/// Passes datagrams on from one socket to the other, every tenth of them behind one to three that came after it.
fn shuffle(from: &UdpSocket, to: &UdpSocket, over: &AtomicBool) {
    let mut buffer = [0; 2048];
    let mut late: Option<(Vec<u8>, u64)> = None;
    let mut number = 0_u64;
    let send = |datagram: &[u8]| {
        // Before the client has said something there is nobody to send to, and none to wait.
        let _sent = to.send(datagram);
    };
    while !over.load(Ordering::Relaxed) {
        let Ok((length, source)) = from.recv_from(&mut buffer) else {
            // Nothing comes behind it.
            if let Some((datagram, _)) = late.take() {
                send(&datagram);
            }
            continue;
        };
        if number == 0 {
            from.connect(source).expect("it has an address");
        }
        number += 1;
        let datagram = &buffer[..length];
        if late.is_none() && number % 10 == 0 {
            late = Some((datagram.to_vec(), number + 1 + number / 10 % 3));
            continue;
        }
        send(datagram);
        if let Some((datagram, _)) = late.take_if(|(_, until)| *until <= number) {
            send(&datagram);
        }
    }
}

/// Where the server is.
const PORT: u16 = 1194;
/// Where datagrams are put into disorder on their way to it.
const CROSSING: u16 = 1195;
