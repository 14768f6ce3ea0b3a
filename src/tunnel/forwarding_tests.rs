//! Tests of the data path: two data planes joined by real sockets, each with a device that is one end of a pair.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use rustls::crypto::SecureRandom;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::*;
use crate::sys::calls;
use crate::sys::clock::Clock;
use crate::testing::model::{Model, assert_sound};
use crate::testing::start;
use crate::tunnel::mirror::Mirror;
use crate::tunnel::socket_options::SocketOptions;
use crate::tunnel::tcp::Tcp;
use crate::tunnel::tun::{Offload, Tun};
use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::{KeyDirection, StaticKey};
use openvpn_engine::data::DataSetup;
use openvpn_engine::data::Segments;
use openvpn_engine::data::VnetHeader;
use openvpn_engine::data::{DataKey, Format};
use openvpn_engine::event::Ended;
use openvpn_engine::secret::Secret;
use openvpn_engine::settings::{CompressionPolicy, Framing, MssFix, Transport as Kind};

#[derive(Debug)]
struct NoRandom;

impl SecureRandom for NoRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), rustls::crypto::GetRandomFailed> {
        bytes.fill(1);
        Ok(())
    }
}

/// One side: its path, its device, and the kernel's end of the device.
struct Side {
    live: Forwarder<Mirror>,
    device: Option<Device>,
    kernel: AsyncFd<UnixDatagram>,
}

impl Side {
    fn new(
        transport: Transport,
        format: Format,
        direction: KeyDirection,
        now: Instant,
        offload: Offload,
    ) -> Self {
        let setup = DataSetup {
            compression: CompressionPolicy::No,
            mssfix: MssFix::Off,
            outer_ipv6: false,
            random: &NoRandom,
            reneg_bytes: None,
            reneg_packets: None,
            replay_window: 2048,
            socks_header: 0,
            transport: Kind::Udp,
            tun_mtu: 1500,
            tun_mtu_max: 1500,
        };
        let key = DataKey {
            key_id: 1,
            cipher: Cipher::Aes256Gcm,
            format,
            block: StaticKey(Secret::new(std::array::from_fn(|at| at.to_le_bytes()[0]))),
            direction,
            peer_id: Some(9),
            framing: Framing::None,
        };
        let mirror = Mirror::new(setup, &key, now).unwrap();
        let (ours, kernel) = UnixDatagram::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        kernel.set_nonblocking(true).unwrap();
        let tun = Tun::for_tests(OwnedFd::from(ours), offload);
        Self {
            live: Forwarder::new(mirror, transport, now),
            device: Some(Device::new(tun).unwrap()),
            kernel: calls::watch(kernel).unwrap(),
        }
    }
}

const FULL: Offload = Offload {
    vnet_header: true,
    udp: true,
};

async fn udp_pair() -> (Transport, Transport) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let reserve = || std::net::UdpSocket::bind(any).unwrap();
    let (one, other) = (reserve(), reserve());
    let (one_at, other_at) = (one.local_addr().unwrap(), other.local_addr().unwrap());
    let open = |socket: std::net::UdpSocket, peer| {
        let options = SocketOptions {
            inherited: Some(OwnedFd::from(socket)),
            ..SocketOptions::default()
        };
        Transport::open(Kind::Udp, peer, options, Duration::from_secs(5))
    };
    (
        open(one, other_at).await.unwrap(),
        open(other, one_at).await.unwrap(),
    )
}

async fn tcp_pair() -> (Transport, Transport) {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let limit = Duration::from_secs(5);
    let one = Transport::open(Kind::Tcp, address, SocketOptions::default(), limit)
        .await
        .unwrap();
    let (accepted, _) = listener.accept().unwrap();
    accepted.set_nonblocking(true).unwrap();
    let other = calls::watch(socket2::Socket::from(accepted)).unwrap();
    (one, Transport::Tcp(Tcp::new(other)))
}

fn sides(transports: (Transport, Transport), format: Format, offload: Offload) -> (Side, Side) {
    let now = start();
    (
        Side::new(transports.0, format, KeyDirection::Normal, now, offload),
        Side::new(transports.1, format, KeyDirection::Inverse, now, offload),
    )
}

