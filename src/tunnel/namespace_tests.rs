//! The device and the data plane between two kernels: every packet format and transport, with and without offload.

use std::fs::OpenOptions;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use super::socket_options::SocketOptions;
use super::{Tun, mirror};
use crate::testing::capture::*;
use crate::testing::decode::*;
use crate::testing::link::{lose_one_percent, switch_offload_off};
use crate::testing::namespace::{
    CLIENT_V4, CLIENT_V6, INSIDE_V4, INSIDE_V6, Namespace, SERVER_V4, SERVER_V6, World,
};
use crate::testing::traffic::{Direction, eight_transfers, transfer};
use crate::testing::{Defer, skipped};
use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::Digest;
use openvpn_engine::crypto::{KeyDirection, StaticKey};
use openvpn_engine::data::DataSetup;
use openvpn_engine::data::{DataKey, Format};
use openvpn_engine::secret::Secret;
use openvpn_engine::settings::{CompressionPolicy, Framing, MssFix, Transport};

#[test]
fn a_device_is_the_same_however_it_came_to_us() {
    if skipped(&[]) {
        return;
    }
    let host = Namespace::new("c");
    host.inside(|| {
        let made = Tun::create("tun").expect("root may make devices");
        assert_eq!(made.name(), "tun0");
        assert!(made.offload().vnet_header);
        let stored = made.try_clone_fd().expect("a second descriptor");
        let name = made.name().to_owned();
        let offload = made.offload();
        drop(made);
        let taken = Tun::from_fd(stored).expect("the device lives on");
        assert_eq!((taken.name(), taken.offload()), (&*name, offload));

        let open = || {
            OpenOptions::new()
                .read(true)
                .write(true)
                .open("/dev/net/tun")
        };
        let unattached = OwnedFd::from(open().expect("root may open it"));
        let attached = Tun::attach(unattached, "mine").expect("root may make devices");
        assert_eq!((attached.name(), attached.offload()), ("mine", offload));
        let second = OwnedFd::from(open().expect("root may open it"));
        let error = Tun::attach(second, "mine").expect_err("it has an owner");
        assert!(error.to_string().contains("in use"), "{error}");
        let unattached = OwnedFd::from(open().expect("root may open it"));
        Tun::from_fd(unattached).expect_err("there is no device behind it");
    });
    assert!(
        !host.try_ip("link show tun0").status.success(),
        "gone with its last descriptor"
    );
}

/// How one tunnel is made.
#[derive(Debug, Clone, Copy)]
struct Kind {
    cipher: Cipher,
    format: Format,
    framing: Framing,
    transport: Transport,
    outer_v6: bool,
}

const PLAIN: Kind = Kind {
    cipher: Cipher::Aes256Gcm,
    format: Format::Classic,
    framing: Framing::None,
    transport: Transport::Udp,
    outer_v6: false,
};

fn setup(kind: Kind) -> DataSetup {
    DataSetup {
        compression: CompressionPolicy::No,
        mssfix: MssFix::Default,
        outer_ipv6: kind.outer_v6,
        random: rustls::crypto::ring::default_provider().secure_random,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        transport: kind.transport,
        tun_mtu: 1500,
        tun_mtu_max: 1600,
        socks_header: 0,
    }
}

fn key(kind: Kind, direction: KeyDirection) -> DataKey {
    DataKey {
        key_id: 0,
        cipher: kind.cipher,
        format: kind.format,
        block: StaticKey(Secret::new(std::array::from_fn(|at| at.to_le_bytes()[0]))),
        direction,
        peer_id: Some(1),
        framing: kind.framing,
    }
}

fn address(kind: Kind, v4: &str, v6: &str) -> SocketAddr {
    let text = if kind.outer_v6 { v6 } else { v4 };
    SocketAddr::new(text.parse::<IpAddr>().expect("an address"), PORT)
}

/// The sockets of both ends, of the client first.
fn sockets(world: &World, kind: Kind) -> [SocketOptions; 2] {
    let client = address(kind, CLIENT_V4, CLIENT_V6);
    let server = address(kind, SERVER_V4, SERVER_V6);
    let bound = |local| SocketOptions {
        local: Some(local),
        ..SocketOptions::default()
    };
    match kind.transport {
        Transport::Udp => [bound(client), bound(server)],
        Transport::Tcp => {
            let listener = world
                .server
                .inside(|| TcpListener::bind(server).expect("a free port"));
            let near = world
                .client
                .inside(|| TcpStream::connect(server).expect("a listener"));
            let (far, _) = listener.accept().expect("the connection is there");
            [near, far].map(|stream| SocketOptions {
                inherited: Some(OwnedFd::from(stream)),
                ..SocketOptions::default()
            })
        }
    }
}

