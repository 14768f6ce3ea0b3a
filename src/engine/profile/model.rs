//! `Profile` and its parts; no field is a raw string that means something.

use std::str::Utf8Error;
use std::sync::Arc;
use std::time::Duration;

use super::error::Place;
pub use super::proxy::Login;
use super::proxy::Proxy;
use super::tunnel::TunnelOptions;
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::crypto::replay::WIDEST;
use crate::crypto::static_key::KeyDirection;
use crate::secret::{SecretBytes, SecretText};
use crate::settings::{
    CertProfile, CompressionPolicy, DataConfig, Framing, MssFix, PacketLimit, PeerChecks, PeerInfo,
    PullRules, Timing, TlsVersion, Transport,
};

/// A profile that has been understood, and found to hold together.
#[derive(Debug, Clone)]
pub struct Profile {
    /// What it was called when it was read.
    pub name: String,
    /// What it says for people and fronts.
    pub meta: Meta,
    /// The servers, in the order of the profile; never empty.
    pub remotes: Vec<Remote>,
    /// `remote-random`: the order is shuffled once.
    pub remote_random: bool,
    /// `remote-random-hostname`: a random label goes in front of host names.
    pub remote_random_hostname: bool,
    /// How attempts follow each other.
    pub retry: Retry,
    /// The TUN device.
    pub device: Device,
    /// The transport socket.
    pub socket: Socket,
    /// `auth-user-pass`: user name and password are wanted.
    pub login: Option<Login>,
    /// `static-challenge`.
    pub static_challenge: Option<StaticChallenge>,
    /// `auth-retry`.
    pub auth_retry: AuthRetry,
    /// `auth-nocache`.
    pub auth_nocache: bool,
    /// Certificates, keys and checks.
    pub tls: TlsOptions,
    /// Ciphers and compression.
    pub data: DataOptions,
    /// Windows, intervals and limits; what differs per remote comes by [`Profile::timing`].
    pub timing: Timing,
    /// Which pushed options are let in.
    pub pull: PullRules,
    /// What the profile says about us.
    pub peer_info: PeerInfo,
    /// The network as the profile itself wants it.
    pub tunnel: TunnelOptions,
    /// `verb`.
    pub verbosity: Option<u8>,
    /// What only an override can say.
    pub preferences: Preferences,
}

impl Profile {
    /// Windows, intervals and limits for attempts at `remote`.
    #[must_use]
    pub fn timing(&self, remote: &Remote) -> Timing {
        Timing {
            server_poll: remote.options.server_poll,
            exit_notify: remote.options.exit_notify,
            control_packet_size: remote.options.control_packet_size,
            ..self.timing.clone()
        }
    }

    /// The data channel for attempts at `remote`.
    #[must_use]
    pub fn data(&self, remote: &Remote) -> DataConfig {
        let socks = matches!(remote.options.proxy, Some(Proxy::Socks(_)));
        DataConfig {
            ciphers: self.data.ciphers.clone(),
            fallback: self.data.fallback,
            digest: self.data.digest,
            framing: self.data.framing,
            compression: self.pull.compression,
            tun_mtu: remote.options.tun_mtu,
            tun_mtu_max: remote.options.tun_mtu_max,
            mssfix: remote.options.mssfix,
            fragment: remote
                .options
                .fragment
                .filter(|_| remote.transport == Transport::Udp),
            probe_path: remote.options.probe_path,
            replay_window: self.data.replay_window,
            socks_header: if socks && remote.transport == Transport::Udp {
                10
            } else {
                0
            },
        }
    }

    /// Whether the private key needs a passphrase that is not known, as far as its text shows.
    #[must_use]
    pub fn wants_key_passphrase(&self) -> bool {
        let encrypted = |key: &Material| key.text().is_ok_and(|text| text.contains("ENCRYPTED"));
        self.tls.key_passphrase.is_none() && self.tls.key.as_ref().is_some_and(encrypted)
    }
}

/// What a profile says for people and fronts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meta {
    /// The profile's own name, such as `user@host`.
    pub profile_name: Option<String>,
    /// A name for people.
    pub friendly_name: Option<String>,
    /// The user name that cannot be changed.
    pub username: Option<String>,
    /// The certificate alone suffices, no login is asked for.
    pub autologin: bool,
    /// Certificate and key are kept elsewhere.
    pub external_pki: bool,
    /// Whether a front may offer to remember the password.
    pub allow_password_save: Option<bool>,
    /// Servers to choose from.
    pub servers: Vec<String>,
}

