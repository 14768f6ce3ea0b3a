//! Signatures of certificates, revocation lists and handshakes, and how strong they must be.

use std::fmt;

use ring::signature::{self as algorithms, UnparsedPublicKey, VerificationAlgorithm};
use thiserror::Error;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

pub use super::hash::Hash;
pub use super::key_kind::KeyKind;
use super::key_kind::is_for_pss_only;
pub use super::rsa::Pss;
use super::{algorithm, ecdsa, rsa};

/// How strong keys and signatures of certificates must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strength {
    /// The shortest RSA key, in bits.
    pub rsa_bits: usize,
    /// Whether SHA-1 may sign certificates.
    pub sha1: bool,
    /// Whether only ECDSA with P-256 or P-384 will do.
    pub suite_b: bool,
}

impl Strength {
    /// All that can be verified: RSA from 1024 bits, SHA-1 allowed.
    pub const INSECURE: Self = Self {
        rsa_bits: 1024,
        sha1: true,
        suite_b: false,
    };
    /// RSA from 2048 bits, SHA-1 allowed.
    pub const LEGACY: Self = Self {
        rsa_bits: 2048,
        sha1: true,
        suite_b: false,
    };
    /// RSA from 2048 bits, SHA-256 and better.
    pub const PREFERRED: Self = Self {
        rsa_bits: 2048,
        sha1: false,
        suite_b: false,
    };
    /// NSA Suite B.
    pub const SUITE_B: Self = Self {
        rsa_bits: usize::MAX,
        sha1: false,
        suite_b: true,
    };

    /// Whether a key may be used.
    #[must_use]
    pub fn allows(&self, key: &KeyKind) -> bool {
        match key {
            KeyKind::P256 | KeyKind::P384 => true,
            KeyKind::Rsa { bits } => *bits >= self.rsa_bits,
            KeyKind::Ed25519 | KeyKind::Other(_) | KeyKind::P521 => !self.suite_b,
        }
    }

    /// Whether certificates may be signed like this.
    const fn permits(&self, scheme: Scheme) -> bool {
        match scheme {
            Scheme::Ecdsa(Hash::Sha256 | Hash::Sha384) => true,
            Scheme::Ecdsa(hash) | Scheme::RsaPkcs1(hash) | Scheme::RsaPss(Pss { hash, .. }) => {
                !self.suite_b && (self.sha1 || !matches!(hash, Hash::Sha1))
            }
            Scheme::Ed25519 => !self.suite_b,
        }
    }
}

/// A way to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA, the signature as DER.
    Ecdsa(Hash),
    /// Ed25519.
    Ed25519,
    /// RSA with PKCS#1 v1.5 padding.
    RsaPkcs1(Hash),
    /// RSA with PSS padding.
    RsaPss(Pss),
}

impl Scheme {
    /// The way to sign that a certificate or revocation list names.
    ///
    /// # Errors
    ///
    /// [`SignatureError::Unsupported`] with its name, if this client has no such.
    pub fn of(algorithm: &AlgorithmIdentifier<'_>) -> Result<Self, SignatureError> {
        let name = algorithm.algorithm.to_id_string();
        match name.as_str() {
            "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" => Ok(Self::RsaPkcs1(Hash::Sha1)),
            "1.2.840.113549.1.1.10" => pss(algorithm).map(Self::RsaPss),
            "1.2.840.113549.1.1.11" => Ok(Self::RsaPkcs1(Hash::Sha256)),
            "1.2.840.113549.1.1.12" => Ok(Self::RsaPkcs1(Hash::Sha384)),
            "1.2.840.113549.1.1.13" => Ok(Self::RsaPkcs1(Hash::Sha512)),
            "1.2.840.113549.1.1.14" => Ok(Self::RsaPkcs1(Hash::Sha224)),
            "1.2.840.10045.4.1" => Ok(Self::Ecdsa(Hash::Sha1)),
            "1.2.840.10045.4.3.1" => Ok(Self::Ecdsa(Hash::Sha224)),
            "1.2.840.10045.4.3.2" => Ok(Self::Ecdsa(Hash::Sha256)),
            "1.2.840.10045.4.3.3" => Ok(Self::Ecdsa(Hash::Sha384)),
            "1.2.840.10045.4.3.4" => Ok(Self::Ecdsa(Hash::Sha512)),
            "1.3.101.112" => Ok(Self::Ed25519),
            other => Err(SignatureError::Unsupported(algorithm::name_of(other))),
        }
    }

    /// Verifies `signature` over `message`.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] if it does not hold or cannot be verified.
    pub fn verify(
        self,
        key: &SubjectPublicKeyInfo<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if is_for_pss_only(key) && !self.suits_pss_key(key)? {
            return Err(SignatureError::Invalid);
        }
        let kind = KeyKind::of(key);
        let point = &*key.subject_public_key.data;
        if let Some(verifier) = self.verifier(&kind) {
            return UnparsedPublicKey::new(verifier, point)
                .verify(message, signature)
                .map_err(|_| SignatureError::Invalid);
        }
        let holds = match self {
            Self::Ecdsa(hash) => ecdsa::verify(&kind, hash, point, message, signature),
            Self::RsaPkcs1(hash) if matches!(kind, KeyKind::Rsa { .. }) => {
                Some(rsa::verify_pkcs1(hash, point, message, signature))
            }
            Self::RsaPss(pss) if matches!(kind, KeyKind::Rsa { .. }) => {
                Some(rsa::verify_pss(pss, point, message, signature))
            }
            Self::Ed25519 | Self::RsaPkcs1(_) | Self::RsaPss(_) => None,
        };
        match holds {
            Some(true) => Ok(()),
            Some(false) => Err(SignatureError::Invalid),
            None => Err(SignatureError::Unsupported(format!(
                "{self} with a key of {kind}"
            ))),
        }
    }

