//! Tests of the thread: orders go in, reports come out, packets are real.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::*;
use crate::tunnel::{SocketOptions, TunnelHandle};
use openvpn_engine::config::{
    CertProfile, CompressionPolicy, DataConfig, Endpoint, Environment, Framing, MssFix, PeerChecks,
    PeerInfo, PullRules, Timing, TlsConfig, TlsVersion, Transport as Kind, Wrapping,
};
use openvpn_engine::crypto::Cipher;
use openvpn_engine::crypto::Digest;
use openvpn_engine::event::Stage;
use openvpn_engine::pki::Trust;

#[derive(Debug)]
struct SomeTime;

impl TimeProvider for SomeTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            1_800_000_000,
        )))
    }
}

fn attempt(transport: Kind, address: SocketAddr) -> Order {
    let config = ConnectionConfig {
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            address,
            transport,
        },
        wrapping: Arc::new(Wrapping::None),
        tls: Arc::new(TlsConfig {
            identity: None,
            trust: Trust {
                anchors: Vec::new(),
                revocation_lists: None,
                fingerprints: vec![[1; 32]],
            },
            checks: PeerChecks::default(),
            version_min: TlsVersion::V1_2,
            version_max: TlsVersion::V1_3,
            cipher_list: None,
            cipher_suites: None,
            groups: None,
            cert_profile: CertProfile::Legacy,
            sni: None,
        }),
        credentials: None,
        token: None,
        data: DataConfig {
            ciphers: Cipher::DEFAULT.to_vec(),
            fallback: None,
            digest: Digest::Sha1,
            framing: Framing::None,
            compression: CompressionPolicy::No,
            tun_mtu: 1500,
            tun_mtu_max: 1600,
            mssfix: MssFix::Default,
            fragment: None,
            probe_path: false,
            replay_window: 2048,
            socks_header: 0,
        },
        peer_info: PeerInfo::default(),
        timing: Timing::default(),
        pull: PullRules::default(),
        environment: Environment {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            wall_clock: Arc::new(SomeTime),
        },
    };
    Order::Connect(Box::new(Attempt {
        config,
        proxy_setup: None,
        socket: SocketOptions::default(),
        open_timeout: Duration::from_secs(5),
    }))
}

struct Session {
    handle: TunnelHandle,
    reports: mpsc::Receiver<TunnelReport>,
    stats: watch::Receiver<Stats>,
}

impl Session {
    fn new() -> Self {
        let (to_us, reports) = mpsc::channel(2);
        let (counted, stats) = watch::channel(Stats::default());
        let handle = TunnelHandle::spawn(to_us, counted).unwrap();
        Self {
            handle,
            reports,
            stats,
        }
    }

    async fn order(&self, order: Order) {
        self.handle.order(order).await.unwrap();
    }

    async fn report(&mut self) -> TunnelReport {
        timeout(Duration::from_secs(20), self.reports.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn turns(&self) -> bool {
        let (answer, answered) = oneshot::channel();
        self.order(Order::Ping(answer)).await;
        timeout(Duration::from_secs(20), answered).await.is_ok()
    }
}

fn udp_server() -> (UdpSocket, SocketAddr) {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    server
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let address = server.local_addr().unwrap();
    (server, address)
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_sends_its_reset_and_ends_when_told_to_stop() {
    let (server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address)).await;
    let TunnelReport::Connected { local, peer, .. } = session.report().await else {
        panic!("the transport opens first");
    };
    assert_eq!(peer, address);
    let mut packet = [0; 2048];
    let (length, from) = server.recv_from(&mut packet).unwrap();
    assert_eq!(
        (from, packet[0], length),
        (local, 0x38, 14),
        "a hard reset from where we were told"
    );
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Stage(Stage::Waiting))
    ));
    assert!(session.turns().await);
    session.order(Order::Stop).await;
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Ended(Ended::Stopped))
    ));
    drop(session.handle);
    assert!(
        session.stats.borrow().sent.packets >= 1,
        "counted, also after the end"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_stream_carries_the_reset_with_its_length_in_front() {
    use std::io::Read;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut session = Session::new();
    session
        .order(attempt(Kind::Tcp, listener.local_addr().unwrap()))
        .await;
    let (mut stream, _) = listener.accept().unwrap();
    assert!(matches!(
        session.report().await,
        TunnelReport::Connected { .. }
    ));
    let mut frame = [0; 16];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..3], [0, 14, 0x38]);
    drop(stream);
    loop {
        if let TunnelReport::Event(Event::Ended(ended)) = session.report().await {
            assert!(
                matches!(ended, Ended::Failed(ConnectionError::Transport(_))),
                "{ended:?}"
            );
            break;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_stream_is_a_failed_attempt_and_the_next_one_may_work() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let mut session = Session::new();
    session.order(attempt(Kind::Tcp, free)).await;
    assert!(matches!(
        session.report().await,
        TunnelReport::AttemptFailed(ConnectionError::Transport(_))
    ));
    let (_server, address) = udp_server();
    session.order(attempt(Kind::Udp, address)).await;
    assert!(matches!(
        session.report().await,
        TunnelReport::Connected { .. }
    ));
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_that_is_stopped_and_abandoned_says_nothing_more() {
    let (_server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address)).await;
    for _ in 0..2 {
        session.report().await;
    }
    session.order(Order::Stop).await;
    session.order(Order::Abandon).await;
    assert!(session.turns().await);
    // What was said in between is drained by whoever abandons; after the answer nothing comes.
    while session.reports.try_recv().is_ok() {}
    assert!(session.turns().await);
    assert!(session.reports.try_recv().is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn an_abandoned_attempt_says_nothing_more() {
    let (_server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address)).await;
    assert!(matches!(
        session.report().await,
        TunnelReport::Connected { .. }
    ));
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Stage(Stage::Waiting))
    ));
    session.order(Order::Abandon).await;
    session.order(Order::Stop).await;
    assert!(session.turns().await);
    assert!(session.reports.try_recv().is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn the_thread_answers_while_a_flood_of_garbage_comes_in() {
    let (server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address)).await;
    let TunnelReport::Connected { local, .. } = session.report().await else {
        panic!("the transport opens first");
    };
    for _ in 0..20 {
        for _ in 0..500 {
            // A full queue refuses; the next one may fit.
            let _ = server.send_to(&[0x48; 100], local);
        }
        assert!(session.turns().await);
    }
    session.order(Order::Stop).await;
    loop {
        if let TunnelReport::Event(Event::Ended(ended)) = session.report().await {
            assert_eq!(ended, Ended::Stopped);
            break;
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn counters_are_told_as_they_are_at_this_moment() {
    let (server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address)).await;
    let TunnelReport::Connected { .. } = session.report().await else {
        panic!("the transport opens first");
    };
    let mut buffer = [0; 2000];
    let (length, _) = server.recv_from(&mut buffer).unwrap();

    let (answer, counted) = oneshot::channel();
    session.order(Order::Count(answer)).await;
    let stats = timeout(Duration::from_secs(20), counted)
        .await
        .unwrap()
        .unwrap();

    assert_eq!(stats.sent.packets, 1);
    assert_eq!(stats.sent.bytes, length as u64);
}
