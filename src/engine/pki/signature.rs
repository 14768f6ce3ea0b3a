//! Signatures of certificates, revocation lists and handshakes, and how strong they must be.

use std::fmt;

use ring::signature::{self as algorithms, UnparsedPublicKey, VerificationAlgorithm};
use sha2::{Sha256, Sha384, Sha512};
use thiserror::Error;
use x509_parser::public_key::PublicKey;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use super::small_rsa::verify_pss;

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
    /// All that can be verified.
    pub const INSECURE: Self = Self {
        rsa_bits: 1024,
        sha1: true,
        suite_b: false,
    };
    /// RSA from 1024 bits, SHA-1 allowed.
    pub const LEGACY: Self = Self::INSECURE;
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
            KeyKind::Ed25519 | KeyKind::Other(_) => !self.suite_b,
        }
    }
}

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
            // A key for PSS only is a usual one with a wish.
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => Self::Rsa {
                bits: rsa_bits(key),
            },
            "1.2.840.10045.2.1" => {
                let curve = key.algorithm.parameters.as_ref();
                let curve = curve.and_then(|parameters| parameters.as_oid().ok());
                match curve.map(|oid| oid.to_id_string()).as_deref() {
                    Some("1.2.840.10045.3.1.7") => Self::P256,
                    Some("1.3.132.0.34") => Self::P384,
                    Some("1.3.132.0.35") => Self::Other("ECDSA with P-521".to_owned()),
                    Some(other) => Self::Other(format!("ECDSA with curve {other}")),
                    None => Self::Other("ECDSA without a named curve".to_owned()),
                }
            }
            "1.3.101.112" => Self::Ed25519,
            "1.3.101.113" => Self::Other("Ed448".to_owned()),
            "1.2.840.10040.4.1" => Self::Other("DSA".to_owned()),
            other => Self::Other(other.to_owned()),
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
            Self::Rsa { bits } => write!(f, "RSA with {bits} bits"),
        }
    }
}

/// A hash function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
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
    /// RSA with PSS padding; the salt is as long as the hash.
    RsaPss(Hash),
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
            "1.2.840.113549.1.1.10" => pss(algorithm),
            "1.2.840.113549.1.1.11" => Ok(Self::RsaPkcs1(Hash::Sha256)),
            "1.2.840.113549.1.1.12" => Ok(Self::RsaPkcs1(Hash::Sha384)),
            "1.2.840.113549.1.1.13" => Ok(Self::RsaPkcs1(Hash::Sha512)),
            "1.2.840.10045.4.3.2" => Ok(Self::Ecdsa(Hash::Sha256)),
            "1.2.840.10045.4.3.3" => Ok(Self::Ecdsa(Hash::Sha384)),
            "1.2.840.10045.4.3.4" => Ok(Self::Ecdsa(Hash::Sha512)),
            "1.3.101.112" => Ok(Self::Ed25519),
            other => Err(SignatureError::Unsupported(unusable_name(other))),
        }
    }

    const fn uses_sha1(self) -> bool {
        matches!(
            self,
            Self::Ecdsa(Hash::Sha1) | Self::RsaPkcs1(Hash::Sha1) | Self::RsaPss(Hash::Sha1)
        )
    }

    /// The code that verifies it with this kind of key.
    fn verifier(self, key: &KeyKind) -> Option<&'static dyn VerificationAlgorithm> {
        match (self, key) {
            (Self::Ecdsa(Hash::Sha256), KeyKind::P256) => Some(&algorithms::ECDSA_P256_SHA256_ASN1),
            (Self::Ecdsa(Hash::Sha384), KeyKind::P256) => Some(&algorithms::ECDSA_P256_SHA384_ASN1),
            (Self::Ecdsa(Hash::Sha256), KeyKind::P384) => Some(&algorithms::ECDSA_P384_SHA256_ASN1),
            (Self::Ecdsa(Hash::Sha384), KeyKind::P384) => Some(&algorithms::ECDSA_P384_SHA384_ASN1),
            (Self::Ed25519, KeyKind::Ed25519) => Some(&algorithms::ED25519),
            (Self::RsaPkcs1(hash), KeyKind::Rsa { .. }) => Some(match hash {
                Hash::Sha1 => &algorithms::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                Hash::Sha256 => &algorithms::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                Hash::Sha384 => &algorithms::RSA_PKCS1_2048_8192_SHA384,
                Hash::Sha512 => &algorithms::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
            }),
            (Self::RsaPss(hash), KeyKind::Rsa { .. }) => match hash {
                Hash::Sha1 => None,
                Hash::Sha256 => Some(&algorithms::RSA_PSS_2048_8192_SHA256),
                Hash::Sha384 => Some(&algorithms::RSA_PSS_2048_8192_SHA384),
                Hash::Sha512 => Some(&algorithms::RSA_PSS_2048_8192_SHA512),
            },
            _ => None,
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
        let kind = KeyKind::of(key);
        if let (Self::RsaPss(hash), KeyKind::Rsa { bits: ..2048 }) = (self, &kind) {
            return verify_small_pss(hash, key, message, signature);
        }
        let verifier = self
            .verifier(&kind)
            .ok_or_else(|| SignatureError::Unsupported(format!("{self:?} with a key of {kind}")))?;
        UnparsedPublicKey::new(verifier, &*key.subject_public_key.data)
            .verify(message, signature)
            .map_err(|_| SignatureError::Invalid)
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
    #[error("the signature uses SHA-1, which tls-cert-profile does not allow")]
    Weak,
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
        if scheme.uses_sha1() && !strength.sha1 {
            return Err(SignatureError::Weak);
        }
        scheme.verify(issuer, self.message, self.signature)
    }
}

