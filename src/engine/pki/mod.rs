//! Certificates and private keys: from PEM, DER and PKCS#12 to what TLS needs.

mod algorithm;
pub(crate) mod certificate;
pub(crate) mod chain;
mod crl;
mod der;
pub(crate) mod distrust;
mod ecdsa;
mod encryption;
#[cfg(test)]
pub(crate) mod fixtures;
mod hash;
mod key_kind;
pub(crate) mod name;
pub(crate) mod pem;
pub(crate) mod pkcs12;
mod pkcs12_kdf;
pub(crate) mod private_key;
pub(crate) mod revocation;
mod rsa;
pub(crate) mod signature;
pub mod validity;

pub use self::certificate::Certificate;
pub use self::key_kind::KeyKind;
pub use self::private_key::kept_elsewhere;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use thiserror::Error;
use zeroize::Zeroize;

use self::crl::RevocationList;
use self::ecdsa::P521Key;
use super::secret::SecretText;

/// Our certificate chain, leaf first, and its private key.
#[derive(Debug)]
pub struct Identity {
    /// The leaf, then what is sent with it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key in one of the forms that rustls reads. Its `Debug` is silent; erased on drop.
    pub key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The key, ready to sign.
    ///
    /// # Errors
    ///
    /// [`PkiError::Unsupported`] with the kind of the key, if there is no cryptography for it, [`PkiError::Damaged`] if there
    /// is and the key is not right, [`PkiError::Malformed`] if it is no key at all.
    pub fn signing_key(&self, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, PkiError> {
        let kind = private_key::kind_of(&self.key).ok_or(PkiError::Malformed("a private key"))?;
        let loaded: Option<Arc<dyn SigningKey>> = if kind == KeyKind::P521 {
            let key = P521Key::read(&self.key, provider.secure_random).ok();
            key.map(|key| Arc::new(key) as _)
        } else {
            let key = self.key.clone_key();
            provider.key_provider.load_private_key(key).ok()
        };
        match loaded {
            Some(key) => Ok(key),
            None if kind.can_sign() => Err(PkiError::Damaged(kind.to_string())),
            None => Err(PkiError::Unsupported(format!(
                "a private key of {kind} ({USABLE_KEYS})"
            ))),
        }
    }

    /// Reads `cert`, `key` and `extra-certs`, all PEM. The first certificate of `cert` is the leaf; the rest of it and
    /// all of `extra` are sent with it.
    ///
    /// # Errors
    ///
    /// [`PkiError::PassphraseNeeded`] if the key is encrypted and `passphrase` is `None`,
    /// [`PkiError::WrongPassphrase`] if it does not open the key, and what else makes a text unreadable.
    pub fn from_pem(
        cert: &str,
        key: &str,
        passphrase: Option<&SecretText>,
        extra: Option<&str>,
    ) -> Result<Self, PkiError> {
        let mut chain = certificates(cert)?;
        if chain.is_empty() {
            return Err(PkiError::Missing("certificate in cert"));
        }
        let key = private_key::from_pem(key, passphrase)?;
        if let Some(extra) = extra {
            chain.extend(certificates(extra)?);
        }
        Ok(Self { chain, key })
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// What makes a server's certificate trustworthy.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The certificates of `ca`.
    pub anchors: Vec<CertificateDer<'static>>,
    /// Revocation lists; `None` when `crl-verify` is not used. An empty list with `crl-verify` refuses everything.
    pub revocation_lists: Option<Vec<CertificateRevocationListDer<'static>>>,
    /// SHA-256 fingerprints of acceptable leaves (`peer-fingerprint`); may stand in for `anchors`.
    pub fingerprints: Vec<[u8; 32]>,
}

impl Trust {
    /// Reads `ca` and `crl-verify`, both PEM. Revocation lists inside of `ca` count if `crl` is given.
    ///
    /// # Errors
    ///
    /// [`PkiError::Missing`] if `ca` is given and holds no certificate, or if there is neither `ca` nor a fingerprint;
    /// [`PkiError::Malformed`] if a block cannot be read.
    pub fn from_pem(
        ca: Option<&str>,
        crl: Option<&str>,
        fingerprints: Vec<[u8; 32]>,
    ) -> Result<Self, PkiError> {
        let anchors = ca.map(certificates).transpose()?.unwrap_or_default();
        if ca.is_some() && anchors.is_empty() {
            return Err(PkiError::Missing("certificate in ca"));
        }
        if anchors.is_empty() && fingerprints.is_empty() {
            return Err(PkiError::Missing("ca or peer-fingerprint"));
        }
        let revocation_lists = match crl {
            Some(crl) => {
                let mut lists = revocation_lists(crl)?;
                lists.extend(revocation_lists(ca.unwrap_or_default())?);
                Some(lists)
            }
            None => None,
        };
        Ok(Self {
            anchors,
            revocation_lists,
            fingerprints,
        })
    }
}

/// Why a certificate or key of the profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PkiError {
    /// The private key is of a kind that is fine, but its numbers are not right.
    #[error("the private key ({0}) is damaged: its numbers do not belong together")]
    Damaged(String),
    /// Something cannot be read.
    #[error("{0} cannot be read")]
    Malformed(&'static str),
    /// The private key belongs to another certificate.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
    /// Something is not there.
    #[error("there is no {0}")]
    Missing(&'static str),
    /// The private key is encrypted, and no passphrase was given.
    #[error("the private key needs a passphrase")]
    PassphraseNeeded,
    /// Something is valid, but this client cannot use it; the text names it.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The passphrase does not open the private key.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
}

/// All certificates of a PEM text, in order.
///
/// # Errors
///
/// [`PkiError::Malformed`] if a block that says it is a certificate is none.
pub fn certificates(text: &str) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    let mut found = Vec::new();
    for block in pem::blocks(text) {
        match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => found.push(certificate(&block.decode()?)?),
            // OpenSSL's own form: a certificate with trust settings behind it.
            "TRUSTED CERTIFICATE" => found.push(certificate(&block.decode()?)?),
            _ => {}
        }
    }
    Ok(found)
}

/// All revocation lists of a PEM text, in order.
///
/// # Errors
///
/// [`PkiError::Malformed`] if a block that says it is a revocation list is none.
pub fn revocation_lists(
    text: &str,
) -> Result<Vec<CertificateRevocationListDer<'static>>, PkiError> {
    let blocks = pem::blocks(text);
    let lists = blocks.iter().filter(|block| block.label == "X509 CRL");
    lists
        .map(|block| revocation_list_from_der(&block.decode()?))
        .collect()
}

