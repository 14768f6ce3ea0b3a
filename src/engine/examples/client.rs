//! An OpenVPN client over a plain UDP socket, without a TUN device: it connects, asks the far end of the tunnel for an
//! ICMP echo, says what it heard, and sends its exit notification. `cargo run --example client PROFILE`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it is a program: it has a clock, and shows what it hears"
)]

use std::error::Error;
use std::net::{Ipv4Addr, ToSocketAddrs, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use openvpn_engine::config::{ConnectionTemplate, Endpoint, Environment, PeerInfo};
use openvpn_engine::connection::Connection;
use openvpn_engine::event::{Ended, Event, Input, Output};
use openvpn_engine::profile::Profile;
use rustls::time_provider::DefaultTimeProvider;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: client PROFILE")?;
    let text = std::fs::read_to_string(&path)?;
    let folder = Path::new(&path).parent().unwrap_or_else(|| Path::new("."));
    let mut load = |name: &str| std::fs::read(folder.join(name)).map_err(|e| e.to_string());
    let (profile, _notes) = Profile::parse(&path, &text, &mut load).map_err(|mut e| e.remove(0))?;

    // What a pure machine cannot have of its own, then keys and certificates, read once for all attempts.
    let environment = Environment {
        provider: Arc::new(rustls::crypto::ring::default_provider()),
        wall_clock: Arc::new(DefaultTimeProvider),
        clock_trust: None,
    };
    let template = ConnectionTemplate::new(&profile, None, &PeerInfo::default(), &environment)?;
    let named = profile.remotes.first().ok_or("the profile has no remote")?;
    let host = named.host.clone();
    let address = (host.as_str(), named.port)
        .to_socket_addrs()?
        .next()
        .ok_or("no such host")?;
    let remote = template.remote(0).ok_or("the profile has no remote")?;
    let endpoint = Endpoint {
        host,
        address,
        transport: named.transport,
    };

    let socket = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0"))?;
    socket.connect(address)?;
    run(
        &socket,
        Connection::new(remote.attempt(endpoint, None, None), Instant::now()),
    )
}

/// Drives the connection: outputs until it waits, then whatever comes first, a packet or the deadline.
fn run(socket: &UdpSocket, mut connection: Connection) -> Result<(), Box<dyn Error>> {
    let mut packet = [0; 2048];
    loop {
        let until = loop {
            let mut asked = None;
            match connection.poll_output() {
                Output::Transmit(bytes) => drop(socket.send(bytes)?),
                Output::Event(Event::Ended(Ended::Stopped)) => return Ok(()),
                Output::Event(Event::Ended(Ended::Failed(error))) => return Err(error.into()),
                Output::Event(Event::Pushed(established)) => {
                    println!("connected: {} {}", established.cipher, established.tls);
                    let tunnel = established.options.tunnel;
                    asked = tunnel
                        .ifconfig
                        .map(|own| echo_request(own.local, far_end(own.local)));
                }
                Output::Event(event) => println!("{event:?}"),
                Output::Wait { until, .. } => break until,
            }
            if let Some(request) = asked {
                // A payload is sealed where it lies, with room in front of it and behind it.
                let (front, back) = connection.seal_room();
                let mut buffer = vec![0; front + request.len() + back];
                let payload = front..front + request.len();
                buffer[payload.clone()].copy_from_slice(&request);
                if let Some(sealed) = connection.seal(Instant::now(), &mut buffer, payload) {
                    socket.send(&buffer[sealed])?;
                }
            }
        };
        let patience = until.map(|until| until.saturating_duration_since(Instant::now()));
        socket.set_read_timeout(patience.map(|wait| wait.max(Duration::from_millis(1))))?;
        match socket.recv(&mut packet) {
            Ok(length) => {
                // Data packets are opened where they lie; control packets turn into outputs.
                if let Some(inner) = connection.open(Instant::now(), &mut packet[..length]) {
                    let source = &packet[inner][12..16];
                    println!("echo reply from {source:?}");
                    connection.handle_input(Instant::now(), Input::Stop);
                }
            }
            Err(_) => connection.handle_input(Instant::now(), Input::Deadline),
        }
    }
}

/// The first address of the /24 that ours is in: where a server usually has its own.
fn far_end(own: Ipv4Addr) -> Ipv4Addr {
    let [a, b, c, _] = own.octets();
    Ipv4Addr::new(a, b, c, 1)
}

/// An IPv4 packet with an ICMP echo request (RFC 791, RFC 792).
fn echo_request(from: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0];
    packet.extend(from.octets().into_iter().chain(to.octets()));
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum);
    let mut message = [8, 0, 0, 0, 0, 1, 0, 1];
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    packet.extend(message);
    packet
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!u16::try_from(folded & 0xffff).unwrap_or(0)).to_be_bytes()
}
