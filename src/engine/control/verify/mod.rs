//! Which server certificate is acceptable.

mod checks;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use thiserror::Error as ThisError;

use crate::config::{CertProfile, PeerChecks, TlsConfig};
use crate::pki::certificate::Certificate;
use crate::pki::chain::{self, Rules};
use crate::pki::distrust::Distrust;
use crate::pki::revocation::Revocations;
use crate::pki::signature::{Hash, KeyKind, Pss, Scheme, SignatureError, Strength};
use crate::pki::{PkiError, Trust};

/// Why a server's certificate was refused; the text names the check and the subject.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Refusal {
    /// A check of the profile fails.
    #[error("{option}: {failure}; subject: {subject}")]
    Check {
        /// The profile's option.
        option: String,
        /// What is not as it should be.
        failure: String,
        /// The leaf's subject.
        subject: String,
    },
    /// The chain is not trusted.
    #[error(transparent)]
    Distrust(#[from] Distrust),
    /// The server's key cannot be used for a handshake.
    #[error("the handshake's signature cannot be verified: {0}")]
    Handshake(SignatureError),
    /// The server did not prove that it has the private key.
    #[error("the server did not prove that it has the certificate's private key")]
    Impostor,
    /// Something cannot be read.
    #[error(transparent)]
    Unreadable(#[from] PkiError),
}

impl Refusal {
    /// Whether time alone, or a right clock, mends it.
    pub(super) fn is_not_yet(&self) -> bool {
        matches!(self, Self::Distrust(distrust) if distrust.reason.is_not_yet())
    }
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
    checks: PeerChecks,
    strength: Strength,
}

impl Verifier {
    pub(super) fn new(tls: &TlsConfig) -> Self {
        Self {
            trust: tls.trust.clone(),
            checks: tls.checks.clone(),
            strength: match tls.cert_profile {
                CertProfile::Insecure => Strength::INSECURE,
                CertProfile::Legacy => Strength::LEGACY,
                CertProfile::Preferred => Strength::PREFERRED,
                CertProfile::SuiteB => Strength::SUITE_B,
            },
        }
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<(), Refusal> {
        let leaf = Certificate::parse(leaf)?;
        if let KeyKind::Other(kind) = KeyKind::of(leaf.key()) {
            return Err(Refusal::Handshake(SignatureError::Unsupported(kind)));
        }
        let sent = parse_all(intermediates);
        let anchors = parse_all(&self.trust.anchors);
        let chain = if anchors.is_empty() && !self.trust.fingerprints.is_empty() {
            std::iter::once(&leaf).chain(&sent).collect()
        } else {
            let lists = self.trust.revocation_lists.as_deref();
            let revocations = lists.map(Revocations::parse).transpose()?;
            let rules = Rules {
                now,
                strength: self.strength,
                revocations: revocations.as_ref(),
            };
            chain::build(&leaf, &sent, &anchors, rules)?
        };
        self.check_fingerprint(&leaf)?;
        checks::check(&self.checks, &chain)
    }

    fn check_fingerprint(&self, leaf: &Certificate<'_>) -> Result<(), Refusal> {
        let fingerprint = digest(&SHA256, leaf.der);
        let mut known = self.trust.fingerprints.iter();
        if self.trust.fingerprints.is_empty() || known.any(|known| known == fingerprint.as_ref()) {
            return Ok(());
        }
        Err(Refusal::Check {
            option: "peer-fingerprint".to_owned(),
            failure: format!(
                "the certificate's fingerprint {} is not in the list",
                checks::hex(fingerprint.as_ref())
            ),
            subject: leaf.subject(),
        })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let now = i64::try_from(now.as_secs()).map_err(|_| Error::FailedToGetCurrentTime)?;
        self.judge(end_entity, intermediates, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let leaf = Certificate::parse(cert).map_err(Refusal::from)?;
        // TLS 1.3 ties the curve to the scheme, and has no PKCS#1 v1.5.
        let fits = match (scheme_of(dss.scheme), KeyKind::of(leaf.key())) {
            (Some(Scheme::Ecdsa(hash)), KeyKind::P256) => hash == Hash::Sha256,
            (Some(Scheme::Ecdsa(hash)), KeyKind::P384) => hash == Hash::Sha384,
            (Some(Scheme::Ecdsa(hash)), KeyKind::P521) => hash == Hash::Sha512,
            (Some(Scheme::RsaPkcs1(_)), _) => false,
            _ => true,
        };
        if !fits {
            return Err(Refusal::Handshake(unsupported(dss.scheme)).into());
        }
        verify_handshake(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let named = SCHEMES.iter().map(|(name, _)| *name);
        named.chain(KNOWN_BY_NAME).collect()
    }
}

/// What the handshake may be signed with, the most wanted first.
const SCHEMES: &[(SignatureScheme, Scheme)] = &[
    (
        SignatureScheme::ECDSA_NISTP384_SHA384,
        Scheme::Ecdsa(Hash::Sha384),
    ),
    (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        Scheme::Ecdsa(Hash::Sha256),
    ),
    (
        SignatureScheme::ECDSA_NISTP521_SHA512,
        Scheme::Ecdsa(Hash::Sha512),
    ),
    (SignatureScheme::ED25519, Scheme::Ed25519),
    (
        SignatureScheme::RSA_PSS_SHA512,
        Scheme::RsaPss(Pss::of(Hash::Sha512)),
    ),
    (
        SignatureScheme::RSA_PSS_SHA384,
        Scheme::RsaPss(Pss::of(Hash::Sha384)),
    ),
    (
        SignatureScheme::RSA_PSS_SHA256,
        Scheme::RsaPss(Pss::of(Hash::Sha256)),
    ),
    // The same for keys that say that they are for PSS only: rsa_pss_pss_sha512, _sha384, _sha256.
    (
        SignatureScheme::Unknown(0x080b),
        Scheme::RsaPss(Pss::of(Hash::Sha512)),
    ),
    (
        SignatureScheme::Unknown(0x080a),
        Scheme::RsaPss(Pss::of(Hash::Sha384)),
    ),
    (
        SignatureScheme::Unknown(0x0809),
        Scheme::RsaPss(Pss::of(Hash::Sha256)),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA512,
        Scheme::RsaPkcs1(Hash::Sha512),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA384,
        Scheme::RsaPkcs1(Hash::Sha384),
    ),
    (
        SignatureScheme::RSA_PKCS1_SHA256,
        Scheme::RsaPkcs1(Hash::Sha256),
    ),
];

/// Cannot be verified. A server that has nothing else shows its certificate for them, and can be told why it is refused.
const KNOWN_BY_NAME: [SignatureScheme; 1] = [SignatureScheme::ED448];

fn scheme_of(name: SignatureScheme) -> Option<Scheme> {
    let found = SCHEMES.iter().find(|(known, _)| *known == name);
    found.map(|(_, scheme)| *scheme)
}

fn unsupported(name: SignatureScheme) -> SignatureError {
    SignatureError::Unsupported(format!("{name:?} with this key"))
}

fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
) -> Result<HandshakeSignatureValid, Error> {
    let leaf = Certificate::parse(certificate).map_err(Refusal::from)?;
    let scheme =
        scheme_of(signed.scheme).ok_or_else(|| Refusal::Handshake(unsupported(signed.scheme)))?;
    match scheme.verify(leaf.key(), message, signed.signature()) {
        Ok(()) => Ok(HandshakeSignatureValid::assertion()),
        Err(SignatureError::Invalid) => Err(Refusal::Impostor.into()),
        Err(why) => Err(Refusal::Handshake(why).into()),
    }
}

/// What cannot be read cannot be a link of the chain, and is passed over.
fn parse_all<'a>(ders: &'a [CertificateDer<'_>]) -> Vec<Certificate<'a>> {
    let parsed = ders.iter().map(|der| Certificate::parse(der));
    parsed.filter_map(Result::ok).collect()
}
