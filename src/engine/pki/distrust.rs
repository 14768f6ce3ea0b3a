//! Why a chain is not trusted.

use thiserror::Error;

use super::signature::{KeyKind, SignatureError};

/// A certificate that fails, and why.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason}; subject: {subject}")]
pub struct Distrust {
    /// The subject of the certificate that fails, which need not be the leaf.
    pub subject: String,
    /// Why it fails.
    pub reason: Reason,
}

/// Why a certificate fails.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Reason {
    /// It has a critical extension that is unknown, or one that cannot be read.
    #[error("the certificate has an extension that cannot be understood ({0})")]
    CriticalExtension(String),
    /// Its time is over.
    #[error("the certificate expired on {until}")]
    Expired {
        /// The end of its validity.
        until: String,
    },
    /// It is a CA by its extensions, but may not sign certificates.
    #[error("the CA certificate's key usage does not allow it to sign certificates")]
    MayNotSign,
    /// Nobody has its issuer.
    #[error("the certificate's issuer is not in ca ({issuer})")]
    NoIssuer {
        /// The issuer's name.
        issuer: String,
    },
    /// It signed another one, but is no CA.
    #[error("the certificate signed another one, but is no CA")]
    NotACa,
    /// Its time has not come.
    #[error("the certificate is not valid before {from}")]
    NotYetValid {
        /// The begin of its validity.
        from: String,
    },
    /// The CA allows fewer CAs below it.
    #[error("the CA certificate allows fewer CAs below it")]
    PathTooLong,
    /// It is for something else.
    #[error("the certificate is not for a TLS server: {0}")]
    Purpose(&'static str),
    /// It is in its issuer's revocation list.
    #[error("the certificate has been revoked (crl-verify)")]
    Revoked,
    /// Its issuer's revocation list is no longer or not yet valid, or not signed by the issuer.
    #[error("the revocation list of the certificate's issuer (crl-verify) {0}")]
    RevocationList(String),
    /// `crl-verify` is set, but nothing could be loaded.
    #[error("crl-verify is set, but there is no revocation list")]
    RevocationListMissing,
    /// It signs itself, and is not among the anchors.
    #[error("the certificate signs itself and is not in ca")]
    SelfSigned,
    /// The issuer's key does not verify it.
    #[error("the certificate does not match the CA certificate of its issuer's name: {0}")]
    Signature(SignatureError),
    /// More certificates than anybody uses.
    #[error("the certificate's chain is too long")]
    TooDeep,
    /// Its key is weaker than the profile demands.
    #[error("the certificate's key is too weak for tls-cert-profile ({0}){advice}", advice = advice(.0))]
    WeakKey(KeyKind),
}

impl Reason {
    /// Whether time alone, or a right clock, mends it.
    #[must_use]
    pub fn is_not_yet(&self) -> bool {
        matches!(self, Self::NotYetValid { .. })
            || matches!(self, Self::RevocationList(why) if why.starts_with(NOT_YET))
    }
}

/// What is said of a revocation list whose time has not come.
pub(super) const NOT_YET: &str = "is not valid before";

impl Reason {
    pub(super) const fn is_about_signature(&self) -> bool {
        matches!(self, Self::Signature(SignatureError::Invalid))
    }
}

/// What lets a short key in, where anything does.
const fn advice(kind: &KeyKind) -> &'static str {
    match kind {
        KeyKind::Rsa { bits: 1024..2048 } => {
            "; tls-cert-profile insecure allows RSA from 1024 bits"
        }
        KeyKind::Ed25519
        | KeyKind::Other(_)
        | KeyKind::P256
        | KeyKind::P384
        | KeyKind::P521
        | KeyKind::Rsa { .. } => "",
    }
}
