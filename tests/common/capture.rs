//! Packets as tcpdump saw them on a link, and what must hold of those that were segmented or coalesced on their way.

use std::fs::write;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::decode::{Checksum, FIN, PUSH, Packet, decode, packets};
use super::lines::Lines;
use super::link::switch_offload_off;
use super::namespace::Namespace;
use super::process::Process;

/// Another host behind this one, on a cable without offload.
pub(crate) fn behind(host: &Namespace) -> Namespace {
    let lan = Namespace::new("l");
    host.ip(&format!(
        "link add name lan type veth peer name lan netns {}",
        lan.name()
    ));
    for (end, number) in [(host, 1), (&lan, 2)] {
        end.ip("link set lan addrgenmode none");
        end.ip(&format!("addr add 10.55.0.{number}/24 dev lan"));
        end.ip(&format!("addr add fd55::{number}/64 dev lan nodad"));
        // Whoever passes packets on asks for neighbours with it.
        end.ip(&format!("addr add fe80::{number}/64 dev lan nodad"));
        end.ip("link set lan up");
        switch_offload_off(end, "lan");
    }
    lan.ip("route add default via 10.55.0.1");
    lan.ip("-6 route add default via fd55::1");
    host.inside(|| {
        for family in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
            write(format!("/proc/sys/net/{family}"), "1").expect("it is ours to set");
        }
    });
    lan
}

/// A datagram that never arrived. The kernel loses some where other tests send more than the processors can take.
#[derive(Debug)]
pub(crate) struct Loss;

/// Tries until nothing is lost on the way.
pub(crate) fn without_a_loss<T>(attempt: impl Fn() -> Result<T, Loss>) -> T {
    let mut attempts = (0..10).map(|_| attempt());
    attempts.find_map(Result::ok).expect("all datagrams arrive")
}

/// Sends a stream, and then datagrams that the kernel is to cut.
pub(crate) fn talk(from: &Namespace, to: &Namespace, address: &str) -> Result<(), Loss> {
    let any: SocketAddr = (address.parse::<IpAddr>().expect("an address"), 0).into();
    let listener = to.inside(|| TcpListener::bind(any).expect("a free port"));
    let goal = listener.local_addr().expect("it is bound");
    let mut sender =
        from.inside(|| TcpStream::connect_timeout(&goal, PATIENCE).expect("a way there"));
    let (mut receiver, _) = listener.accept().expect("the connection is there");
    receiver
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| sender.set_write_timeout(Some(PATIENCE)))
        .expect("a time-out can be set");
    let sent = pattern();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.write_all(&sent).expect("the stream holds");
            drop(sender);
        });
        let mut got = Vec::new();
        receiver.read_to_end(&mut got).expect("the stream holds");
        assert!(got == sent, "the stream was changed on its way");
    });

    let receiver = to.inside(|| UdpSocket::bind(any).expect("a free port"));
    receiver
        .set_read_timeout(Some(LONGEST_WAY))
        .expect("a time-out can be set");
    let goal = receiver.local_addr().expect("it is bound");
    let mut command = from.command("python3");
    command.args(["-c", SEND_DATAGRAMS, address, &goal.port().to_string()]);
    let mut sender = Process::start("the sender", &mut command);
    sender.wait_for("that it begins", |line| line == "begin");
    let mut buffer = [0; 2048];
    for number in 0..BURSTS * BURST {
        let (length, source) = receiver.recv_from(&mut buffer).map_err(|_| Loss)?;
        let first = buffer.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let arrived = first.filter(|first| (number..BURSTS * BURST).contains(first));
        let arrived = arrived.expect("the next datagram, or a later one");
        assert_eq!(buffer[..length], datagram(arrived), "datagram {arrived}");
        if arrived != number {
            return Err(Loss);
        }
        if number % BURST == BURST - 1 {
            receiver.send_to(b"go on", source).expect("a way back");
        }
    }
    // It is told to go on by a datagram, too.
    if sender.wait().success() {
        Ok(())
    } else {
        Err(Loss)
    }
}

/// Sends what ends the captures.
pub(crate) fn finish(from: &Namespace, address: &str) {
    from.inside(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a free port");
        socket
            .send_to(END, (address, DISCARD))
            .expect("a way there");
    });
}