/// One revocation list as DER.
///
/// # Errors
///
/// [`PkiError::Malformed`] if it is none, with the part of it that cannot be read.
pub fn revocation_list_from_der(
    der: &[u8],
) -> Result<CertificateRevocationListDer<'static>, PkiError> {
    RevocationList::parse(der)?;
    Ok(CertificateRevocationListDer::from(der.to_vec()))
}

/// The fingerprints of `peer-fingerprint`: one per line, 32 bytes in hex with `:` between; blank lines and comments
/// (`#`, `;`) do not count.
///
/// # Errors
///
/// [`PkiError::Malformed`] if a line is anything else.
pub fn parse_fingerprints(text: &str) -> Result<Vec<[u8; 32]>, PkiError> {
    text.lines()
        .map(|line| line.split(['#', ';']).next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .map(|line| {
            let is_parted = line.split(':').all(|digits| digits.len() == 2);
            let bytes = hex_bytes(&line.replace(':', "")).filter(|_| is_parted);
            bytes
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .ok_or(PkiError::Malformed("a SHA-256 fingerprint"))
        })
        .collect()
}

/// Hex digits to bytes, two to one.
fn hex_bytes(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.len() % 2 == 0 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let pairs = (0..digits.len()).step_by(2);
    is_hex
        .then(|| {
            pairs
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
                .collect()
        })
        .flatten()
}

/// Checks that DER begins with a certificate; what stands behind it is cut off.
fn certificate(der: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    let (rest, _) = x509_parser::parse_x509_certificate(der)
        .map_err(|_| PkiError::Malformed("a certificate"))?;
    let length = der.len() - rest.len();
    Ok(CertificateDer::from(der[..length].to_vec()))
}

const USABLE_KEYS: &str =
    "usable are RSA with 2048 to 4096 bits, ECDSA with P-256, P-384 and P-521, Ed25519";

#[cfg(test)]
mod tests {
    use super::fixtures::{fixture, fixture_bytes};
    use super::*;

    #[test]
    fn an_identity_is_the_leaf_then_the_rest_of_cert_then_extra_certs() {
        let cert = [fixture!("client-int.crt"), fixture!("int.crt")].concat();
        let identity = Identity::from_pem(
            &cert,
            fixture!("client-int.key"),
            None,
            Some(fixture!("ca.crt")),
        )
        .unwrap();
        let subjects: Vec<_> = identity
            .chain
            .iter()
            .map(|der| name::subject_of(der).unwrap())
            .collect();
        assert_eq!(
            subjects,
            [
                "CN=client-int",
                "O=Test, CN=Intermediate",
                "O=Test, CN=Test CA"
            ]
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = fixture!("client.key");
        assert_eq!(
            Identity::from_pem("", key, None, None).unwrap_err(),
            PkiError::Missing("certificate in cert")
        );
        assert_eq!(
            Identity::from_pem(fixture!("client.crt"), "x", None, None).unwrap_err(),
            PkiError::Missing("complete private key in it")
        );
        assert_eq!(
            Trust::from_pem(Some(key), None, Vec::new()).unwrap_err(),
            PkiError::Missing("certificate in ca")
        );
        assert_eq!(
            Trust::from_pem(None, None, Vec::new()).unwrap_err(),
            PkiError::Missing("ca or peer-fingerprint")
        );
    }

    #[test]
    fn revocation_lists_inside_of_ca_count_with_crl_verify_only() {
        let ca = [fixture!("ca.crt"), fixture!("empty.crl")].concat();
        let without = Trust::from_pem(Some(&ca), None, Vec::new()).unwrap();
        assert!(without.revocation_lists.is_none());
        let with = Trust::from_pem(Some(&ca), Some(fixture!("int.crl")), Vec::new()).unwrap();
        assert_eq!(with.revocation_lists.unwrap().len(), 2);
        let nothing = Trust::from_pem(Some(fixture!("ca.crt")), Some(""), Vec::new()).unwrap();
        assert_eq!(nothing.revocation_lists.unwrap().len(), 0);
    }

    #[test]
    fn a_revocation_list_is_the_same_as_pem_and_der() {
        let der = revocation_list_from_der(fixture_bytes!("empty.crl.der")).unwrap();
        assert_eq!(revocation_lists(fixture!("empty.crl")).unwrap(), [der]);
        assert!(revocation_list_from_der(b"0").is_err());
    }

    #[test]
    fn fingerprints_come_one_per_line_among_comments() {
        let one = ["ab"; 32].join(":");
        let other = ["0F"; 32].join(":");
        let text = format!("# first\n\n  {one}  ; mine\r\n{other}\n;end");
        assert_eq!(parse_fingerprints(&text), Ok(vec![[0xab; 32], [0x0f; 32]]));
        for wrong in [&one[3..], &"ab".repeat(32), "zz", "+1:-1"] {
            assert!(parse_fingerprints(wrong).is_err(), "{wrong}");
        }
    }
}
