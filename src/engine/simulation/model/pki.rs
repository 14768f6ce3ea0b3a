//! A client's configuration from the certificates of `tests/data/pki`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{
    CertProfile, CompressionPolicy, ConnectionConfig, DataConfig, Endpoint, Environment, Framing,
    MssFix, PeerChecks, PeerInfo, PullRules, Timing, TlsConfig, TlsVersion, Transport, Wrapping,
};
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::pki::{Identity, Trust};

/// The text of a file of `tests/data/pki`.
pub(crate) fn text(name: &str) -> String {
    let path = format!("{}/../../tests/data/pki/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect(&path)
}

/// TLS with a certificate of our own, trusting the authority of `server-ec.crt`.
pub(crate) fn tls(authority: &str) -> TlsConfig {
    TlsConfig {
        identity: Some(
            Identity::from_pem(&text("client-ec.crt"), &text("client-ec.key"), None, None)
                .expect("the client's certificate is readable"),
        ),
        trust: Trust::from_pem(Some(&text(authority)), None, Vec::new())
            .expect("the authority's certificate is readable"),
        checks: PeerChecks::default(),
        version_min: TlsVersion::V1_2,
        version_max: TlsVersion::V1_3,
        cipher_list: None,
        cipher_suites: None,
        groups: None,
        cert_profile: CertProfile::Legacy,
        sni: None,
    }
}

/// An ordinary configuration; tests change what they are about.
pub(crate) fn config(environment: Environment) -> ConnectionConfig {
    ConnectionConfig {
        endpoint: Endpoint {
            host: "server.example".to_owned(),
            address: SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 1194)),
            transport: Transport::Udp,
        },
        wrapping: Arc::new(Wrapping::None),
        tls: Arc::new(tls("ca-ec.crt")),
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
        timing: Timing {
            server_poll: Duration::from_secs(60),
            ..Timing::default()
        },
        pull: PullRules::default(),
        environment,
    }
}
