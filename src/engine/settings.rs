//! Values that a profile sets and several rooms use: no behaviour of their own.

use std::time::Duration;

use std::fmt;

use super::crypto::cipher::Cipher;
use super::crypto::hmac::Digest;

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// A stream of length-prefixed packets.
    Tcp,
    /// One packet per datagram.
    Udp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

/// A TLS version that rustls has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V1_2,
    /// TLS 1.3.
    V1_3,
}

/// How strong certificates must be (`tls-cert-profile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertProfile {
    /// Anything that can be verified: RSA from 1024 bits, SHA-1 signatures allowed.
    Insecure,
    /// RSA from 2048 bits, SHA-1 signatures allowed. The default.
    #[default]
    Legacy,
    /// RSA from 2048 bits, SHA-256 and better.
    Preferred,
    /// NSA Suite B: ECDSA with P-256 or P-384.
    SuiteB,
}

/// What the server's leaf certificate must satisfy beside the chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerChecks {
    /// `remote-cert-tls`.
    pub cert_type: Option<CertType>,
    /// `remote-cert-ku`: acceptable key-usage bytes; `Some` of an empty list demands the extension only.
    pub key_usage: Option<Vec<u8>>,
    /// `remote-cert-eku`: a name or a dotted OID.
    pub extended_key_usage: Option<String>,
    /// `ns-cert-type`.
    pub netscape_type: Option<CertType>,
    /// `verify-x509-name` (and the old `tls-remote`).
    pub name: Option<NameCheck>,
    /// `verify-hash`: fingerprints of the certificate at a depth of the chain (1: the issuer).
    pub hash: Option<HashCheck>,
    /// `x509-username-field`: where `NameCheck` looks in place of the common name.
    pub username_field: Option<String>,
}

/// `verify-hash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashCheck {
    /// Acceptable fingerprints, SHA-1 (20 bytes) or SHA-256 (32 bytes).
    pub fingerprints: Vec<Vec<u8>>,
    /// Depth in the chain, 0 is the leaf.
    pub depth: usize,
}

/// Which side a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertType {
    /// A TLS client.
    Client,
    /// A TLS server.
    Server,
}

/// `verify-x509-name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameCheck {
    /// The common name equals the text.
    Name(String),
    /// The common name starts with the text.
    NamePrefix(String),
    /// The whole subject in the form of OpenVPN before 2.3 (`/C=DE/CN=server`) equals the text; what is neither letter
    /// nor digit nor one of `-_.@:/=` counts as `_`.
    OldSubject(String),
    /// The whole subject, as OpenVPN prints it, equals the text.
    Subject(String),
}

/// How data packets are framed inside of the encryption, for compression's sake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// `comp-lzo` and `compress lzo`: one byte in front, 0xFA when not compressed.
    Lzo,
    /// None.
    #[default]
    None,
    /// `compress`, `compress stub`, `compress lz4`: 0xFB in place of the first byte, which moves to the end.
    Swap,
    /// `compress stub-v2`, `compress lz4-v2`: nothing, but for packets that begin with 0x50.
    V2,
}

/// What is let in of compression (`allow-compression`). We never compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CompressionPolicy {
    /// Compressed packets from the server are decompressed (`asym`, `yes`).
    Asymmetric,
    /// Framing only; a compressed packet is dropped and counted.
    #[default]
    No,
}

/// How TCP's segment size is clamped (`mssfix`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MssFix {
    /// By the default rule: packets on the wire of at most 1492 bytes when the TUN's MTU is 1500, else `tun_mtu`.
    Default,
    /// `mssfix N fixed`: the tunnelled IP packet is at most N bytes.
    Fixed(u16),
    /// `mssfix N mtu`: the packet on the wire, with IP and UDP headers, is at most N bytes.
    Mtu(u16),
    /// Not at all.
    Off,
    /// `mssfix N`: the UDP payload is at most N bytes.
    Payload(u16),
}

/// Which pushed options are let in.
#[derive(Debug, Clone, Default)]
pub struct PullRules {
    /// `pull-filter`, in order; the first match decides.
    pub filters: Vec<PullFilter>,
    /// `route-nopull`.
    pub no_routes: bool,
    /// `allow-compression`: a push of a real algorithm needs it.
    pub compression: CompressionPolicy,
    /// `allow-pull-fqdn`: pushed routes may name hosts.
    pub host_names: bool,
}

/// One `pull-filter` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFilter {
    /// What happens to an option that matches.
    pub action: PullAction,
    /// The text that the option must begin with.
    pub text: String,
}

/// What `pull-filter` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullAction {
    /// Let it in, whatever follows.
    Accept,
    /// Leave it out.
    Ignore,
    /// End the attempt.
    Reject,
}

/// DNSSEC as pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsSec {
    /// Off.
    No,
    /// Where possible.
    Optional,
    /// Required.
    Yes,
}

/// How DNS travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsTransport {
    /// Over HTTPS.
    Https,
    /// Plain.
    Plain,
    /// Over TLS.
    Tls,
}

/// The length of packets on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketLimit {
    /// With the headers of IP and UDP.
    Mtu(u16),
    /// Without them.
    Payload(u16),
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
    /// `fragment`: what the packets of both sides may have at most. Both sides must say so, as it changes every packet.
    pub fragment: Option<PacketLimit>,
    /// Whether the server may be asked which packets pass on the path; off by `disable-occ`.
    pub probe_path: bool,
    /// How far behind the newest packet one may be, in packets.
    pub replay_window: u32,
    /// The SOCKS5 header in front of each datagram (counts for `mssfix`), in bytes: 10 for a server with an IPv4 address, 22
    /// for IPv6, else 0.
    pub socks_header: u8,
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
    /// `IV_AUTO_SESS`: no login is asked for; the server may hand out a session token all the same.
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
    /// `explicit-exit-notify`: how many exit notifications are sent on UDP, where the server knows no better way.
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
