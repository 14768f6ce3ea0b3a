//! Revocation lists: who has been revoked, by lists that their issuers signed.

use rustls::pki_types::CertificateRevocationListDer;
use tracing::warn;

use super::PkiError;
use super::certificate::Certificate;
use super::crl::RevocationList;
use super::distrust::{Distrust, NOT_YET, Reason};
use super::name;
use super::signature::{SignatureError, Signed, Strength};

/// The revocation lists of `crl-verify`, parsed.
#[derive(Debug)]
pub struct Revocations<'a> {
    lists: Vec<RevocationList<'a>>,
}

impl<'a> Revocations<'a> {
    /// Reads the lists.
    ///
    /// # Errors
    ///
    /// [`PkiError::Malformed`] if one of them cannot be read.
    pub fn parse(lists: &'a [CertificateRevocationListDer<'_>]) -> Result<Self, PkiError> {
        let lists = lists.iter().map(|der| RevocationList::parse(der));
        Ok(Self {
            lists: lists.collect::<Result<_, _>>()?,
        })
    }

    /// Judges every certificate of a chain, leaf first. An issuer without a list is warned about, no more.
    ///
    /// # Errors
    ///
    /// [`Distrust`] if one is revoked, if the list of its issuer is not valid, or if there is no list at all.
    pub(super) fn check(
        &self,
        chain: &[&Certificate<'_>],
        now: i64,
        strength: Strength,
    ) -> Result<(), Distrust> {
        for (place, certificate) in chain.iter().enumerate() {
            let distrust = |reason| Distrust {
                subject: certificate.subject(),
                reason,
            };
            if self.lists.is_empty() {
                return Err(distrust(Reason::RevocationListMissing));
            }
            let issuer = match chain.get(place + 1) {
                Some(issuer) => issuer,
                None if certificate.is_self_issued() => certificate,
                None => continue,
            };
            self.check_one(certificate, issuer, now, strength)
                .map_err(distrust)?;
        }
        Ok(())
    }

    fn check_one(
        &self,
        certificate: &Certificate<'_>,
        issuer: &Certificate<'_>,
        now: i64,
        strength: Strength,
    ) -> Result<(), Reason> {
        let mut failure = None;
        let mut is_judged = false;
        let lists = self
            .lists
            .iter()
            .filter(|list| name::same(&list.issuer, issuer.parsed.subject()));
        for list in lists {
            match check_list(list, issuer, now, strength) {
                Ok(()) => is_judged = true,
                Err(why) => {
                    failure.get_or_insert(why);
                    continue;
                }
            }
            if list.revokes(certificate.parsed.tbs_certificate.raw_serial()) {
                return Err(Reason::Revoked);
            }
        }
        match failure {
            Some(why) if !is_judged => Err(Reason::RevocationList(why)),
            None if !is_judged => {
                warn!(
                    issuer = certificate.issuer(),
                    "no revocation list of this issuer"
                );
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// Whether a list is its issuer's, and its time is now.
fn check_list(
    list: &RevocationList<'_>,
    issuer: &Certificate<'_>,
    now: i64,
    strength: Strength,
) -> Result<(), String> {
    let signed = Signed {
        message: list.signed,
        algorithm: &list.algorithm,
        signature: list.signature,
    };
    let is_same = list.inner_algorithm.algorithm == list.algorithm.algorithm;
    let verdict = if is_same {
        signed.verify(issuer.key(), strength)
    } else {
        Err(SignatureError::Invalid)
    };
    verdict.map_err(|why| format!("cannot be trusted: {why}"))?;
    if issuer.key_usage().is_some_and(|usage| !usage.crl_sign()) {
        return Err("is signed by a CA that may not sign revocation lists".to_owned());
    }
    if now < list.this_update.timestamp() {
        return Err(format!("{NOT_YET} {}", list.this_update));
    }
    match list.next_update {
        Some(end) if now > end.timestamp() => Err(format!("expired on {end}")),
        _ => Ok(()),
    }
}