/// All checksums are there and right, and nothing is longer than the path takes.
pub(crate) fn assert_whole(packets: &[Packet]) {
    for packet in packets {
        assert_eq!(packet.checksum, Checksum::Full, "{:?}", packet.segment);
        assert!(packet.length <= MTU, "{} bytes", packet.length);
    }
}

/// A piece of a stream: where it begins and ends, what is said with its last byte, and the identification of IPv4.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    begin: u32,
    end: u32,
    flags: u8,
    id: Option<u16>,
}

/// Packets of the stream to this address that carry something, each with where in the stream that begins.
pub(crate) fn stream<'a>(packets: &'a [Packet], address: &str) -> Vec<(u32, &'a Packet)> {
    let address: IpAddr = address.parse().expect("an address");
    let of_stream = |packet: &&Packet| packet.target == address && packet.segment.is_some();
    let first = packets
        .iter()
        .find(of_stream)
        .and_then(|packet| packet.segment);
    let first = first.expect("the stream's first packet").sequence;
    packets
        .iter()
        .filter(of_stream)
        .filter(|packet| !packet.payload.is_empty())
        .filter_map(|packet| Some((packet.segment?.sequence.wrapping_sub(first + 1), packet)))
        .collect()
}

/// The pieces are those of the packets before, each cut as a network card cuts it, all there and in order.
pub(crate) fn assert_cut(whole: &[Packet], cut: &[Packet], address: &str) {
    let (whole, cut) = (stream(whole, address), stream(cut, address));
    let lengths = cut.iter().map(|(_, packet)| packet.payload.len());
    let most = lengths.max().expect("there are pieces");
    let mut expected = whole
        .iter()
        .flat_map(|(begin, packet)| cut_up(*begin, packet, most));
    let sent = pattern();
    let mut places = Vec::new();
    for (begin, packet) in &cut {
        let [piece] = cut_up(*begin, packet, most)
            .try_into()
            .expect("it is cut already");
        // What is lost on the way is sent again; what arrives does so in the order in which it was sent.
        assert!(
            expected.any(|one| one == piece),
            "{piece:?} was not sent, or not after what came before it"
        );
        let place = *begin as usize..piece.end as usize;
        assert!(
            packet.payload == sent[place.start..place.end],
            "the payload at {begin}"
        );
        places.push((place.start, place.end));
    }
    places.sort_unstable();
    let known = places.into_iter().fold(0, |known, (start, end)| {
        assert!(start <= known, "nothing of {known} to {start}");
        known.max(end)
    });
    assert_eq!(known, sent.len(), "the end of the stream");
}

/// What a network card makes of a packet, for segments of so many bytes.
pub(crate) fn cut_up(begin: u32, packet: &Packet, most: usize) -> Vec<Piece> {
    let flags = packet
        .segment
        .map_or(0, |segment| segment.flags & (FIN | PUSH));
    let count = packet.payload.len().div_ceil(most);
    let place = |number: usize| {
        let bytes = (number * most).min(packet.payload.len());
        begin + u32::try_from(bytes).expect("packets are short")
    };
    (0..count)
        .map(|number| Piece {
            begin: place(number),
            end: place(number + 1),
            flags: if number + 1 == count { flags } else { 0 },
            id: packet
                .id
                .map(|id| id.wrapping_add(u16::try_from(number).expect("few pieces"))),
        })
        .collect()
}

/// All datagrams are there, in their order.
pub(crate) fn assert_datagrams(packets: &[Packet], address: &str) {
    let address: IpAddr = address.parse().expect("an address");
    let datagrams = packets.iter().filter(|packet| {
        packet.target == address && packet.segment.is_none() && packet.ports.1 != DISCARD
    });
    let mut number = 0;
    for packet in datagrams {
        assert!(packet.payload == datagram(number), "datagram {number}");
        number += 1;
    }
    assert_eq!(number, BURSTS * BURST);
}

/// A running capture; ended when dropped.
pub(crate) struct Capture {
    tcpdump: Child,
    bytes: Receiver<Vec<u8>>,
}