    /// Whether a key for PSS only may sign like this (RFC 4055, section 3.3).
    fn suits_pss_key(self, key: &SubjectPublicKeyInfo<'_>) -> Result<bool, SignatureError> {
        let Self::RsaPss(this) = self else {
            return Ok(false);
        };
        if key.algorithm.parameters.is_none() {
            return Ok(true);
        }
        let wanted = pss(&key.algorithm)?;
        Ok(this.hash == wanted.hash && this.mask == wanted.mask && this.salt >= wanted.salt)
    }

    /// *ring*'s verification with this kind of key, if it has one.
    fn verifier(self, key: &KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        match (self, key) {
            (Self::Ecdsa(hash), KeyKind::P256) => match hash {
                Hash::Sha256 => Some(&algorithms::ECDSA_P256_SHA256_ASN1),
                Hash::Sha384 => Some(&algorithms::ECDSA_P256_SHA384_ASN1),
                Hash::Sha1 | Hash::Sha224 | Hash::Sha512 => None,
            },
            (Self::Ecdsa(hash), KeyKind::P384) => match hash {
                Hash::Sha256 => Some(&algorithms::ECDSA_P384_SHA256_ASN1),
                Hash::Sha384 => Some(&algorithms::ECDSA_P384_SHA384_ASN1),
                Hash::Sha1 | Hash::Sha224 | Hash::Sha512 => None,
            },
            (Self::Ed25519, KeyKind::Ed25519) => Some(&algorithms::ED25519),
            (Self::RsaPkcs1(hash), KeyKind::Rsa { bits: 1024..=8192 }) => match hash {
                Hash::Sha1 => Some(&algorithms::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
                Hash::Sha256 => Some(&algorithms::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
                Hash::Sha512 => Some(&algorithms::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
                Hash::Sha224 | Hash::Sha384 => None,
            },
            (Self::RsaPss(pss), KeyKind::Rsa { bits: 2048..=8192 }) if pss == Pss::of(pss.hash) => {
                match pss.hash {
                    Hash::Sha256 => Some(&algorithms::RSA_PSS_2048_8192_SHA256),
                    Hash::Sha384 => Some(&algorithms::RSA_PSS_2048_8192_SHA384),
                    Hash::Sha512 => Some(&algorithms::RSA_PSS_2048_8192_SHA512),
                    Hash::Sha1 | Hash::Sha224 => None,
                }
            }
            _ => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ecdsa(hash) => write!(f, "ECDSA with {hash}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::RsaPkcs1(hash) => write!(f, "RSA with {hash}"),
            Self::RsaPss(pss) => write!(f, "RSA-PSS with {}", pss.hash),
        }
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// It does not hold.
    #[error("the signature does not hold")]
    Invalid,
    /// It cannot be verified here.
    #[error("signatures by {0} are not supported")]
    Unsupported(String),
    /// It is weaker than the profile demands.
    #[error("tls-cert-profile does not allow signatures by {0}")]
    Weak(Scheme),
}

/// A signed part of a certificate or revocation list.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// The bytes that are signed.
    pub message: &'a [u8],
    /// How.
    pub algorithm: &'a AlgorithmIdentifier<'a>,
    /// The signature.
    pub signature: &'a [u8],
}

impl Signed<'_> {
    /// Verifies it with the issuer's key.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] if it does not hold, cannot be verified or is too weak.
    pub fn verify(
        &self,
        issuer: &SubjectPublicKeyInfo<'_>,
        strength: Strength,
    ) -> Result<(), SignatureError> {
        let scheme = Scheme::of(self.algorithm)?;
        if !strength.permits(scheme) {
            return Err(SignatureError::Weak(scheme));
        }
        scheme.verify(issuer, self.message, self.signature)
    }
}

fn pss(algorithm: &AlgorithmIdentifier<'_>) -> Result<Pss, SignatureError> {
    let unsupported = || SignatureError::Unsupported("RSA-PSS with these parameters".to_owned());
    let parameters = algorithm.parameters.as_ref().ok_or_else(unsupported)?;
    let parameters = RsaSsaPssParams::try_from(parameters).map_err(|_| unsupported())?;
    let mask = parameters.mask_gen_algorithm().map_err(|_| unsupported())?;
    let hash_of = |name: String| Hash::of(&name).ok_or_else(unsupported);
    if mask.mgf.to_id_string() != MGF1 || parameters.trailer_field() != 1 {
        return Err(unsupported());
    }
    Ok(Pss {
        hash: hash_of(parameters.hash_algorithm_oid().to_id_string())?,
        mask: hash_of(mask.hash.to_id_string())?,
        salt: usize::try_from(parameters.salt_length()).map_err(|_| unsupported())?,
    })
}

const MGF1: &str = "1.2.840.113549.1.1.8";
