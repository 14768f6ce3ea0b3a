//! `ConnectionConfig`: one attempt at one address, fully checked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;

use super::crypto::cipher::Cipher;
use super::crypto::client_key::ClientKey;
use super::crypto::hmac::Digest;
use super::crypto::static_key::{KeyDirection, StaticKey};
use super::event::AuthToken;
use super::pki::{Identity, Trust};
use super::secret::SecretText;
pub use super::settings::{
    CertProfile, CertType, CompressionPolicy, Framing, HashCheck, MssFix, NameCheck, PeerChecks,
    PullRules, TlsVersion, Transport,
};

/// All that one attempt needs to know.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Where the attempt goes.
    pub endpoint: Endpoint,
    /// How the control channel is protected.
    pub wrapping: Arc<Wrapping>,
    /// Certificates and how to judge the server's.
    pub tls: Arc<TlsConfig>,
    /// User name and password, if the profile asks for them or a challenge is being answered.
    pub credentials: Option<Arc<Credentials>>,
    /// The token of an earlier attempt, in place of the password.
    pub token: Option<Arc<AuthToken>>,
    /// Ciphers, MTU, compression.
    pub data: DataConfig,
    /// What we say about ourselves.
    pub peer_info: PeerInfo,
    /// Windows, intervals and limits.
    pub timing: Timing,
    /// Which pushed options are let in.
    pub pull: PullRules,
    /// Randomness, cryptography and the wall clock.
    pub surroundings: Surroundings,
}

/// What a pure machine cannot have of its own.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Cryptography for TLS; its `secure_random` gives session ids and key material.
    pub provider: Arc<CryptoProvider>,
    /// The wall clock: certificate validity, and the time field of wrapped control packets.
    pub wall_clock: Arc<dyn TimeProvider>,
}

/// The address of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host as the profile names it.
    pub host: String,
    /// The address this attempt goes to. Through a proxy that resolves by itself it is the proxy's.
    pub address: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
}

/// How the control channel is protected.
#[derive(Debug)]
pub enum Wrapping {
    /// Not at all.
    None,
    /// An HMAC over each packet.
    TlsAuth {
        /// The shared key.
        key: StaticKey,
        /// Which half is whose.
        direction: KeyDirection,
        /// The digest, the one named by `auth`.
        digest: Digest,
    },
    /// Encryption with a key shared by all.
    TlsCrypt {
        /// The shared key.
        key: StaticKey,
    },
    /// Encryption with a key of our own.
    TlsCryptV2 {
        /// Our key, and its wrapped form for the server.
        key: ClientKey,
    },
}

/// TLS: who we are, whom we trust.
#[derive(Debug)]
pub struct TlsConfig {
    /// Our certificate, if the profile has one.
    pub identity: Option<Identity>,
    /// Anchors, revocation lists, fingerprints.
    pub trust: Trust,
    /// What the server's leaf must satisfy beside the chain.
    pub checks: PeerChecks,
    /// The lowest version allowed.
    pub version_min: TlsVersion,
    /// The highest version allowed.
    pub version_max: TlsVersion,
    /// `tls-cipher`: the names as written, in order; `None` for the library's own.
    pub cipher_list: Option<Vec<String>>,
    /// `tls-ciphersuites`: the names as written, in order; `None` for the library's own.
    pub cipher_suites: Option<Vec<String>>,
    /// `tls-groups`: the names as written, in order; `None` for the library's own.
    pub groups: Option<Vec<String>>,
    /// How strong certificates must be.
    pub cert_profile: CertProfile,
    /// The name sent as SNI (`sni`); none by default.
    pub sni: Option<String>,
}

/// User name and password, encoded as they go on the wire (a challenge's answer is inside).
#[derive(Debug)]
pub struct Credentials {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: SecretText,
}

