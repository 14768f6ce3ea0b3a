//! The example of the engine's crate, a client without a TUN device, with a real server.

use std::path::Path;

use super::namespace::SERVER_V4;
use super::process::Process;
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::{pki, skipped};

#[test]
fn the_engines_example_connects_and_hears_an_echo_through_the_tunnel() {
    if skipped(&["openvpn", "openssl"]) {
        return;
    }
    let example =
        Path::new(env!("CARGO_BIN_EXE_openvpn3-backend")).with_file_name("examples/client");
    if !example.exists() {
        println!("skipped: the example is not built (cargo build --workspace --examples)");
        return;
    }
    let scene = Scene::new();
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
    let path = scene.file("client.ovpn", &profile);
    pki::offer_in(path.parent().expect("it lies in a folder"));

    let mut client = Process::start(
        "the example",
        scene
            .world
            .client
            .command(&example.to_string_lossy())
            .arg(&path),
    );
    client.wait_for("an answer from inside the tunnel", |line| {
        line.starts_with("echo reply from [10, 9, 0, 1]")
    });
    assert!(client.wait().success());
}
