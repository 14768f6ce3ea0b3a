//! Transports through proxies that the tests play on the loopback interface.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::time_provider::DefaultTimeProvider;

use super::*;
use openvpn_engine::config::{Endpoint, Environment, Transport as Kind};
use openvpn_engine::error::ProxyKind;
use openvpn_engine::profile::Login;
use openvpn_engine::profile::{HttpAuth, HttpProxy, SocksProxy};
use openvpn_engine::proxy::Header;
use openvpn_engine::secret::SecretText;

const LIMIT: Duration = Duration::from_secs(10);

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn environment() -> Environment {
    Environment {
        provider: Arc::new(rustls::crypto::ring::default_provider()),
        wall_clock: Arc::new(DefaultTimeProvider),
        clock_trust: None,
    }
}

/// A proxy that plays one part per connection, and where it listens.
fn proxy(parts: Vec<fn(TcpStream)>) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        for part in parts {
            part(listener.accept().unwrap().0);
        }
    });
    (address, thread)
}

/// Reads the head of a request.
fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

fn proxy_setup(proxy: Proxy, address: Option<SocketAddr>) -> ProxySetup {
    ProxySetup {
        proxy,
        host: "vpn.example".to_owned(),
        port: 1194,
        address,
    }
}

async fn open_by(
    kind: Kind,
    address: SocketAddr,
    proxy_setup: ProxySetup,
) -> Result<Transport, ConnectionError> {
    let endpoint = Endpoint {
        host: proxy_setup.host.clone(),
        address,
        transport: kind,
    };
    let way = Way {
        endpoint,
        proxy_setup,
        environment: environment(),
    };
    open(way, SocketOptions::default(), LIMIT).await
}

async fn next_packets(transport: &mut Transport) -> io::Result<Vec<Vec<u8>>> {
    let mut ranges: Vec<Range<usize>> = Vec::with_capacity(16);
    while ranges.is_empty() {
        std::future::poll_fn(|context| transport.poll_receive(context)).await;
        transport.receive(&mut ranges)?;
    }
    let arena = transport.arena();
    Ok(ranges.into_iter().map(|it| arena[it].to_vec()).collect())
}

fn http(login: bool) -> Proxy {
    Proxy::Http(HttpProxy {
        auth: HttpAuth::Auto,
        login: login.then(|| Login {
            username: Some("user".to_owned()),
            password: Some(Arc::new(SecretText::from("pass"))),
            username_only: false,
        }),
        ..HttpProxy::new("127.0.0.1".to_owned(), 0)
    })
}

fn wants_login(mut stream: TcpStream) {
    assert!(!head(&mut stream).contains("Authorization"));
    stream
        .write_all(b"HTTP/1.1 407 Login\r\nProxy-Authenticate: Basic realm=x\r\n\r\n")
        .unwrap();
}

fn lets_in(mut stream: TcpStream) {
    let request = head(&mut stream);
    assert!(request.starts_with("CONNECT vpn.example:1194 HTTP/1.0\r\n"));
    assert!(request.contains("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n"));
    // The server's first packet comes along with the answer.
    stream
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n\0\x05hello")
        .unwrap();
    let mut echo = [0; 6];
    stream.read_exact(&mut echo).unwrap();
    stream.write_all(&echo).unwrap();
}

#[test]
fn a_login_goes_over_a_second_connection_and_no_byte_of_the_server_is_lost() {
    let (address, played) = proxy(vec![wants_login, lets_in]);
    run(async {
        let opened = open_by(Kind::Tcp, address, proxy_setup(http(true), None)).await;
        let mut transport = opened.unwrap();
        assert_eq!(next_packets(&mut transport).await.unwrap(), [b"hello"]);
        transport.send(b"echo").unwrap();
        assert_eq!(next_packets(&mut transport).await.unwrap(), [b"echo"]);
    });
    played.join().unwrap();
}

#[test]
fn a_login_that_is_missing_is_told_as_such() {
    let (address, played) = proxy(vec![wants_login]);
    let opened = run(open_by(Kind::Tcp, address, proxy_setup(http(false), None)));
    assert_eq!(
        opened.unwrap_err(),
        ConnectionError::ProxyCredentials {
            kind: ProxyKind::Http,
            refused: false
        }
    );
    played.join().unwrap();
}

#[test]
fn a_proxy_that_hangs_up_or_says_nothing_is_given_up() {
    let (address, played) = proxy(vec![|mut stream| drop(head(&mut stream))]);
    let opened = run(open_by(Kind::Tcp, address, proxy_setup(http(false), None)));
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("the proxy closed it"), "{error}");
    played.join().unwrap();

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let Proxy::Http(impatient) = http(false) else {
        panic!("it is one");
    };
    let impatient = Proxy::Http(HttpProxy {
        timeout: Duration::from_millis(50),
        ..impatient
    });
    let address = silent.local_addr().unwrap();
    let opened = run(open_by(Kind::Tcp, address, proxy_setup(impatient, None)));
    let error = opened.unwrap_err().to_string();
    assert!(error.contains("no answer from the proxy"), "{error}");
}

fn socks() -> Proxy {
    Proxy::Socks(SocksProxy {
        host: "127.0.0.1".to_owned(),
        port: 0,
        login: None,
    })
}

/// A SOCKS proxy's answer that names a relay.
fn relays_at(relay: &UdpSocket) -> Vec<u8> {
    let port = relay.local_addr().unwrap().port().to_be_bytes();
    // The address is unspecified: it is the proxy's own.
    [[5, 0, 0, 1, 0, 0, 0, 0].as_slice(), &port].concat()
}

#[test]
fn datagrams_carry_the_servers_address_both_ways_until_the_proxy_lets_go() {
    let server = SocketAddr::from(([192, 0, 2, 7], 1194));
    let header = Header::to(server);
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let played = std::thread::spawn(move || {
        let (mut control, _) = listener.accept().unwrap();
        let mut heard = [0; 10];
        control.read_exact(&mut heard[..3]).unwrap();
        control.write_all(&[5, 0]).unwrap();
        control.read_exact(&mut heard).unwrap();
        control.write_all(&relays_at(&relay)).unwrap();
        let mut got = [0; 100];
        let (length, client) = relay.recv_from(&mut got).unwrap();
        assert_eq!(got[..length], [header.bytes(), b"control"].concat());
        let (length, _) = relay.recv_from(&mut got).unwrap();
        assert_eq!(got[..length], [header.bytes(), b"data"].concat());
        let stranger = Header::to(([192, 0, 2, 8], 1194).into());
        for datagram in [
            [stranger.bytes(), b"stranger"].concat(),
            b"no header".to_vec(),
            [header.bytes(), b"server"].concat(),
        ] {
            relay.send_to(&datagram, client).unwrap();
        }
        // Ends when the test has received what was sent.
        relay.recv_from(&mut got).unwrap();
    });
    run(async {
        let opened = open_by(Kind::Udp, address, proxy_setup(socks(), Some(server))).await;
        let mut transport = opened.unwrap();
        assert_eq!(
            transport.relay().map(|relay| relay.ip()),
            Some(address.ip())
        );
        transport.send(b"control").unwrap();
        let (arena, place) = transport.outbound().place((0, 0), 4).unwrap();
        arena[place.clone()].copy_from_slice(b"data");
        transport.outbound().add(place);
        assert!(transport.flush(false).unwrap());
        assert_eq!(next_packets(&mut transport).await.unwrap(), [b"server"]);
        transport.send(b"done").unwrap();
        let ended = next_packets(&mut transport).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    });
    played.join().unwrap();
}
