//! Tests of the thread: orders go in, reports come out, packets are real.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use tokio::time::timeout;

use super::*;
use crate::tunnel::TunnelHandle;
use openvpn_engine::config::{
    CertProfile, CompressionPolicy, DataConfig, Endpoint, Environment, Framing, MssFix, PeerChecks,
    PeerInfo, PullRules, SocketSettings, Timing, TlsConfig, TlsVersion, Transport as Kind,
    Wrapping,
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

/// The order to begin the first attempt.
fn attempt(transport: Kind, address: SocketAddr) -> Order {
    attempt_number(1, transport, address)
}

fn attempt_number(id: u64, transport: Kind, address: SocketAddr) -> Order {
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
            clock_trust: None,
        },
    };
    Order::Attempt(TunnelOrder::Begin(Box::new(Attempt {
        id: AttemptId(id),
        config,
        socket: SocketSettings::default(),
        proxy_setup: None,
        server_lookup: None,
        open_timeout: Duration::from_secs(5),
        protect: None,
    })))
}

fn stop() -> Order {
    Order::Attempt(TunnelOrder::Input(Input::Stop))
}

fn abandon(id: u64) -> Order {
    Order::Attempt(TunnelOrder::Abandon(AttemptId(id)))
}

struct Session {
    handle: TunnelHandle,
    reports: mpsc::Receiver<Report>,
}

impl Session {
    fn new() -> Self {
        let (to_us, reports) = mpsc::channel(2);
        let handle = TunnelHandle::spawn(to_us).unwrap();
        Self { handle, reports }
    }

    fn order(&self, order: Order) {
        self.handle.order(order).unwrap();
    }

    /// The next report of an attempt, and the attempt's number.
    async fn any_report(&mut self) -> (u64, TunnelReport) {
        let report = timeout(Duration::from_secs(20), self.reports.recv());
        let report = report.await.unwrap().unwrap();
        let Report::Tunnel(AttemptId(id), report) = report else {
            panic!("no report of an attempt: {report:?}");
        };
        (id, report)
    }

    /// The next report, which is of the first attempt.
    async fn report(&mut self) -> TunnelReport {
        let (id, report) = self.any_report().await;
        assert_eq!(id, 1, "{report:?}");
        report
    }

    async fn responds(&self) -> bool {
        let counted = timeout(Duration::from_secs(20), self.handle.count());
        counted.await.is_ok_and(|counted| counted.is_ok())
    }

    async fn ended(&mut self) -> (u64, Ended) {
        loop {
            if let (id, TunnelReport::Event(Event::Ended(ended))) = self.any_report().await {
                return (id, ended);
            }
        }
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
    session.order(attempt(Kind::Udp, address));
    let TunnelReport::Opened { local, peer } = session.report().await else {
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
    assert!(session.responds().await);
    session.order(stop());
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Ended(Ended::Stopped))
    ));
    let snapshot = session.handle.snapshot.clone();
    drop(session.handle);
    assert!(
        snapshot.borrow().stats.sent.packets >= 1,
        "counted, also after the end"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_stream_carries_the_reset_with_its_length_in_front() {
    use std::io::Read;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let mut session = Session::new();
    session.order(attempt(Kind::Tcp, listener.local_addr().unwrap()));
    let (mut stream, _) = listener.accept().unwrap();
    assert!(matches!(
        session.report().await,
        TunnelReport::Opened { .. }
    ));
    let mut frame = [0; 16];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[..3], [0, 14, 0x38]);
    drop(stream);
    let ended = session.ended().await;
    assert!(
        matches!(ended, (1, Ended::Failed(ConnectionError::Transport(_)))),
        "{ended:?}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_stream_is_a_failed_attempt_and_the_next_one_may_work() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap();
    let mut session = Session::new();
    session.order(attempt(Kind::Tcp, free));
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Ended(Ended::Failed(ConnectionError::Transport(_))))
    ));
    let (_server, address) = udp_server();
    session.order(attempt_number(2, Kind::Udp, address));
    assert!(matches!(
        session.any_report().await,
        (2, TunnelReport::Opened { .. })
    ));
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_that_is_over_is_abandoned_all_the_same() {
    let (_server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address));
    session.order(stop());
    assert_eq!(session.ended().await, (1, Ended::Stopped));
    session.order(abandon(1));
    assert_eq!(session.ended().await, (1, Ended::Stopped));
    assert!(session.responds().await);
    assert!(session.reports.try_recv().is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn an_abandoned_attempt_says_nothing_more_but_that_it_is_over() {
    let (_server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address));
    assert!(matches!(
        session.report().await,
        TunnelReport::Opened { .. }
    ));
    assert!(matches!(
        session.report().await,
        TunnelReport::Event(Event::Stage(Stage::Waiting))
    ));
    session.order(abandon(1));
    session.order(stop());
    assert_eq!(session.ended().await, (1, Ended::Stopped));
    assert!(session.responds().await);
    assert!(session.reports.try_recv().is_err());
}

#[tokio::test(flavor = "current_thread")]
async fn the_thread_answers_while_a_flood_of_garbage_comes_in() {
    let (server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address));
    let TunnelReport::Opened { local, .. } = session.report().await else {
        panic!("the transport opens first");
    };
    for _ in 0..20 {
        for _ in 0..500 {
            // A full queue refuses; the next one may fit.
            let _ = server.send_to(&[0x48; 100], local);
        }
        assert!(session.responds().await);
    }
    session.order(stop());
    assert_eq!(session.ended().await, (1, Ended::Stopped));
}

/// Property reads come from anybody on the bus, as fast as they can send them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_lost_while_attempts_begin_and_end_under_a_flood_of_reads() {
    let (_server, address) = udp_server();
    let mut session = Session::new();
    for id in 1..=2000 {
        let reads: Vec<_> = (0..20).map(|_| session.handle.count()).collect();
        session.order(attempt_number(id, Kind::Udp, address));
        let more: Vec<_> = (0..20).map(|_| session.handle.count()).collect();
        if id % 3 > 0 {
            let opened = session.any_report().await;
            assert!(
                matches!(opened, (of, TunnelReport::Opened { .. }) if of == id),
                "{opened:?}"
            );
        }
        session.order(if id % 2 == 0 { stop() } else { abandon(id) });
        assert_eq!(session.ended().await, (id, Ended::Stopped));
        for read in reads.into_iter().chain(more) {
            let counted = timeout(Duration::from_secs(20), read).await;
            assert!(matches!(counted, Ok(Ok(_))), "{counted:?}");
        }
    }
    let opened = session.handle.count().await.unwrap().sent.packets;
    assert!(
        opened >= 1333,
        "each attempt that was opened sent its reset: {opened}"
    );
}

#[tokio::test(flavor = "current_thread")]
async fn counters_are_told_as_they_are_at_this_moment() {
    let (server, address) = udp_server();
    let mut session = Session::new();
    session.order(attempt(Kind::Udp, address));
    let TunnelReport::Opened { .. } = session.report().await else {
        panic!("the transport opens first");
    };
    let mut buffer = [0; 2000];
    let (length, _) = server.recv_from(&mut buffer).unwrap();

    let stats = timeout(Duration::from_secs(20), session.handle.count())
        .await
        .unwrap()
        .unwrap();

    assert_eq!(stats.sent.packets, 1);
    assert_eq!(stats.sent.bytes, length as u64);
}
