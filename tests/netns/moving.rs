//! A client that moves: the session goes on within seconds.

use super::namespace::{SERVER_V4, SERVER_V6};
use super::scene::{self, Client, INSIDE_V4, Login, Scene, Transport, Wrapping};
use super::{client, skipped_connecting};

/// Moves, and waits for an echo through the tunnel, as often as a busy machine takes to do so in time.
fn survives_a_move(transport: Transport, remote: &str, move_away: impl Fn(&Scene)) {
    if skipped_connecting(&[]) {
        return;
    }
    if client::Program::chosen() == client::Program::Stock {
        println!("OpenVPN 2 notices a move by its time-outs alone");
        return;
    }
    for attempt in 1.. {
        let moved = tries_a_move(transport, remote, &move_away);
        println!("an echo after the move, in attempt {attempt}: {moved:?}");
        match moved {
            Ok(()) => break,
            Err(said) => assert!(attempt < MOST_ATTEMPTS, "the tunnel is dead: {said}"),
        }
    }
}

/// Connects with everything led into the tunnel, and moves. If no echo comes back in time, the answer is what the client
/// said.
fn tries_a_move(
    transport: Transport,
    remote: &str,
    move_away: impl Fn(&Scene),
) -> Result<(), String> {
    let scene = Scene::new();
    let push = match transport {
        Transport::Tcp => "push \"redirect-gateway def1 ipv6\"\n",
        Transport::Udp => "push \"redirect-gateway def1 ipv6\"\nmultihome\n",
    };
    let config = scene::server(transport, Wrapping::TlsCrypt, Login::Both) + push;
    let _server = scene.serve(&config.replace("keepalive 2 10", "keepalive 10 60"));
    let profile = scene::profile(transport, Wrapping::TlsCrypt, Login::Both, remote);
    let client = scene.connect(&(profile + "connect-retry 1 1\n"));
    client.wait_connected();
    scene.ping(&client, INSIDE_V4, &[]);

    move_away(&scene);

    passes_within_five_seconds(&scene, &client)?;
    client.leave();
    Ok(())
}

/// One echo is enough, and five seconds are all there is: far less than the keepalive would need to notice.
fn passes_within_five_seconds(scene: &Scene, client: &Client) -> Result<(), String> {
    let output = scene
        .world
        .client
        .command("ping")
        .args(["-n", "-q", "-c", "1", "-i", "0.2", "-w", "5", INSIDE_V4])
        .output()
        .expect("ping is installed");
    if output.status.success() {
        Ok(())
    } else {
        Err(client.process.text())
    }
}

/// Whoever has not survived one of so many moves in time does not.
const MOST_ATTEMPTS: u32 = 4;

fn take_another_ipv4_address(scene: &Scene) {
    let client = &scene.world.client;
    client.ip("addr add 10.77.0.55/24 dev cable");
    client.ip("addr del 10.77.0.2/24 dev cable");
    client.ip("addr replace 10.77.0.55/24 dev cable");
    client.ip(&format!("route replace default via {SERVER_V4}"));
}

#[test]
fn another_ipv4_address_is_survived_over_udp() {
    survives_a_move(Transport::Udp, SERVER_V4, take_another_ipv4_address);
}

#[test]
fn another_ipv6_address_is_survived_over_udp() {
    survives_a_move(Transport::Udp, SERVER_V6, |scene| {
        scene
            .world
            .client
            .ip("addr add fd77::55/64 dev cable nodad");
        scene.world.client.ip("addr del fd77::2/64 dev cable");
    });
}

#[test]
fn another_ipv4_address_is_survived_over_tcp() {
    survives_a_move(Transport::Tcp, SERVER_V4, take_another_ipv4_address);
}

#[test]
fn an_unplugged_cable_is_survived() {
    survives_a_move(Transport::Udp, SERVER_V4, |scene| {
        scene.world.client.ip("link set cable down");
        scene.world.client.ip("link set cable up");
        scene
            .world
            .client
            .ip(&format!("route replace default via {SERVER_V4}"));
    });
}

#[test]
fn another_router_on_another_cable_is_survived() {
    survives_a_move(Transport::Udp, SERVER_V4, |scene| {
        let (client, server) = (&scene.world.client, &scene.world.server);
        client.ip(&format!(
            "link add name other type veth peer name other netns {}",
            server.name()
        ));
        server.ip("addr add 10.78.0.1/24 dev other");
        server.ip("link set other up");
        client.ip("addr add 10.78.0.2/24 dev other");
        client.ip("link set other up");
        client.ip("link set cable down");
        client.ip("route add default via 10.78.0.1");
    });
}
