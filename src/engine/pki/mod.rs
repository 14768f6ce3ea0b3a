//! Certificates and private keys: from PEM, DER and PKCS#12 to what TLS needs.

pub mod chain;
pub mod name;
pub mod pem;
pub mod pkcs12;
pub mod private_key;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use thiserror::Error;

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
/// [`PkiError::Malformed`] if it is none.
pub fn revocation_list_from_der(
    der: &[u8],
) -> Result<CertificateRevocationListDer<'static>, PkiError> {
    match x509_parser::parse_x509_crl(der) {
        Ok(([], _)) => Ok(CertificateRevocationListDer::from(der.to_vec())),
        _ => Err(PkiError::Malformed("a revocation list")),
    }
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
            let bytes = line.split(':').map(hex_byte).collect::<Option<Vec<u8>>>();
            bytes
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
                .ok_or(PkiError::Malformed("a SHA-256 fingerprint"))
        })
        .collect()
}

fn hex_byte(digits: &str) -> Option<u8> {
    let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// Checks that DER begins with a certificate; what stands behind it is cut off.
fn certificate(der: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    let (rest, _) = x509_parser::parse_x509_certificate(der)
        .map_err(|_| PkiError::Malformed("a certificate"))?;
    let length = der.len() - rest.len();
    Ok(CertificateDer::from(der[..length].to_vec()))
}
