//! One end of a tunnel without a control channel: `mirror client|server CIPHER LOCAL PEER DEVICE`.
//!
//! `CIPHER` is a data cipher's name or `plain`; `LOCAL` and `PEER` are UDP addresses with ports. Both ends hold the same
//! key, which is no secret: this is for benchmarks.

use std::io;
use std::net::SocketAddr;

use openvpn3_backend::engine::crypto::static_key::{KeyDirection, StaticKey};
use openvpn3_backend::engine::data::key::{DataKey, Format};
use openvpn3_backend::engine::data::plane::DataSetup;
use openvpn3_backend::engine::secret::Secret;
use openvpn3_backend::engine::settings::{CompressionPolicy, Framing, MssFix, Transport};
use openvpn3_backend::service::cli::surroundings;
use openvpn3_backend::service::tunnel::mirror::{carry, carry_plain};
use openvpn3_backend::service::tunnel::{SocketOptions, Tun};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, cipher, local, peer, device] = arguments.as_slice() else {
        return Err(io::Error::other(
            "usage: mirror client|server CIPHER|plain LOCAL PEER DEVICE",
        ));
    };
    let address = |text: &str| text.parse::<SocketAddr>().map_err(io::Error::other);
    let tun = Tun::create(device)?;
    let peer = address(peer)?;
    let socket = SocketOptions {
        local: Some(address(local)?),
        ..SocketOptions::default()
    };
    if cipher == "plain" {
        return carry_plain(tun, peer, socket);
    }
    let direction = match role.as_str() {
        "client" => KeyDirection::Normal,
        _ => KeyDirection::Inverse,
    };
    let mut block = [0; 256];
    for (byte, number) in block.iter_mut().zip(0_u8..) {
        *byte = number;
    }
    let key = DataKey {
        key_id: 0,
        cipher: cipher.parse().map_err(io::Error::other)?,
        format: Format::Classic,
        block: StaticKey(Secret::new(block)),
        direction,
        peer_id: Some(0),
        framing: Framing::None,
    };
    let setup = DataSetup {
        compression: CompressionPolicy::No,
        mssfix: MssFix::Mtu(1492),
        outer_ipv6: false,
        random: surroundings().provider.secure_random,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        socks_header: 0,
        transport: Transport::Udp,
        tun_mtu: 1500,
        tun_mtu_max: 1600,
    };
    carry(tun, setup, &key, peer, socket)
}