/// A server to try.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// UDP or TCP.
    pub transport: Transport,
    /// The only address family to use; `None`: any.
    pub family: Option<AddressFamily>,
    /// What a `<connection>` block may set for its remote alone.
    pub options: Arc<RemoteOptions>,
}

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// What may differ between remotes.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// How the control channel is protected.
    pub wrapping: WrappingText,
    /// The way through a proxy.
    pub proxy: Option<Proxy>,
    /// The local address to bind to; an address or a name.
    pub local: Option<String>,
    /// The local port to bind to.
    pub local_port: Option<u16>,
    /// Accept packets from any address.
    pub float: bool,
    /// Until the server must have answered.
    pub server_poll: Duration,
    /// MTU of the device.
    pub tun_mtu: u16,
    /// The highest MTU that may be pushed.
    pub tun_mtu_max: u16,
    /// `mssfix`.
    pub mssfix: MssFix,
    /// `fragment`; without effect over TCP.
    pub fragment: Option<PacketLimit>,
    /// Whether the server is asked which packets pass on the path; off by `disable-occ`.
    pub probe_path: bool,
    /// The largest control packet on the wire.
    pub control_packet_size: u16,
    /// How many exit notifications on UDP.
    pub exit_notify: u8,
}

/// How the control channel is protected, keys as they stand in their files.
#[derive(Debug, Clone)]
pub enum WrappingText {
    /// Not at all.
    None,
    /// `tls-auth`.
    TlsAuth {
        /// The static key file.
        key: Material,
        /// Which half is whose.
        direction: KeyDirection,
        /// The digest.
        digest: Digest,
    },
    /// `tls-crypt`.
    TlsCrypt {
        /// The static key file.
        key: Material,
    },
    /// `tls-crypt-v2`.
    TlsCryptV2 {
        /// The client key file.
        key: Material,
    },
}

/// The content of a file or of an inline block, not yet decoded.
#[derive(Debug, Clone)]
pub struct Material {
    /// Where the profile has it or names it.
    pub place: Place,
    /// The file's name; `None` when it is inline.
    pub file: Option<String>,
    /// The content.
    pub content: Arc<SecretBytes>,
}

impl Material {
    /// The content as text.
    ///
    /// # Errors
    ///
    /// [`Utf8Error`] if it is none.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.content.expose())
    }
}

/// How attempts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first pause (`connect-retry`).
    pub first: Duration,
    /// The longest pause (`connect-retry`).
    pub longest: Duration,
    /// How many rounds over all remotes; `None`: for ever (`connect-retry-max`).
    pub rounds: Option<u32>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(300),
            rounds: None,
        }
    }
}

/// The TUN device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// `tun` for the first free one, else the name itself.
    pub name: String,
    /// `txqueuelen`.
    pub queue_length: Option<u32>,
    /// `persist-tun`: it stays while reconnecting.
    pub persist: bool,
    /// `route-table`.
    pub table: Option<u32>,
    /// `route-noexec`: routes are somebody else's business.
    pub no_routes: bool,
}

/// The transport socket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Socket {
    /// `mark`.
    pub mark: Option<u32>,
    /// `sndbuf`, in bytes.
    pub sndbuf: Option<u32>,
    /// `rcvbuf`, in bytes.
    pub rcvbuf: Option<u32>,
    /// `bind-dev`.
    pub device: Option<String>,
}

/// `static-challenge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticChallenge {
    /// The question.
    pub text: String,
    /// Whether the answer may be shown while it is typed.
    pub echo: bool,
    /// The answer is put behind the password as it is (`concat`), rather than encoded (`scrv1`).
    pub concat: bool,
}

/// What follows a refused login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthRetry {
    /// Ask again.
    Interact,
    /// Try the same again.
    NoInteract,
    /// The session is over.
    #[default]
    None,
}