fn verify_small_pss(
    hash: Hash,
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let Ok(PublicKey::RSA(key)) = key.parsed() else {
        return Err(SignatureError::Invalid);
    };
    let holds = match hash {
        Hash::Sha1 => return Err(SignatureError::Unsupported("RSA-PSS with SHA-1".to_owned())),
        Hash::Sha256 => verify_pss::<Sha256>(&key, message, signature),
        Hash::Sha384 => verify_pss::<Sha384>(&key, message, signature),
        Hash::Sha512 => verify_pss::<Sha512>(&key, message, signature),
    };
    if holds {
        Ok(())
    } else {
        Err(SignatureError::Invalid)
    }
}

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> usize {
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
        return 0;
    };
    let zeros = rsa.modulus.iter().take_while(|byte| **byte == 0).count();
    let significant = &rsa.modulus[zeros..];
    let first = significant
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (significant.len() * 8).saturating_sub(first)
}

fn pss(algorithm: &AlgorithmIdentifier<'_>) -> Result<Scheme, SignatureError> {
    let unsupported = || SignatureError::Unsupported("RSA-PSS with these parameters".to_owned());
    let parameters = algorithm.parameters.as_ref().ok_or_else(unsupported)?;
    let parameters = RsaSsaPssParams::try_from(parameters).map_err(|_| unsupported())?;
    let (hash, length) = match parameters.hash_algorithm_oid().to_id_string().as_str() {
        "2.16.840.1.101.3.4.2.1" => (Hash::Sha256, 32),
        "2.16.840.1.101.3.4.2.2" => (Hash::Sha384, 48),
        "2.16.840.1.101.3.4.2.3" => (Hash::Sha512, 64),
        _ => return Err(unsupported()),
    };
    if parameters.salt_length() == length {
        Ok(Scheme::RsaPss(hash))
    } else {
        Err(unsupported())
    }
}

fn unusable_name(algorithm: &str) -> String {
    match algorithm {
        "1.2.840.113549.1.1.2" => "RSA with MD2",
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.14" => "RSA with SHA-224",
        "1.2.840.10040.4.3" => "DSA with SHA-1",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.1" => "ECDSA with SHA-224",
        "1.3.101.113" => "Ed448",
        "2.16.840.1.101.3.4.3.2" => "DSA with SHA-256",
        other => other,
    }
    .to_owned()
}
