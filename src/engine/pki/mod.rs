//! Certificates and private keys: from PEM, DER and PKCS#12 to what TLS needs.

pub mod chain;
pub mod name;
pub mod pem;
pub mod pkcs12;
pub mod private_key;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Our certificate chain, leaf first, and its private key.
#[derive(Debug)]
pub struct Identity {
    /// The leaf, then what is sent with it.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key in one of the forms that rustls reads. Its `Debug` is silent; erased on drop.
    pub key: PrivateKeyDer<'static>,
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