/// Runs a tunnel of this kind, lets `work` use it, and takes it down.
fn with_tunnel(world: &World, kind: Kind, work: impl FnOnce()) {
    let client = address(kind, CLIENT_V4, CLIENT_V6);
    let server = address(kind, SERVER_V4, SERVER_V6);
    let [near, far] = sockets(world, kind);
    let ends = [
        (
            &world.client,
            near,
            server,
            KeyDirection::Normal,
            ("10.9.0.2", "fd09::2"),
        ),
        (
            &world.server,
            far,
            client,
            KeyDirection::Inverse,
            (INSIDE_V4, INSIDE_V6),
        ),
    ];
    std::thread::scope(|scope| {
        for (host, socket, peer, direction, (v4, v6)) in ends {
            let tun = host.inside(|| Tun::create("tun0").expect("root may make devices"));
            host.ip("link set tun0 addrgenmode none");
            host.ip(&format!("addr add {v4}/24 dev tun0"));
            host.ip(&format!("addr add {v6}/64 dev tun0 nodad"));
            host.ip("link set tun0 up");
            let carry =
                move || mirror::carry(tun, setup(kind), &key(kind, direction), peer, socket);
            // It ends with its device, or with the stream when the other end's device has gone.
            scope.spawn(move || drop(host.inside(carry)));
        }
        // A device that is deleted is lost to whoever reads it.
        let _gone = Defer(|| {
            for host in [&world.client, &world.server] {
                host.try_ip("link del tun0");
            }
        });
        work();
    });
}

fn both_ways(world: &World, bytes: u64) {
    transfer(world, Direction::Up, bytes);
    transfer(world, Direction::Down, bytes);
}

#[test]
fn streams_keep_their_digest_in_every_packet_format() {
    if skipped(&[]) {
        return;
    }
    let world = World::new();
    let legacy = |digest| Format::Legacy { digest };
    let kinds = [
        PLAIN,
        Kind {
            format: Format::Epoch,
            ..PLAIN
        },
        Kind {
            cipher: Cipher::ChaCha20Poly1305,
            framing: Framing::Lzo,
            ..PLAIN
        },
        Kind {
            cipher: Cipher::Aes128Gcm,
            framing: Framing::Swap,
            ..PLAIN
        },
        Kind {
            cipher: Cipher::Aes256Cbc,
            format: legacy(Digest::Sha1),
            ..PLAIN
        },
        Kind {
            outer_v6: true,
            ..PLAIN
        },
        Kind {
            transport: Transport::Tcp,
            ..PLAIN
        },
        Kind {
            transport: Transport::Tcp,
            outer_v6: true,
            format: Format::Epoch,
            ..PLAIN
        },
    ];
    for kind in kinds {
        println!("{kind:?}");
        with_tunnel(&world, kind, || both_ways(&world, 8 << 20));
    }
}

#[test]
fn streams_keep_their_digest_over_a_bad_cable_without_offload() {
    if skipped(&["ethtool", "nft"]) {
        return;
    }
    let world = World::new();
    for host in [&world.client, &world.server] {
        switch_offload_off(host, "cable");
    }
    with_tunnel(&world, PLAIN, || both_ways(&world, 8 << 20));
    for host in [&world.client, &world.server] {
        lose_one_percent(host);
    }
    with_tunnel(&world, PLAIN, || both_ways(&world, 2 << 20));
}

#[test]
fn eight_streams_arrive_unchanged_between_two_of_us() {
    if skipped(&[]) {
        return;
    }
    let world = World::new();
    with_tunnel(&world, PLAIN, || eight_transfers(&world, 1 << 25));
}

#[test]
fn eight_streams_arrive_unchanged_between_two_of_us_without_offload_and_with_losses() {
    if skipped(&["ethtool", "nft"]) {
        return;
    }
    let world = World::new();
    for host in [&world.client, &world.server] {
        switch_offload_off(host, "cable");
    }
    with_tunnel(&world, PLAIN, || eight_transfers(&world, 1 << 24));
    for host in [&world.client, &world.server] {
        lose_one_percent(host);
    }
    with_tunnel(&world, PLAIN, || eight_transfers(&world, 1 << 21));
}

#[test]
fn what_is_joined_is_passed_on_to_a_network_without_offload_as_it_was_sent() {
    if skipped(&["tcpdump", "python3", "ethtool"]) {
        return;
    }
    let world = World::new();
    let lan = behind(&world.client);
    with_tunnel(&world, PLAIN, || {
        world.server.ip("route add 10.55.0.0/24 dev tun0");
        world.server.ip("-6 route add fd55::/64 dev tun0");
        let [whole, joined, cut] = without_a_loss(|| {
            let captures = [
                Capture::start(&world.server, "tun0", "out"),
                Capture::start(&world.client, "tun0", "in"),
                Capture::start(&lan, "lan", "in"),
            ];
            for address in [LAN_V4, LAN_V6] {
                talk(&world.server, &lan, address)?;
            }
            Ok(captures.map(|capture| capture.packets(|| finish(&world.server, LAN_V4))))
        });

        assert!(
            joined.iter().any(|packet| packet.length > MTU),
            "no packets were joined"
        );
        assert!(
            joined
                .iter()
                .all(|packet| packet.checksum != Checksum::Wrong)
        );
        assert_whole(&cut);
        for address in [LAN_V4, LAN_V6] {
            assert_cut(&whole, &cut, address);
            assert_cut(&joined, &cut, address);
            assert_datagrams(&cut, address);
        }
    });
}

const PORT: u16 = 1194;
