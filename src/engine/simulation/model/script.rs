//! How the model server is to be, and what it is made of.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Environment, Framing, MssFix, Transport, Wrapping};
use crate::control::tls::X25519_MLKEM768;
use crate::crypto::cipher::Cipher;
use crate::data::key::Format;
use crate::data::plane::DataPlane;
use crate::data::setup::DataSetup;
use crate::pki::{Identity, certificates};
use crate::settings::CompressionPolicy;
use rustls::crypto::ring::default_provider;
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::pki;

/// For servers of one version.
pub(crate) static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
/// For servers of one version.
pub(crate) static TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// How the model server is to be.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) wrapping: Arc<Wrapping>,
    pub(crate) transport: Transport,
    pub(crate) certificate: (&'static str, &'static str),
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
    /// The key exchange groups that it has.
    pub(crate) groups: Vec<&'static dyn SupportedKxGroup>,
    /// The options string of its key exchange.
    pub(crate) options: String,
    /// Whether it sends peer info, as servers since 2.6 do.
    pub(crate) peer_info: Option<&'static str>,
    /// What it says on the first `PUSH_REQUEST`, one control message each.
    pub(crate) on_push_request: Vec<String>,
    /// What it says when a renegotiation is finished.
    pub(crate) on_renewed: Vec<String>,
    pub(crate) exporter: bool,
    pub(crate) dynamic_tls_crypt: bool,
    pub(crate) cipher: Cipher,
    pub(crate) format: Format,
    pub(crate) framing: Framing,
    pub(crate) peer_id: Option<u32>,
    pub(crate) ping: Option<Duration>,
    /// What it says in place of its half of the key exchange.
    pub(crate) instead_of_exchange: Option<Vec<u8>>,
}

impl Default for Script {
    /// A server of today.
    fn default() -> Self {
        let push = "PUSH_REPLY,ifconfig 10.8.0.2 255.255.255.0,topology subnet,peer-id 7,cipher AES-256-GCM,\
                    protocol-flags cc-exit tls-ekm dyn-tls-crypt,ping 10,ping-restart 60";
        Self {
            wrapping: Arc::new(Wrapping::None),
            transport: Transport::Udp,
            certificate: ("server-ec.crt", "server-ec.key"),
            versions: rustls::ALL_VERSIONS,
            groups: [vec![X25519_MLKEM768], default_provider().kx_groups].concat(),
            options: "V4,dev-type tun,cipher AES-256-GCM,auth [null-digest],tls-server".to_owned(),
            peer_info: Some("IV_VER=2.6.14\n"),
            on_push_request: vec![push.to_owned()],
            on_renewed: Vec::new(),
            exporter: true,
            dynamic_tls_crypt: true,
            cipher: Cipher::Aes256Gcm,
            format: Format::Classic,
            framing: Framing::None,
            peer_id: Some(7),
            ping: Some(Duration::from_secs(10)),
            instead_of_exchange: None,
        }
    }
}

/// TLS as the script says; the client must have a certificate.
pub(crate) fn tls_config(script: &Script, environment: &Environment) -> Arc<ServerConfig> {
    let provider = Arc::new(CryptoProvider {
        kx_groups: script.groups.clone(),
        ..default_provider()
    });
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&pki::text("ca.crt")).expect("readable") {
        roots.add(certificate).expect("an authority");
    }
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("there is an authority");
    let (certificate, key) = script.certificate;
    let identity =
        Identity::from_pem(&pki::text(certificate), &pki::text(key), None, None).expect("readable");
    let config = ServerConfig::builder_with_details(provider, Arc::clone(&environment.wall_clock))
        .with_protocol_versions(script.versions)
        .expect("the versions are known")
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .expect("certificate and key belong together");
    Arc::new(config)
}

/// The data channel as the script says, without keys.
pub(crate) fn data_plane(script: &Script, environment: &Environment, now: Instant) -> DataPlane {
    let setup = DataSetup {
        compression: CompressionPolicy::No,
        mssfix: MssFix::Off,
        outer_ipv6: false,
        random: environment.provider.secure_random,
        reneg_bytes: None,
        reneg_packets: None,
        replay_window: 2048,
        socks_header: 0,
        transport: script.transport,
        tun_mtu: 1500,
        tun_mtu_max: 1500,
    };
    let mut data = DataPlane::new(setup, now);
    data.set_keepalive(now, script.ping, None);
    data
}
