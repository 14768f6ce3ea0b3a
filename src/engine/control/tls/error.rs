//! Why TLS failed, and who was wrong.

use rustls::{AlertDescription, CertificateError, Error, OtherError};
use thiserror::Error as ThisError;

use crate::control::verify::Refusal;
use crate::error::ConnectionError;
use crate::pki::PkiError;

/// Why the profile's TLS settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum TlsSetupError {
    /// A certificate or key of the profile cannot be used.
    #[error(transparent)]
    Key(#[from] PkiError),
    /// The library refused the settings.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
    /// No key exchange group is left.
    #[error("tls-groups names no group that this client has: {0}")]
    NoGroup(String),
    /// No cipher suite is left.
    #[error("tls-cipher and tls-ciphersuites leave no cipher suite that this client has: {0}")]
    NoSuite(String),
    /// No version is left.
    #[error("tls-version-min is above tls-version-max")]
    NoVersion,
    /// `sni` is not a host name.
    #[error("sni is not a host name: {0}")]
    ServerName(String),
}

/// Why a TLS session ended.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum TlsError {
    /// The server ended the session with an alert.
    #[error("{0}")]
    Alert(String),
    /// The server's certificate, or the revocation list that it is judged by, is not valid yet.
    #[error("{0}")]
    CertificateNotYetValid(String),
    /// The server's certificate did not pass; the text names the check and the subject.
    #[error("{0}")]
    CertificateRefused(String),
    /// Server and client share no version, suite, group or signature scheme.
    #[error("{0}")]
    Incompatible(String),
    /// Something is wrong on our side.
    #[error("{0}")]
    Local(String),
    /// The server broke the TLS protocol, or somebody on the way did.
    #[error("{0}")]
    PeerMisbehaved(String),
}

impl From<Error> for TlsError {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the rest, and what the library adds, is our own doing"
    )]
    fn from(error: Error) -> Self {
        match error {
            Error::AlertReceived(alert) => Self::Alert(alert_text(alert)),
            Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
                match cause.downcast_ref::<Refusal>() {
                    Some(refusal) if refusal.is_not_yet() => {
                        Self::CertificateNotYetValid(refusal.to_string())
                    }
                    Some(refusal) => Self::CertificateRefused(refusal.to_string()),
                    None => Self::CertificateRefused(cause.to_string()),
                }
            }
            Error::InvalidCertificate(CertificateError::BadSignature) => Self::CertificateRefused(
                "the server did not prove that it has the certificate's private key".into(),
            ),
            Error::InvalidCertificate(why) => Self::CertificateRefused(why.to_string()),
            Error::NoCertificatesPresented => {
                Self::CertificateRefused("the server sent no certificate".into())
            }
            Error::PeerIncompatible(why) => {
                Self::Incompatible(format!("no common TLS parameters: {why:?}"))
            }
            Error::DecryptError
            | Error::InappropriateHandshakeMessage { .. }
            | Error::InappropriateMessage { .. }
            | Error::InvalidMessage(_)
            | Error::NoApplicationProtocol
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord => Self::PeerMisbehaved(error.to_string()),
            other => Self::Local(other.to_string()),
        }
    }
}

impl From<TlsError> for ConnectionError {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Alert(text) => Self::TlsAlert(text),
            TlsError::CertificateNotYetValid(text) => Self::CertificateNotYetValid(text),
            TlsError::CertificateRefused(text) => Self::CertificateRefused(text),
            TlsError::Incompatible(text) => Self::PeerIncompatible(text),
            TlsError::Local(text) | TlsError::PeerMisbehaved(text) => Self::Tls(text),
        }
    }
}

/// "unknown CA (alert 48): the server does not trust our certificate's issuer".
fn alert_text(alert: AlertDescription) -> String {
    let number = u8::from(alert);
    let name = alert.as_str().map_or_else(|| "unknown".to_owned(), words);
    let meaning = MEANINGS.iter().find(|(known, _)| *known == alert);
    let meaning = meaning.map_or_else(String::new, |(_, text)| format!(": {text}"));
    format!("{name} (alert {number}){meaning}")
}

/// What an alert means when it comes from a server.
const MEANINGS: &[(AlertDescription, &str)] = &[
    (
        AlertDescription::AccessDenied,
        "the server does not let our certificate in",
    ),
    (
        AlertDescription::BadCertificate,
        "the server refused our certificate",
    ),
    (
        AlertDescription::CertificateExpired,
        "our certificate has expired",
    ),
    (
        AlertDescription::CertificateRequired,
        "the server wants a certificate, and the profile has none",
    ),
    (
        AlertDescription::CertificateRevoked,
        "our certificate has been revoked",
    ),
    (
        AlertDescription::CertificateUnknown,
        "the server refused our certificate",
    ),
    (
        AlertDescription::HandshakeFailure,
        "no common cipher suite, group or kind of certificate, or a certificate is missing",
    ),
    (
        AlertDescription::ProtocolVersion,
        "the server has no version of TLS in common with us",
    ),
    (
        AlertDescription::UnknownCA,
        "the server does not trust our certificate's issuer",
    ),
    (
        AlertDescription::UnsupportedCertificate,
        "our certificate is not for a TLS client",
    ),
];

/// `BadCertificate` becomes "bad certificate", `UnknownCA` "unknown CA".
fn words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut previous = ' ';
    let mut letters = name.chars().peekable();
    while let Some(letter) = letters.next() {
        let in_acronym = previous.is_ascii_uppercase()
            || (letter.is_ascii_uppercase()
                && letters.peek().is_some_and(char::is_ascii_uppercase));
        if letter.is_ascii_uppercase() && !previous.is_ascii_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        if in_acronym {
            text.push(letter);
        } else {
            text.push(letter.to_ascii_lowercase());
        }
        previous = letter;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_read_as_words_with_their_number() {
        assert_eq!(
            alert_text(AlertDescription::BadCertificate),
            "bad certificate (alert 42): the server refused our certificate"
        );
        assert_eq!(
            alert_text(AlertDescription::UnknownCA),
            "unknown CA (alert 48): the server does not trust our certificate's issuer"
        );
        assert_eq!(
            alert_text(AlertDescription::Unknown(200)),
            "unknown (alert 200)"
        );
    }
}
