//! `ConnectionConfig`: one attempt at one address, fully checked.

pub mod build;

pub use self::build::{ConnectionTemplate, SocketSettings, TemplateError};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::time_provider::TimeProvider;

use super::crypto::client_key::ClientKey;
use super::crypto::hmac::Digest;
use super::crypto::static_key::{KeyDirection, StaticKey};
use super::event::AuthToken;
use super::pki::{Identity, Trust};
use super::secret::SecretText;
pub use super::settings::{
    CertProfile, CertType, CompressionPolicy, DataConfig, Framing, HashCheck, MssFix, NameCheck,
    PeerChecks, PeerInfo, PullRules, Timing, TlsVersion, Transport,
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
    pub environment: Environment,
}

/// What a pure machine cannot have of its own.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Cryptography for TLS; its `secure_random` gives session ids and key material.
    pub provider: Arc<CryptoProvider>,
    /// The wall clock: certificate validity, and the time field of wrapped control packets.
    pub wall_clock: Arc<dyn TimeProvider>,
    /// Whether the wall clock can be believed. `None`: always.
    pub clock_trust: Option<Arc<dyn ClockTrust>>,
}

/// Who knows whether the wall clock can be believed.
pub trait ClockTrust: fmt::Debug + Send + Sync {
    /// Whether it has been set by something that knows the time.
    fn is_trusted(&self) -> bool;
}

impl Environment {
    /// Whether the wall clock can be believed.
    #[must_use]
    pub fn clock_is_trusted(&self) -> bool {
        let trust = self.clock_trust.as_ref();
        trust.is_none_or(|trust| trust.is_trusted())
    }
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
