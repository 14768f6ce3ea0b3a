//! Servers that compress what they send.

use super::namespace::SERVER_V4;
use super::scene::{self, INSIDE_V4, Login, Scene, Transport, Wrapping};
use super::{skipped, skipped_connecting};

/// The documented exit status.
const INCOMPATIBLE: u8 = 16;
/// A packet that servers compress: it is long, and every byte is the same.
const EVEN: &[&str] = &["-s", "1200", "-p", "00"];

fn server(says: &str) -> String {
    let config = scene::server(Transport::Udp, Wrapping::TlsCrypt, Login::Certificate);
    format!("{config}allow-compression yes\n{says}\n")
}

fn profile(says: &str) -> String {
    let wrapping = Wrapping::TlsCrypt;
    let profile = scene::profile(Transport::Udp, wrapping, Login::Certificate, SERVER_V4);
    format!("{profile}{says}\n")
}

/// With what the server pushes, or what only server and profile know, compressed packets come through.
fn decompresses(server_says: &str, client_says: &str) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&server(server_says));
    let client = scene.connect(&profile(&format!("allow-compression asym\n{client_says}")));
    client.wait_connected();

    scene.assert_passes(&client);
    scene.ping(&client, INSIDE_V4, EVEN);

    client.leave();
    scene.assert_as_before();
}

#[test]
fn lz4_comes_through() {
    decompresses("compress lz4\npush \"compress lz4\"", "");
}

#[test]
fn lz4_of_the_second_kind_comes_through() {
    decompresses("compress lz4-v2\npush \"compress lz4-v2\"", "");
}

#[test]
fn lzo_comes_through() {
    decompresses("comp-lzo yes\npush \"comp-lzo yes\"", "");
}

#[test]
fn lzo_that_both_sides_were_configured_for_comes_through() {
    decompresses("compress lzo", "comp-lzo");
}

#[test]
fn a_profile_that_allows_no_compression_gets_none() {
    if skipped_connecting(&[]) || skipped(&[]) {
        return;
    }
    for (server_says, client_says) in [
        ("compress lz4", "compress lz4\nallow-compression no"),
        ("comp-lzo yes", "comp-lzo no"),
    ] {
        let scene = Scene::new();
        let _server = scene.serve(&server(server_says));
        let client = scene.connect(&profile(client_says));
        client.wait_connected();

        // What is too short to be compressed comes as it is, so that the others show the server compresses at all.
        scene.ping(&client, INSIDE_V4, &[]);
        let mut ping = scene.world.client.command("ping");
        ping.args(["-n", "-q", "-c", "6", "-i", "0.05", "-W", "1"]);
        let output = ping.args(EVEN).arg(INSIDE_V4).output();
        let output = output.expect("ping is installed");
        assert!(!output.status.success(), "compressed packets came through");
        scene.ping(&client, INSIDE_V4, &[]);
        client.wait_for("the cause", |line| line.contains("are compressed"));

        client.leave();
        scene.assert_as_before();
    }
}

#[test]
fn a_profile_that_names_an_algorithm_understands_it() {
    if skipped_connecting(&[]) {
        return;
    }
    for (server_says, client_says) in [
        ("comp-lzo yes", "comp-lzo"),
        ("compress lzo", "compress lzo"),
        ("compress lz4", "compress lz4"),
        ("compress lz4-v2", "compress lz4-v2"),
    ] {
        let scene = Scene::new();
        let _server = scene.serve(&server(server_says));
        let client = scene.connect(&profile(client_says));
        client.wait_connected();
        scene.ping(&client, INSIDE_V4, EVEN);
        client.leave();
    }
}

#[test]
fn framing_on_one_side_alone_is_named_with_what_to_change() {
    if skipped_connecting(&[]) {
        return;
    }
    for (server_says, client_says, cause) in [
        (
            "comp-lzo no",
            "",
            "a header that the profile does not expect",
        ),
        ("compress", "", "a header that the profile does not expect"),
        ("", "comp-lzo no", "lack the compression header"),
        (
            "fragment 1200",
            "",
            "a header that the profile does not expect",
        ),
        ("", "fragment 1200", "cannot be reassembled"),
    ] {
        let scene = Scene::new();
        let _server = scene.serve(&server(server_says));
        let client = scene.connect(&profile(client_says));
        client.wait_connected();
        let mut ping = scene.world.server.command("ping");
        ping.args(["-n", "-q", "-c", "10", "-i", "0.05", "-W", "1", "10.9.0.2"]);
        drop(ping.output().expect("ping is installed"));
        client.wait_for(cause, |line| line.contains(cause));
        client.leave();
    }
}

#[test]
fn a_server_that_insists_is_refused_by_a_profile_that_allows_no_compression() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&server("compress lz4\npush \"compress lz4\""));
    let client = scene.connect(&profile("connect-retry 1 1\nconnect-retry-max 1"));
    let text = client.fail(INCOMPATIBLE);
    assert!(text.contains("compress lz4"), "{text}");
    scene.assert_as_before();
}
