//! Why an attempt ended, who was wrong, and what that means for the next attempt.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why a connection ended without the user asking for it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectionError {
    /// The server refused the user's credentials; `reason` is what it said, made printable.
    #[error("authentication failed{}", said(.reason))]
    AuthFailed {
        /// The server's words, without control characters; may be empty.
        reason: String,
    },
    /// The server refused for now (`AUTH_FAILED,TEMP`).
    #[error("the server refused the login for now{}", said(.reason))]
    AuthFailedTemporarily {
        /// The server's words, without control characters; may be empty.
        reason: String,
        /// How long the server asks us to wait.
        backoff: Duration,
        /// Where to go next.
        advance: Advance,
    },
    /// The session token is no longer valid; the original credentials are needed again.
    #[error("the session token has expired{}", said(.reason))]
    TokenExpired {
        /// The server's words, without control characters; may be empty.
        reason: String,
    },
    /// The server answers the login with a question (`AUTH_FAILED,CRV1:`).
    #[error("the server asks: {}", .0.text)]
    DynamicChallenge(DynamicChallenge),
    /// The server's certificate did not pass; the text names the check and the subject.
    #[error("the server's certificate was refused: {0}")]
    CertificateRefused(String),
    /// The server's certificate, or the revocation list that it is judged by, is not valid yet: the clock may be wrong.
    #[error("the server's certificate was refused: {0}")]
    CertificateNotYetValid(String),
    /// The tunnel's device cannot be made; nothing was sent.
    #[error("{0}")]
    DeviceMissing(String),
    /// The server did not accept us, and our own certificate is not valid yet: the clock may be wrong.
    #[error("the server did not accept us: {0}")]
    OwnCertificateNotYetValid(String),
    /// The server did not accept us, and something is wrong with our own certificate.
    #[error("the server did not accept us: {0}")]
    OwnCertificateRefused(String),
    /// The server refused ours, or the TLS handshake itself, with an alert.
    #[error("the server ended the TLS handshake: {0}")]
    TlsAlert(String),
    /// TLS cannot be set up with the keys and settings of the profile; nobody was asked.
    #[error("the profile cannot be used: {0}")]
    ProfileUnusable(String),
    /// The TLS handshake failed on our side.
    #[error("the TLS handshake failed: {0}")]
    Tls(String),
    /// The peer broke the protocol; trying the same remote again will hardly help.
    #[error("the server broke the protocol: {0}")]
    PeerMisbehaved(&'static str),
    /// The peer and we share no way to continue, for example no common data cipher.
    #[error("the server is incompatible: {0}")]
    PeerIncompatible(String),
    /// The profile rejects what the server pushed (`pull-filter reject`).
    #[error("the server pushed what the profile rejects: {0}")]
    PushRejected(String),
    /// The server did not answer at all.
    #[error("no answer from the server for {seconds} s")]
    NoAnswer {
        /// How long we waited, in seconds.
        seconds: u64,
    },
    /// The handshake was begun, but not finished in time; `stage` says how far it came.
    #[error("the handshake was not finished within {seconds} s (it stopped at: {stage})")]
    HandshakeTimeout {
        /// How long we waited, in seconds.
        seconds: u64,
        /// What was being waited for.
        stage: &'static str,
    },
    /// Nothing authentic was heard from an established peer.
    #[error("nothing was heard from the server for {seconds} s")]
    PeerLost {
        /// How long we waited, in seconds.
        seconds: u64,
    },
    /// The server sent an exit notification (`EXIT`, or the exit message in the data channel).
    #[error("the server is going away")]
    PeerExited,
    /// The server asked us to reconnect (`RESTART`).
    #[error("the server asked us to reconnect{}", said(.reason))]
    ServerRestart {
        /// The server's words, without control characters; may be empty.
        reason: String,
        /// Whether credentials and token stay valid.
        keep_credentials: bool,
        /// Where to go next.
        advance: Advance,
    },
    /// The server ended the session for good (`HALT`).
    #[error("the server ended the session{}", said(.reason))]
    ServerHalt {
        /// The server's words, without control characters; may be empty.
        reason: String,
    },
    /// No traffic passed for the time that `inactive` allows.
    #[error("the tunnel was inactive for {seconds} s")]
    Inactive {
        /// The limit, in seconds.
        seconds: u64,
    },
    /// The time that `session-timeout` allows is over.
    #[error("the session reached its limit of {seconds} s")]
    SessionTimeout {
        /// The limit, in seconds.
        seconds: u64,
    },
    /// The proxy wants credentials, or other ones.
    #[error("{kind} proxy {}", if *.refused { "credentials were not accepted" } else { "requires credentials" })]
    ProxyCredentials {
        /// What kind of proxy it is.
        kind: ProxyKind,
        /// There were some, and it did not accept them.
        refused: bool,
    },
    /// A proxy refused, and will again.
    #[error("{0}")]
    ProxyRefused(String),
    /// The transport failed: a socket error, a stream that ended, a proxy that refused for now.
    #[error("no connection to the server: {0}")]
    Transport(String),
}

/// Which remote the next attempt takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// The next address of the same remote.
    Address,
    /// The same address again.
    No,
    /// The first address of the next remote.
    Remote,
}

/// A question that the server asks by refusing the login; the answer goes into the next attempt's password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamicChallenge {
    /// Whether the answer may be shown while it is typed.
    pub echo: bool,
    /// Whether an answer is needed at all.
    pub response_required: bool,
    /// The server's handle for the question.
    pub state_id: String,
    /// The user name for the next attempt.
    pub username: String,
    /// The question.
    pub text: String,
}

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP with `CONNECT`.
    Http,
    /// SOCKS5.
    Socks,
}

impl fmt::Display for ProxyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Socks => "SOCKS",
        })
    }
}

fn said(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

/// What keeps the server's packets from being understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undecodable {
    /// They do not pass the check of their authenticity: another cipher or digest.
    CipherOrDigest,
    /// They are compressed, and the profile does not allow that.
    Compressed,
    /// They have the compression byte of an option that the profile does not have.
    FramedByServer,
    /// They lack the compression byte that the profile's option asks for.
    NotFramedByServer,
    /// They have (or lack) the header of `fragment`, other than the profile says.
    Fragment,
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CipherOrDigest => {
                "packets from the server cannot be decrypted: its cipher or auth is not that of the profile"
            }
            Self::Compressed => {
                "packets from the server are compressed: the profile needs `allow-compression asym`, or the server no \
                 compression"
            }
            Self::FramedByServer => {
                "packets from the server have a header that the profile does not expect: the server's `comp-lzo`, `compress` or \
                 `fragment` must be in the profile too"
            }
            Self::NotFramedByServer => {
                "packets from the server lack the compression header: the profile's `comp-lzo` or `compress` must go, or the \
                 server needs it too"
            }
            Self::Fragment => {
                "packets from the server cannot be reassembled: `fragment` must be in the profile and at the server, or at \
                 neither"
            }
        })
    }
}
