//! What kind of key signs.

use std::fmt;

use x509_parser::x509::SubjectPublicKeyInfo;

use super::{algorithm, rsa};

/// A public key, as far as it matters for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519.
    Ed25519,
    /// One that cannot be used here; its name.
    Other(String),
    /// ECDSA with P-256.
    P256,
    /// ECDSA with P-384.
    P384,
    /// ECDSA with P-521.
    P521,
    /// RSA.
    Rsa {
        /// The length of the modulus, in bits.
        bits: usize,
    },
}

impl KeyKind {
    /// What kind of key it is.
    #[must_use]
    pub fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = key.algorithm.algorithm.to_id_string();
        match algorithm.as_str() {
            RSA | RSA_FOR_PSS => Self::Rsa {
                bits: rsa::bits(&key.subject_public_key.data),
            },
            "1.2.840.10045.2.1" => {
                let curve = key.algorithm.parameters.as_ref();
                let curve = curve.and_then(|parameters| parameters.as_oid().ok());
                match curve {
                    Some(curve) => Self::of_curve(&curve.to_id_string()),
                    None => Self::Other("ECDSA without a named curve".to_owned()),
                }
            }
            "1.3.101.112" => Self::Ed25519,
            other => Self::Other(algorithm::name_of(other)),
        }
    }

    /// ECDSA with a curve.
    pub(super) fn of_curve(curve: &str) -> Self {
        match curve {
            "1.2.840.10045.3.1.7" => Self::P256,
            "1.3.132.0.34" => Self::P384,
            "1.3.132.0.35" => Self::P521,
            other => Self::Other(algorithm::curve_name(other)),
        }
    }

    /// Whether a private key of this kind can sign here.
    pub(super) const fn can_sign(&self) -> bool {
        match self {
            Self::Ed25519 | Self::P256 | Self::P384 | Self::P521 => true,
            Self::Rsa { bits } => *bits >= 2048 && *bits <= 4096,
            Self::Other(_) => false,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(name) => f.write_str(name),
            Self::P256 => f.write_str("ECDSA with P-256"),
            Self::P384 => f.write_str("ECDSA with P-384"),
            Self::P521 => f.write_str("ECDSA with P-521"),
            Self::Rsa { bits } => write!(f, "RSA with {bits} bits"),
        }
    }
}

/// Whether a key says that it signs with PSS alone (RFC 4055, section 1.2).
pub(super) fn is_for_pss_only(key: &SubjectPublicKeyInfo<'_>) -> bool {
    key.algorithm.algorithm.to_id_string() == RSA_FOR_PSS
}

const RSA: &str = "1.2.840.113549.1.1.1";
const RSA_FOR_PSS: &str = "1.2.840.113549.1.1.10";
