//! More than the processor can take: garbage on the port, and packets faster than they can be sealed or opened.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::Signal;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::load_cost::kibibytes;
use super::namespace::{CLIENT_V4, INSIDE_V4, Namespace, SERVER_V4};
use super::process::Process;
use super::scene::{self, Client, Login, Scene, Transport, Wrapping};
use super::{Defer, skipped_connecting};

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

/// So much garbage, and more until enough echoes came back meanwhile, comes to the client's port.
fn stands_garbage(client_says: &str, source: &str, count: u64) {
    let scene = Scene::new();
    let (server, client) = connect(&scene, client_says);
    scene.assert_passes(&client);
    // What a full socket needs at all is there before it is looked whether the memory grows.
    let first = flood(&scene.world.server, source, |sent| sent < count / 10);
    scene.assert_passes(&client);
    let memory = kibibytes(&client.process, "VmHWM");

    let said = client.process.count_lines();
    let enough = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let _enough = Defer(|| enough.store(true, Ordering::Relaxed));
        let flooding = scope.spawn(|| {
            let more = |sent| sent < count || !enough.load(Ordering::Relaxed);
            flood(&scene.world.server, source, more)
        });
        let mut answered = 0;
        for asked in 1.. {
            answered += u32::from(is_answered(&scene));
            if answered == ENOUGH {
                println!("echoes asked for {asked} times until {ENOUGH} came back");
                break;
            }
            assert!(
                asked < PATIENCE,
                "{answered} echoes came back of {asked}; the client said:\n{}",
                client.process.text()
            );
        }
        enough.store(true, Ordering::Relaxed);
        flooding.join().expect("it was sent")
    });
    scene.assert_passes(&client);

    assert_undisturbed(&server, &client);
    client.process.wait_for("that it is told of", |line| {
        line.contains("packets that are not the server's, or came twice, are dropped")
    });
    let said = client.process.count_lines() - said;
    assert!(
        said <= A_FEW_LINES,
        "it fills the log:\n{}",
        client.process.text()
    );
    let grown = kibibytes(&client.process, "VmHWM") - memory;
    println!("of {sent} datagrams the memory grew by {grown} KiB");
    assert!(grown < 1024, "the memory grew by {grown} KiB");
    // What was lost in front of the client, the kernel counts.
    let lost = not_taken(&scene.world.client) + not_sent(&scene.world.server);
    wait_for_counters(&scene, &client, |counters| {
        let dropped: u64 = DROPS.iter().map(|name| counter(counters, name)).sum();
        dropped + lost >= first + sent
    });
    assert_undisturbed(&server, &client);
    client.leave();
}

/// Whether the one echo that is asked for comes back within a second.
fn is_answered(scene: &Scene) -> bool {
    let mut ping = scene.world.client.command("ping");
    ping.args(["-n", "-q", "-c", "1", "-W", "1", INSIDE_V4]);
    let output = ping.output().expect("it is installed");
    output.status.success()
}

#[test]
fn keys_are_renewed_while_more_is_sent_than_the_processor_can_seal() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let (server, client) = connect(&scene, "reneg-sec 2\n");
    scene.assert_passes(&client);

    // What is too much is lost in front of the device, where the kernel counts it.
    let lost = || transmit_drops(&scene.world.client, "tun0");
    overload(&scene.world.client, INSIDE_V4, || {
        negotiations(&server) > RENEWALS && lost() > 0
    });

    println!("{} packets were lost in front of the device", lost());
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

    overload(&scene.world.server, "10.9.0.2", || {
        negotiations(&server) > RENEWALS
    });

    assert_undisturbed(&server, &client);
    client.leave();
}

/// Without anything that protects the control channel: what is no TLS of ours must be refused later than with it.
fn connect(scene: &Scene, client_says: &str) -> (Process, Client) {
    let server = scene::server(Transport::Udp, Wrapping::None, Login::Certificate);
    // Who carries nothing is to show in the echoes, and not by what a busy machine does with a few seconds.
    let server = scene.serve(&server.replace("keepalive 2 10", "keepalive 10 120"));
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

/// How many key negotiations the server has finished.
fn negotiations(server: &Process) -> usize {
    server.count(|line| line.contains("Control Channel: TLS"))
}

/// Sends small datagrams as fast as two threads can, until it is enough.
fn overload(from: &Namespace, to: &str, is_enough: impl Fn() -> bool + Sync) {
    let late = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (done, until_done) = channel::<()>();
        for done in [done.clone(), done] {
            scope.spawn(|| {
                let _done = done;
                let socket = from.inside(|| UdpSocket::bind("0.0.0.0:0").expect("a free port"));
                socket.connect((to, DISCARD)).expect("a way there");
                while !is_enough() && !late.load(Ordering::Relaxed) {
                    for _ in 0..1000 {
                        // Refused when nobody listens there, or when the queue is full: that is the point.
                        let _refused = socket.send(&[0; 64]);
                    }
                }
            });
        }
        // Nothing is ever sent: it ends with the last of those who could.
        let ended = until_done.recv_timeout(LONGEST_OVERLOAD);
        late.store(ended == Err(RecvTimeoutError::Timeout), Ordering::Relaxed);
    });
    assert!(is_enough(), "it is not enough after {LONGEST_OVERLOAD:?}");
}