/// Certificates, keys and checks.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// `ca`: all instances.
    pub ca: Vec<Material>,
    /// `cert`.
    pub cert: Option<Material>,
    /// `key`.
    pub key: Option<Material>,
    /// `askpass`: the passphrase of the key.
    pub key_passphrase: Option<Arc<SecretText>>,
    /// `extra-certs`: all instances.
    pub extra_certs: Vec<Material>,
    /// `pkcs12`, in DER.
    pub pkcs12: Option<Material>,
    /// `crl-verify`: all instances; `None` when it is not used.
    pub crl: Option<Vec<Material>>,
    /// `peer-fingerprint`: SHA-256 of acceptable leaves.
    pub fingerprints: Vec<[u8; 32]>,
    /// The profile says that we have no certificate.
    pub no_certificate: bool,
    /// What the server's leaf must satisfy.
    pub checks: PeerChecks,
    /// `tls-version-min`; `None`: 1.2.
    pub version_min: Option<TlsVersion>,
    /// `tls-version-max`; `None`: 1.3.
    pub version_max: Option<TlsVersion>,
    /// `tls-cipher`.
    pub cipher_list: Option<Vec<String>>,
    /// `tls-ciphersuites`.
    pub cipher_suites: Option<Vec<String>>,
    /// `tls-groups`.
    pub groups: Option<Vec<String>>,
    /// `tls-cert-profile`.
    pub cert_profile: CertProfile,
    /// `sni`.
    pub sni: Option<String>,
}

/// Ciphers and compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOptions {
    /// The ciphers offered, the most wanted first.
    pub ciphers: Vec<Cipher>,
    /// The cipher for servers that name none.
    pub fallback: Option<Cipher>,
    /// `auth`.
    pub digest: Digest,
    /// The framing of `comp-lzo` or `compress`.
    pub framing: Framing,
    /// `replay-window`, in packets.
    pub replay_window: u32,
}

/// What only an override can say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `ipv6`: what becomes of an address family that the tunnel does not carry.
    pub unused_family: UnusedFamily,
    /// `dns-fallback-google`: public servers where all traffic is redirected and no name server is named.
    pub dns_fallback: bool,
    /// `dns-setup-disabled`, `dns-scope`: how far name resolution goes through the tunnel.
    pub dns: DnsUse,
    /// `auth-fail-retry`: a refused login is tried again.
    pub auth_fail_retry: bool,
    /// `log-level`: 0 to 6, beats `verb`.
    pub log_level: Option<u8>,
    /// `enterprise-profile`: the device posture profile, which this client does not have.
    pub enterprise_profile: Option<String>,
}

/// What becomes of an address family that the tunnel does not carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnusedFamily {
    /// It goes its usual way, unless server or profile block it.
    Allow,
    /// It is blocked.
    Block,
    /// As the server and the profile say.
    #[default]
    Default,
}

/// How far name resolution goes through the tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsUse {
    /// For all names, unless the server named domains and does not take all traffic.
    #[default]
    Auto,
    /// For all names, unless the server named domains for its name servers alone (`resolve-domains`, `DOMAIN-ROUTE`).
    Global,
    /// Not at all.
    Off,
    /// For the domains that the server named, and no others.
    Tunnel,
}

impl DataOptions {
    /// Offers the ciphers of old servers too (`enable-legacy-algorithms`).
    pub fn allow_legacy(&mut self) {
        for cipher in [
            Cipher::Aes256Cbc,
            Cipher::Aes192Cbc,
            Cipher::Aes128Cbc,
            Cipher::Aes192Gcm,
        ] {
            if !self.ciphers.contains(&cipher) {
                self.ciphers.push(cipher);
            }
        }
    }
}

impl Default for DataOptions {
    fn default() -> Self {
        Self {
            ciphers: Cipher::DEFAULT.to_vec(),
            fallback: None,
            digest: Digest::Sha1,
            framing: Framing::None,
            replay_window: WIDEST,
        }
    }
}

impl Profile {
    /// A profile that says nothing, to be filled.
    pub(super) fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            meta: Meta::default(),
            remotes: Vec::new(),
            remote_random: false,
            remote_random_hostname: false,
            retry: Retry::default(),
            device: Device {
                name: "tun".to_owned(),
                queue_length: None,
                persist: false,
                table: None,
                no_routes: false,
            },
            socket: Socket::default(),
            login: None,
            static_challenge: None,
            auth_retry: AuthRetry::None,
            auth_nocache: false,
            tls: TlsOptions::default(),
            data: DataOptions::default(),
            timing: Timing::default(),
            pull: PullRules {
                compression: CompressionPolicy::No,
                ..PullRules::default()
            },
            peer_info: PeerInfo::default(),
            tunnel: TunnelOptions::default(),
            verbosity: None,
            preferences: Preferences::default(),
        }
    }
}
