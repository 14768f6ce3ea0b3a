//! More than the processor can take: garbage on the port, and packets faster than they can be sealed or opened.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::load_cost::kibibytes;
use super::namespace::{CLIENT_V4, INSIDE_V4, Namespace, SERVER_V4};
use super::process::Process;
use super::scene::{self, Client, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;

#[test]
fn a_million_datagrams_of_garbage_neither_starve_a_session_nor_fill_its_memory() {
    if skipped_connecting(&[]) {
        return;
    }
    stands_garbage("", SERVER_V4, 1_000_000);
}

#[test]
fn garbage_from_anywhere_does_not_harm_a_session_that_lets_it_in() {
    if skipped_connecting(&[]) {
        return;
    }
    stands_garbage("float\n", "10.77.0.99", 200_000);
}

/// So much garbage comes to the client's port while echoes are asked for.
fn stands_garbage(client_says: &str, source: &str, count: u32) {
    let scene = Scene::new();
    let (server, client) = connect(&scene, client_says);
    scene.assert_passes(&client);
    let memory = kibibytes(&client.process, "VmHWM");
    let full_before = not_taken(&scene.world.client);

    let over = AtomicBool::new(false);
    let mut answers = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            flood(&scene.world.server, source, count);
            over.store(true, Ordering::Relaxed);
        });
        while !over.load(Ordering::Relaxed) {
            scene.ping(&client, INSIDE_V4, &[]);
            answers += 1;
        }
    });
    scene.assert_passes(&client);

    let grown = kibibytes(&client.process, "VmHWM") - memory;
    println!("echoes asked for {answers} times, memory grew by {grown} KiB");
    assert!(answers > 1);
    assert!(grown < 1024, "the memory grew by {grown} KiB");
    // What the socket had no room for, the kernel counts.
    let full = not_taken(&scene.world.client) - full_before;
    wait_for_counters(&scene, &client, |counters| {
        let dropped: u64 = DROPS.iter().map(|name| counter(counters, name)).sum();
        dropped + full >= u64::from(count)
    });
    assert_undisturbed(&server, &client);
    client.leave();
}

#[test]
fn keys_are_renewed_while_more_is_sent_than_the_processor_can_seal() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let (server, client) = connect(&scene, "reneg-sec 2\n");
    scene.assert_passes(&client);

    overload(&scene.world.client, INSIDE_V4, &server);

    // What is too much is lost in front of the device, where the kernel counts it.
    let lost = scene
        .world
        .client
        .inside(|| std::fs::read_to_string("/proc/thread-self/net/dev").expect("it is there"));
    let device = lost.lines().find(|line| line.trim().starts_with("tun0:"));
    let lost = device.and_then(|line| line.split_whitespace().nth(TRANSMIT_DROPS));
    let lost: u64 = lost.and_then(|lost| lost.parse().ok()).expect("a number");
    println!("{lost} packets were lost in front of the device");
    assert!(lost > 0);
    assert_undisturbed(&server, &client);
    client.leave();
}

#[test]
fn keys_are_renewed_while_more_arrives_than_the_processor_can_open() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let (server, client) = connect(&scene, "reneg-sec 2\n");
    scene.assert_passes(&client);

    overload(&scene.world.server, "10.9.0.2", &server);

    assert_undisturbed(&server, &client);
    client.leave();
}

/// Without anything that protects the control channel: what is no TLS of ours must be refused later than with it.
fn connect(scene: &Scene, client_says: &str) -> (Process, Client) {
    let server = scene.serve(&scene::server(
        Transport::Udp,
        Wrapping::None,
        Login::Certificate,
    ));
    let profile = scene::profile(
        Transport::Udp,
        Wrapping::None,
        Login::Certificate,
        SERVER_V4,
    );
    let profile = profile.replace("nobind\n", &format!("lport {PORT}\n"));
    let client = scene.connect(&(profile + client_says));
    client.wait_connected();
    (server, client)
}

/// It is the connection of the beginning.
fn assert_undisturbed(server: &Process, client: &Client) {
    client.process.assert_running();
    let connected = |line: &str| line.to_lowercase().starts_with("connected");
    assert_eq!(
        client.process.count(connected),
        1,
        "{}",
        client.process.text()
    );
    let initiated = |line: &str| line.contains("Peer Connection Initiated");
    assert_eq!(server.count(initiated), 1, "{}", server.text());
}