/// Sends garbage to the client's port in the server's name, or in another's, as long as `more` says so of the number that
/// was sent; gives that number.
fn flood(host: &Namespace, source: &str, more: impl Fn(u64) -> bool) -> u64 {
    let raw = Some(Protocol::from(i32::from(RAW)));
    let socket = host.inside(|| Socket::new(Domain::IPV4, Type::RAW, raw).expect("root may"));
    let [source, target] =
        [source, CLIENT_V4].map(|address| address.parse::<Ipv4Addr>().expect("an address"));
    let mut packet = empty_datagram(source, target);
    let target = SockAddr::from(SocketAddr::from((target, 0)));
    let mut sent = 0;
    while more(sent) {
        garble(&mut packet[HEADERS..], sent);
        while socket.send_to(&packet, &target).is_err() {
            // The queue is full.
        }
        sent += 1;
    }
    sent
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
fn garble(garbage: &mut [u8], number: u64) {
    let begin: [u8; 4] = match number % 4 {
        0 => [9 << 3, 0, 0, 0],
        1 => [4 << 3, 1, 2, 3],
        2 => [8 << 3, 4, 5, 6],
        _ => [0xff; 4],
    };
    garbage[..4].copy_from_slice(&begin);
    for (bytes, word) in garbage[4..].chunks_exact_mut(8).zip(1_u64..) {
        let word = number
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            .wrapping_mul(word);
        bytes.copy_from_slice(&word.to_be_bytes());
    }
}

/// How many datagrams found no room in a socket of the host.
fn not_taken(host: &Namespace) -> u64 {
    let table =
        host.inside(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("it is there"));
    let mut lines = table.lines().filter(|line| line.starts_with("Udp:"));
    let [names, values] = [lines.next(), lines.next()].map(|line| line.expect("a line").split(' '));
    let lost = ["RcvbufErrors", "MemErrors"];
    let columns = names.zip(values).filter(|(name, _)| lost.contains(name));
    let values = columns.map(|(_, value)| value.parse::<u64>().expect("a number"));
    values.sum()
}

/// How many packets the host's cable had no room for: the other end comes to them too late.
fn not_sent(host: &Namespace) -> u64 {
    transmit_drops(host, "cable")
}

/// How many packets were lost in front of a device or behind it.
fn transmit_drops(host: &Namespace, device: &str) -> u64 {
    let table =
        host.inside(|| std::fs::read_to_string("/proc/thread-self/net/dev").expect("it is there"));
    let begin = format!("{device}:");
    let line = table
        .lines()
        .find_map(|line| line.trim().strip_prefix(&*begin));
    let drops = line.and_then(|line| line.split_whitespace().nth(TRANSMIT_DROPS));
    drops
        .and_then(|drops| drops.parse().ok())
        .expect("a number")
}

/// Asks the client for its counters until they fit; it renews them once a second.
fn wait_for_counters(scene: &Scene, client: &Client, fit: impl Fn(&str) -> bool) {
    let mut told = String::new();
    for _ in 0..PATIENCE {
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

/// So many echoes must come back while garbage comes.
const ENOUGH: u32 = 5;
/// So much may be said of a flood of thousands of times as many packets, also where a busy machine makes it last for
/// minutes.
const A_FEW_LINES: usize = 200;
/// So many may be asked for, each for a second at most: other programs use the processor too.
const PATIENCE: u32 = 120;
/// Keys are to be renewed as often while it is too much.
const RENEWALS: usize = 2;
/// They are renewed every two seconds by a machine that does nothing else.
const LONGEST_OVERLOAD: Duration = Duration::from_secs(120);
/// What counts garbage.
const DROPS: [&str; 5] = [
    "BUFFER_ERROR",
    "CC_ERROR",
    "DECRYPT_ERROR",
    "KEY_STATE_ERROR",
    "PKTID_INVALID",
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
const TRANSMIT_DROPS: usize = 11;
/// The protocol of packets that come with their headers.
const RAW: u8 = 255;