/// A packet as the kernel hands it over: `length` bytes of TCP payload, to be cut at `size`.
fn super_packet(sequence: u32, length: usize, size: u16) -> Vec<u8> {
    let (header, packet) = Model {
        sequence,
        ..Model::tcp(&vec![7; length])
    }
    .build_super(size);
    [&header.encode()[..], &packet].concat()
}

/// Sends what the kernel would, carries it, and gives what comes out at the other side until `bytes` of packets came.
async fn through(
    from: &mut Side,
    to: &mut Side,
    packets: &[Vec<u8>],
    bytes: usize,
) -> Vec<Vec<u8>> {
    let kernel = async {
        for packet in packets {
            let sent = |kernel: &UnixDatagram| kernel.send(packet);
            from.kernel
                .async_io(Interest::WRITABLE, sent)
                .await
                .unwrap();
        }
        let mut got = Vec::new();
        let mut total = 0;
        while total < bytes {
            let mut buffer = vec![0; 70_000];
            let length = to
                .kernel
                .async_io(Interest::READABLE, |kernel| kernel.recv(&mut buffer))
                .await
                .unwrap();
            buffer.truncate(length);
            total += length;
            got.push(buffer);
        }
        got
    };
    tokio::select! {
        got = kernel => got,
        () = carry(&mut from.live, &mut from.device) => unreachable!("carrying never ends"),
        () = carry(&mut to.live, &mut to.device) => unreachable!("carrying never ends"),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("nothing came out for 20 s"),
    }
}