/// Sends small datagrams as fast as two threads can, until keys have been renewed twice.
fn overload(from: &Namespace, to: &str, server: &Process) {
    let negotiations = || server.count(|line| line.contains("Control Channel: TLS"));
    let enough = negotiations() + 2;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let socket = from.inside(|| UdpSocket::bind("0.0.0.0:0").expect("a free port"));
                socket.connect((to, DISCARD)).expect("a way there");
                while negotiations() < enough {
                    for _ in 0..1000 {
                        // Refused when nobody listens there, or when the queue is full: that is the point.
                        let _refused = socket.send(&[0; 64]);
                    }
                }
            });
        }
    });
}

/// Sends garbage to the client's port in the server's name, or in another's.
fn flood(host: &Namespace, source: &str, count: u32) {
    let raw = Some(Protocol::from(i32::from(RAW)));
    let socket = host.inside(|| Socket::new(Domain::IPV4, Type::RAW, raw).expect("root may"));
    let [source, target] =
        [source, CLIENT_V4].map(|address| address.parse::<Ipv4Addr>().expect("an address"));
    let mut packet = empty_datagram(source, target);
    let target = SockAddr::from(SocketAddr::from((target, 0)));
    for number in 0..count {
        garble(&mut packet[HEADERS..], number);
        while socket.send_to(&packet, &target).is_err() {
            // The queue is full.
        }
    }
}

/// A datagram from the server's port to the client's; the kernel fills in what is missing of the first header.
fn empty_datagram(source: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let length = u16::try_from(GARBAGE + 8).expect("it is short");
    let [high, low] = length.to_be_bytes();
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0];
    packet.extend(source.octets());
    packet.extend(target.octets());
    packet.extend(SERVER_PORT.to_be_bytes());
    packet.extend(PORT.to_be_bytes());
    // No checksum.
    packet.extend([high, low, 0, 0]);
    packet.resize(HEADERS + GARBAGE, 0);
    packet
}

/// Garbage of four kinds: data of the right peer, two kinds of control packets, and what is nothing at all.
fn garble(garbage: &mut [u8], number: u32) {
    let begin: [u8; 4] = match number % 4 {
        0 => [9 << 3, 0, 0, 0],
        1 => [4 << 3, 1, 2, 3],
        2 => [8 << 3, 4, 5, 6],
        _ => [0xff; 4],
    };
    garbage[..4].copy_from_slice(&begin);
    for (word, bytes) in garbage[4..].chunks_exact_mut(4).enumerate() {
        let word = u32::try_from(word).expect("few words") + 1;
        bytes.copy_from_slice(
            &number
                .wrapping_mul(0x9E37_79B1)
                .wrapping_mul(word)
                .to_be_bytes(),
        );
    }
}

/// How many datagrams found no room in a socket of the host.
fn not_taken(host: &Namespace) -> u64 {
    let table =
        host.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("it is there"));
    let mut lines = table.lines().filter(|line| line.starts_with("Udp:"));
    let [names, values] = [lines.next(), lines.next()].map(|line| line.expect("a line").split(' '));
    let mut columns = names.zip(values);
    let (_, value) = columns
        .find(|(name, _)| *name == "RcvbufErrors")
        .expect("a column");
    value.parse().expect("a number")
}

/// Asks the client for its counters until they fit; it renews them once a second.
fn wait_for_counters(scene: &Scene, client: &Client, fit: impl Fn(&str) -> bool) {
    let mut told = String::new();
    for _ in 0..50 {
        let skip = client.process.count_lines();
        client.process.signal(Signal::USR2);
        told = client
            .process
            .wait_for_from(skip, "what it counted", |line| line.contains("counters="));
        if fit(&told) {
            println!("{told}");
            return;
        }
        scene.ping(client, INSIDE_V4, &[]);
    }
    panic!("the counters are {told}");
}

fn counter(counters: &str, name: &str) -> u64 {
    let mut words = counters.split([' ', '"']);
    let value = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    value.map_or(0, |value| value.parse().expect("a number"))
}

/// What counts garbage.
const DROPS: [&str; 4] = [
    "BUFFER_ERROR",
    "CC_ERROR",
    "DECRYPT_ERROR",
    "KEY_STATE_ERROR",
];
/// How long a datagram of garbage is.
const GARBAGE: usize = 100;
/// The headers in front.
const HEADERS: usize = 28;
/// The client's port.
const PORT: u16 = 2194;
const SERVER_PORT: u16 = 1194;
/// Nobody listens there.
const DISCARD: u16 = 9;
/// Which word of a device's line is the number of packets that its queue had no room for.
const TRANSMIT_DROPS: usize = 12;
/// The protocol of packets that come with their headers.
const RAW: u8 = 255;