impl Capture {
    /// Captures what goes in or out by a link.
    pub(crate) fn start(host: &Namespace, link: &str, way: &str) -> Self {
        let mut tcpdump = host
            .command("tcpdump")
            .args(["-n", "-i", link, "-Q", way, "-U", "-B", "65536", "-w", "-"])
            .arg("tcp or udp")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it is installed");
        let lines = Lines::default();
        lines.collect(tcpdump.stderr.take().expect("it is piped"));
        let listens = lines.wait_for(0, |line| line.contains("listening on"));
        assert!(listens.is_some(), "{}", lines.text());
        let mut output = tcpdump.stdout.take().expect("it is piped");
        let (sender, bytes) = channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let mut chunk = vec![0; 1 << 16];
            loop {
                let before = bytes.len();
                match output.read(&mut chunk) {
                    Ok(length) if length > 0 => bytes.extend_from_slice(&chunk[..length]),
                    _ => return,
                }
                let look_from = before.saturating_sub(END.len());
                let mut places = bytes[look_from..].windows(END.len());
                if let Some(place) = places.position(|place| place == END) {
                    bytes.truncate(look_from + place + END.len());
                    // Whoever waits for them may have given up.
                    let _ = sender.send(bytes);
                    return;
                }
            }
        });
        Self { tcpdump, bytes }
    }

    /// What was captured until the end was, which is sent by `finish`.
    pub(crate) fn packets(self, finish: impl Fn()) -> Vec<Packet> {
        let bytes = (0..PATIENCE.as_secs()).find_map(|_| {
            finish();
            self.bytes.recv_timeout(Duration::from_secs(1)).ok()
        });
        let bytes = bytes.expect("the end is captured");
        packets(&bytes).into_iter().filter_map(decode).collect()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _gone_already = self.tcpdump.kill();
        let _status = self.tcpdump.wait();
    }
}

/// What a stream carries: no two places look alike.
pub(crate) fn pattern() -> Vec<u8> {
    let words = 0..STREAM / 4;
    words
        .flat_map(|word| word.wrapping_mul(0x9E37_79B1).to_be_bytes())
        .collect()
}

/// What a datagram carries; the last of each burst is shorter.
pub(crate) fn datagram(number: u32) -> Vec<u8> {
    let length = if number % BURST == BURST - 1 {
        700
    } else {
        1200
    };
    let rest = (4..length).map(|at| (number + at).to_le_bytes()[0]);
    number.to_be_bytes().into_iter().chain(rest).collect()
}

/// Sends the datagrams, each burst in one piece that the kernel cuts.
pub(crate) const SEND_DATAGRAMS: &str = "
import socket, sys
print('begin', flush=True)
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
sender = socket.socket(family, socket.SOCK_DGRAM)
sender.settimeout(30)
sender.setsockopt(socket.IPPROTO_UDP, 103, 1200)
for burst in range(10):
    piece = b''
    for number in range(burst * 40, burst * 40 + 40):
        length = 700 if number % 40 == 39 else 1200
        piece += number.to_bytes(4, 'big') + bytes((number + at) & 255 for at in range(4, length))
    sender.sendto(piece, (sys.argv[1], int(sys.argv[2])))
    sender.recv(100)
";
/// How many bytes a stream carries.
pub(crate) const STREAM: u32 = 4 << 20;
/// How many datagrams are sent in one piece.
pub(crate) const BURST: u32 = 40;
/// How many such pieces.
pub(crate) const BURSTS: u32 = 10;
/// What ends the captures: longer than a frame needs to be, so that nothing is behind it.
pub(crate) const END: &[u8] =
    b"this is the end of all that was to be captured, and nothing is to follow it";
/// Nobody listens there.
pub(crate) const DISCARD: u16 = 9;
/// What the tunnel takes.
pub(crate) const MTU: usize = 1500;
/// Longer than a datagram is under way.
pub(crate) const LONGEST_WAY: Duration = Duration::from_secs(8);
/// How long anything may stand still.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The addresses of the host behind the client's.
pub(crate) const LAN_V4: &str = "10.55.0.2";
/// The same in IPv6.
pub(crate) const LAN_V6: &str = "fd55::2";
