//! Which server certificate is acceptable.

use std::sync::Arc;

use rustls::DigitallySignedStruct;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, Error, OtherError, SignatureScheme};
use thiserror::Error as ThisError;

use crate::engine::config::TlsConfig;
use crate::engine::pki::Trust;
use crate::engine::pki::name::subject_of;

/// Why a server's certificate was refused; the text names the check and the subject.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{check}; subject: {subject}")]
pub struct Refusal {
    check: String,
    subject: String,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refusal))))
    }
}

/// The judgement on server certificates that one profile asks for.
#[derive(Debug)]
pub(super) struct Verifier {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(tls: &TlsConfig) -> Self {
        Self {
            trust: tls.trust.clone(),
            algorithms: rustls::crypto::ring::default_provider().signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let digest = ring::digest::digest(&ring::digest::SHA256, end_entity);
        if self
            .trust
            .fingerprints
            .iter()
            .any(|known| known == digest.as_ref())
        {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Refusal {
            check: "peer-fingerprint: the certificate's fingerprint is not in the list".into(),
            subject: subject_of(end_entity).unwrap_or_else(|error| error.to_string()),
        }
        .into())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