/// Carries traffic until dropped.
async fn carry(live: &mut Forwarder<Mirror>, device: &mut Option<Device>) {
    let clock = Clock::start();
    let mut events = VecDeque::new();
    loop {
        let ready = live.ready(device.as_ref()).await;
        live.work(clock.now(), ready, device, &mut events).unwrap();
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_super_packet_crosses_udp_and_leaves_as_one() {
    for format in [Format::Classic, Format::Epoch] {
        let (mut one, mut other) = sides(udp_pair().await, format, FULL);
        let packet = super_packet(1000, 60_000, 1300);
        let got = through(
            &mut one,
            &mut other,
            std::slice::from_ref(&packet),
            packet.len(),
        )
        .await;
        assert_eq!(got, [packet]);
        let (sent, received) = (one.live.stats(), other.live.stats());
        assert_eq!(sent.sent.packets, 47, "60000 bytes in pieces of 1300");
        assert_eq!(received.received, sent.sent);
        assert_eq!(received.tun_written, sent.tun_read);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_super_packet_crosses_tcp_unchanged_too() {
    let (mut one, mut other) = sides(tcp_pair().await, Format::Classic, FULL);
    let packet = super_packet(1000, 60_000, 1300);
    let got = through(
        &mut one,
        &mut other,
        std::slice::from_ref(&packet),
        packet.len(),
    )
    .await;
    let payload: usize = got
        .iter()
        .map(|packet| packet.len() - VnetHeader::LEN - 52)
        .sum();
    assert_eq!(
        payload, 60_000,
        "a read may end within it, so it may leave as several"
    );
    assert_eq!(other.live.stats().received.packets, 47);
}

#[tokio::test(flavor = "current_thread")]
async fn without_offload_each_packet_leaves_by_itself() {
    let plain = Offload {
        vnet_header: false,
        udp: false,
    };
    let (mut one, mut other) = sides(udp_pair().await, Format::Classic, plain);
    let packets: Vec<_> = (0..40)
        .map(|number| {
            Model {
                sequence: number * 500,
                ..Model::tcp(&[7; 500])
            }
            .build()
        })
        .collect();
    let bytes = packets.iter().map(Vec::len).sum();
    let got = through(&mut other, &mut one, &packets, bytes).await;
    assert_eq!(got, packets);
}

#[tokio::test(flavor = "current_thread")]
async fn a_kernel_that_cuts_no_messages_still_sends_every_datagram() {
    let (mut one, mut other) = sides(udp_pair().await, Format::Classic, FULL);
    let Transport::Udp(udp) = &mut one.live.transport else {
        unreachable!("a UDP pair");
    };
    udp.forbid_cutting();
    let packet = super_packet(1, 30_000, 1000);
    let got = through(
        &mut one,
        &mut other,
        std::slice::from_ref(&packet),
        packet.len(),
    )
    .await;
    let payload: usize = got
        .iter()
        .map(|packet| packet.len() - VnetHeader::LEN - 52)
        .sum();
    assert_eq!(payload, 30_000);
    assert_eq!(one.live.stats().sent.packets, 30);
}

#[tokio::test(flavor = "current_thread")]
async fn a_long_stream_arrives_whole_and_in_order() {
    let (mut one, mut other) = sides(tcp_pair().await, Format::Classic, FULL);
    let mut sequence = 0;
    // No more at a time than the pair that stands for the device holds.
    for _ in 0..25 {
        let packets: Vec<_> = (0..4)
            .map(|number| super_packet(sequence + number * 20_000, 20_000, 1300))
            .collect();
        let got = through(&mut one, &mut other, &packets, 4 * 20_000).await;
        for packet in got {
            let (header, packet) = packet.split_first_chunk().unwrap();
            for segment in cut(&VnetHeader::decode(*header).unwrap(), packet) {
                assert_sound(&segment);
                assert_eq!(segment[24..28], sequence.to_be_bytes());
                sequence += u32::try_from(segment.len() - 52).unwrap();
            }
        }
    }
    assert_eq!(sequence, 100 * 20_000);
    assert_eq!(other.live.stats().dropped(DropReason::TunWrite), 0);
}

#[tokio::test(flavor = "current_thread")]
async fn garbage_is_counted_and_harms_nothing() {
    let (mut one, mut other) = sides(udp_pair().await, Format::Classic, FULL);
    for length in 1..200 {
        one.live.transport.send(&vec![0x49; length]).unwrap();
    }
    let packet = super_packet(1000, 5000, 1300);
    let got = through(
        &mut one,
        &mut other,
        std::slice::from_ref(&packet),
        packet.len(),
    )
    .await;
    assert_eq!(got, [packet]);
    let stats = other.live.stats();
    assert_eq!(
        stats.dropped(DropReason::Decrypt) + stats.dropped(DropReason::Buffer),
        199
    );
}

#[tokio::test(flavor = "current_thread")]
async fn what_the_sockets_queue_has_no_room_for_is_counted_once() {
    let (mut one, mut other) = sides(udp_pair().await, Format::Classic, FULL);
    other.live.count_overflow(None);
    assert_eq!(other.live.stats().dropped(DropReason::NetworkQueue), 0);
    for _ in 0..20_000 {
        one.live.transport.send(&[0x49; 1400]).unwrap();
    }
    other.live.count_overflow(None);
    let dropped = other.live.stats().dropped(DropReason::NetworkQueue);
    assert!(dropped > 0);
    other.live.count_overflow(None);
    assert_eq!(
        other.live.stats().dropped(DropReason::NetworkQueue),
        dropped
    );
}

#[tokio::test(flavor = "current_thread")]
async fn the_end_of_the_stream_is_told_to_the_engine() {
    let (mut one, other) = sides(tcp_pair().await, Format::Classic, FULL);
    drop(other);
    let ready = one.live.ready(None).await;
    let mut events = VecDeque::new();
    one.live
        .work(start(), ready, &mut None, &mut events)
        .unwrap();
    let Some(Event::Ended(Ended::Failed(error))) = events.pop_front() else {
        panic!("it has ended");
    };
    assert!(
        error
            .to_string()
            .contains("the server closed the connection")
    );
}

#[test]
fn a_device_that_is_gone_is_told_from_one_that_refuses() {
    let error = |code| io::Error::from_raw_os_error(code);
    assert!(is_lost(&error(libc::EBADFD)));
    assert!(!is_lost(&error(libc::EIO)));
}

/// The packets that a super-packet is cut into.
fn cut(header: &VnetHeader, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut segments = Segments::new(header, packet).unwrap();
    let mut out = Vec::new();
    while let Some(length) = segments.next_length() {
        let mut segment = vec![0xaa; length];
        segments.write_next(&mut segment).unwrap();
        out.push(segment);
    }
    out
}
