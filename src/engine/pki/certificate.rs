//! A parsed certificate, and the parts of it that matter here.

use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::extensions::{
    BasicConstraints, ExtendedKeyUsage, KeyUsage, NSCertType, ParsedExtension, X509Extension,
};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::distrust::{Distrust, Reason};
use super::signature::{SignatureError, Signed, Strength};
use super::{PkiError, name};

/// A parsed certificate.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// The bytes.
    pub der: &'a [u8],
    /// What they say.
    pub parsed: X509Certificate<'a>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// [`PkiError::Malformed`] if it is none.
    pub fn parse(der: &'a [u8]) -> Result<Self, PkiError> {
        match x509_parser::parse_x509_certificate(der) {
            // A second extension of the same kind could hide the first.
            Ok(([], parsed)) if parsed.extensions_map().is_ok() => Ok(Self { der, parsed }),
            _ => Err(PkiError::Malformed("a certificate")),
        }
    }

    /// The subject as OpenVPN prints it.
    #[must_use]
    pub fn subject(&self) -> String {
        name::print(self.parsed.subject())
    }

    /// The issuer as OpenVPN prints it.
    #[must_use]
    pub fn issuer(&self) -> String {
        name::print(self.parsed.issuer())
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &SubjectPublicKeyInfo<'a> {
        &self.parsed.tbs_certificate.subject_pki
    }

    /// Whether the public key is this one, given as DER; how it may be used is not compared.
    #[must_use]
    pub fn has_key(&self, public_key: &[u8]) -> bool {
        match SubjectPublicKeyInfo::from_der(public_key) {
            Ok((_, other)) => other.subject_public_key == self.key().subject_public_key,
            Err(_) => false,
        }
    }

    /// The key-usage extension.
    #[must_use]
    pub fn key_usage(&self) -> Option<&KeyUsage> {
        let found = self.parsed.key_usage().ok().flatten();
        Some(found?.value)
    }

    /// The extended-key-usage extension.
    #[must_use]
    pub fn extended_key_usage(&self) -> Option<&ExtendedKeyUsage<'_>> {
        let found = self.parsed.extended_key_usage().ok().flatten();
        Some(found?.value)
    }

    /// The basic-constraints extension.
    #[must_use]
    pub fn basic_constraints(&self) -> Option<&BasicConstraints> {
        let found = self.parsed.basic_constraints().ok().flatten();
        Some(found?.value)
    }

    /// Netscape's certificate-type extension.
    #[must_use]
    pub fn netscape_type(&self) -> Option<&NSCertType> {
        let mut extensions = self.parsed.extensions().iter();
        extensions.find_map(|extension| {
            if let ParsedExtension::NSCertType(kind) = extension.parsed_extension() {
                Some(kind)
            } else {
                None
            }
        })
    }

    /// An extension that must be understood and is not, by its number.
    #[must_use]
    pub fn strange_extension(&self) -> Option<String> {
        let is_strange = |extension: &&X509Extension<'_>| {
            let parsed = extension.parsed_extension();
            let is_unknown = matches!(
                parsed,
                ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::Unparsed
            );
            let is_unreadable = matches!(parsed, ParsedExtension::ParseError { .. });
            is_unreadable || (is_unknown && extension.critical)
        };
        let found = self.parsed.extensions().iter().find(is_strange);
        found.map(|extension| extension.oid.to_id_string())
    }

    /// Whether subject and issuer are the same.
    #[must_use]
    pub fn is_self_issued(&self) -> bool {
        name::same(self.parsed.subject(), self.parsed.issuer())
    }

    /// Whether the key of `issuer` verifies this certificate.
    pub(super) fn is_issued_by(
        &self,
        issuer: &Certificate<'_>,
        strength: Strength,
    ) -> Result<(), SignatureError> {
        let inner = &self.parsed.tbs_certificate.signature;
        if inner.algorithm != self.parsed.signature_algorithm.algorithm {
            return Err(SignatureError::Invalid);
        }
        let signed = Signed {
            message: self.parsed.tbs_certificate.as_ref(),
            algorithm: &self.parsed.signature_algorithm,
            signature: &self.parsed.signature_value.data,
        };
        signed.verify(issuer.key(), strength)
    }

    pub(super) fn distrust(&self, reason: Reason) -> Distrust {
        Distrust {
            subject: self.subject(),
            reason,
        }
    }
}
