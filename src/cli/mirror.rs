//! `mirror client|server udp|tcp CIPHER LOCAL PEER DEVICE`: one end of a tunnel without a control channel.
//!
//! `CIPHER` is a data cipher's name, or `plain` for none at all (over UDP); `LOCAL` and `PEER` are addresses with ports.
//! Over TCP the server waits for the client; it listens once its device is there. Both ends hold the same key, which is
//! no secret: this is for benchmarks.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use clap::Args;

use crate::daemon::environment;
use crate::tunnel::Tun;
use crate::tunnel::mirror::{carry, carry_plain};
use crate::tunnel::socket_options::SocketOptions;
use openvpn_engine::crypto::{KeyDirection, StaticKey};
use openvpn_engine::data::DataSetup;
use openvpn_engine::data::{DataKey, Format};
use openvpn_engine::secret::Secret;
use openvpn_engine::settings::{CompressionPolicy, Framing, MssFix, Transport};

/// Arguments of `mirror`.
#[derive(Debug, Args)]
pub struct MirrorArgs {
    /// Role, transport, cipher, local address, peer's address, device.
    words: Vec<String>,
}

/// Carries packets until a signal comes.
pub fn main(args: &MirrorArgs) -> ExitCode {
    match run(&args.words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the mirror ends");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> io::Result<()> {
    let _log = crate::log::init(3, None);
    let [role, transport, cipher, local, peer, device] = words else {
        return Err(io::Error::other(
            "usage: mirror client|server udp|tcp CIPHER|plain LOCAL PEER DEVICE",
        ));
    };
    let address = |text: &str| text.parse::<SocketAddr>().map_err(io::Error::other);
    let (local, peer) = (address(local)?, address(peer)?);
    let transport = match transport.as_str() {
        "tcp" => Transport::Tcp,
        _ => Transport::Udp,
    };
    let listener = match (transport, role.as_str()) {
        (Transport::Tcp, "server") => Some(TcpListener::bind(local)?),
        _ => None,
    };
    let tun = Tun::create(device)?;
    let socket = match (listener, transport) {
        (Some(listener), _) => SocketOptions {
            inherited: Some(accept(&listener)?),
            ..SocketOptions::default()
        },
        (None, Transport::Tcp) => SocketOptions::default(),
        (None, Transport::Udp) => SocketOptions {
            local: Some(local),
            ..SocketOptions::default()
        },
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
        random: environment().provider.secure_random,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        socks_header: 0,
        transport,
        tun_mtu: 1500,
        tun_mtu_max: 1600,
    };
    carry(tun, setup, &key, peer, socket)
}

/// The stream of the first who comes.
fn accept(listener: &TcpListener) -> io::Result<OwnedFd> {
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    Ok(stream.into())
}