/// The data channel.
#[derive(Debug, Clone)]
pub struct DataConfig {
    /// Ciphers offered, the most wanted first.
    pub ciphers: Vec<Cipher>,
    /// The cipher for a server that names none.
    pub fallback: Option<Cipher>,
    /// The digest of `auth`, for CBC ciphers (and named in the options string).
    pub digest: Digest,
    /// Compression framing that the profile itself asks for.
    pub framing: Framing,
    /// What is let in of compression.
    pub compression: CompressionPolicy,
    /// MTU of the TUN device, 100 to 65535; the default is 1500.
    pub tun_mtu: u16,
    /// The highest MTU the server may push; the default is the larger of 1600 and `tun_mtu`.
    pub tun_mtu_max: u16,
    /// How TCP's segment size is clamped.
    pub mssfix: MssFix,
    /// How far behind the newest packet one may be, in packets.
    pub replay_window: u32,
    /// Data travels with a SOCKS5 UDP header of 10 bytes in front (counts for `mssfix`).
    pub socks_udp: bool,
}

/// What we say about ourselves (`IV_*`, `UV_*`).
#[derive(Debug, Clone, Default)]
pub struct PeerInfo {
    /// `IV_GUI_VER`.
    pub gui_version: Option<String>,
    /// `IV_SSO`: methods of login outside of the tunnel that the front can show, such as `openurl,webauth,crtext`.
    pub sso: Option<String>,
    /// `push-peer-info`: send the lines below too.
    pub push: bool,
    /// `IV_HWADDR`.
    pub hardware_address: Option<String>,
    /// `IV_PLAT_VER`.
    pub platform_version: Option<String>,
    /// `UV_*` of the profile, name with prefix.
    pub user_variables: Vec<(String, String)>,
    /// `IV_ACC`: protocols of the app control channel; none by default.
    pub app_control: Vec<String>,
    /// `IV_AUTO_SESS`: ask the server for a session token although no password is needed.
    pub auto_session: bool,
}

/// Windows, intervals and limits.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Until the first packet of the server (`server-poll-timeout`, `connect-timeout`).
    pub server_poll: Duration,
    /// From the reset to the exchanged keys (`hand-window`), and for the answer to `PUSH_REQUEST`.
    pub hand_window: Duration,
    /// How long an old key may still decrypt (`tran-window`).
    pub tran_window: Duration,
    /// When we renegotiate by ourselves (`reneg-sec`); `None`: never.
    pub reneg: Option<Duration>,
    /// After how many bytes we renegotiate (`reneg-bytes`).
    pub reneg_bytes: Option<u64>,
    /// After how many packets we renegotiate (`reneg-pkts`).
    pub reneg_packets: Option<u64>,
    /// The first retransmission of a control packet (`tls-timeout`), doubled each time.
    pub tls_timeout: Duration,
    /// When a new key begins to encrypt (`become-primary`); `None`: min(`hand_window`, `reneg` / 2).
    pub become_primary: Option<Duration>,
    /// Ping interval before the server pushes one (`ping`, `keepalive`); `None`: no pings.
    pub ping: Option<Duration>,
    /// When silence ends the attempt, before the server pushes it (`ping-restart`); `None`: never.
    pub ping_restart: Option<Duration>,
    /// `ping-exit` rather than `ping-restart`: silence ends the session.
    pub ping_exit: bool,
    /// `inactive`: seconds and the bytes of tunnel traffic that count as activity.
    pub inactive: Option<(Duration, u64)>,
    /// `session-timeout`.
    pub session_timeout: Option<Duration>,
    /// `explicit-exit-notify`: how many goodbyes are sent on UDP, where the server knows no better way.
    pub exit_notify: u8,
    /// The largest control packet on the wire with IP and UDP headers, in bytes (`max-packet-size`): 154 to 2048.
    pub control_packet_size: u16,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            server_poll: Duration::from_secs(10),
            hand_window: Duration::from_secs(60),
            tran_window: Duration::from_secs(3600),
            reneg: Some(Duration::from_secs(3600)),
            reneg_bytes: None,
            reneg_packets: None,
            tls_timeout: Duration::from_secs(1),
            become_primary: None,
            ping: None,
            ping_restart: Some(Duration::from_secs(120)),
            ping_exit: false,
            inactive: None,
            session_timeout: None,
            exit_notify: 1,
            control_packet_size: 1250,
        }
    }
}
