//! Captures of the traffic on both sides of the data plane: what it cut and joined must be what a network card would
//! have made of it.

use super::capture::*;
use super::namespace::{INSIDE_V4, INSIDE_V6, SERVER_V4, World};
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;

#[test]
fn what_is_cut_arrives_at_a_stock_server_as_a_network_card_would_have_cut_it() {
    if skipped_connecting(&["tcpdump", "python3"]) {
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
    let client = scene.connect(&profile);
    client.wait_connected();
    let World {
        client: from,
        server: to,
    } = &scene.world;

    let [whole, cut] = without_a_loss(|| {
        let captures = [
            Capture::start(from, "tun0", "out"),
            Capture::start(to, "tun0", "in"),
        ];
        for address in [INSIDE_V4, INSIDE_V6] {
            talk(from, to, address)?;
        }
        Ok(captures.map(|capture| capture.packets(|| finish(from, INSIDE_V4))))
    });

    assert!(
        whole.iter().any(|packet| packet.length > MTU),
        "no packet was cut"
    );
    assert_whole(&cut);
    for address in [INSIDE_V4, INSIDE_V6] {
        assert_cut(&whole, &cut, address);
        assert_datagrams(&cut, address);
    }
    client.leave();
}
