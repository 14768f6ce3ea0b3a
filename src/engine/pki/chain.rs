//! A certificate chain from leaf to anchor: signatures, validity, CA flags, revocation.
//!
//! Host names play no part here, and so name constraints are not looked at: they bound names that nobody compares.

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::ExtendedKeyUsage;
use x509_parser::time::ASN1Time;
use x509_parser::x509::X509Version;

use super::certificate::Certificate;
use super::distrust::{Distrust, Reason};
use super::name;
use super::revocation::Revocations;
use super::signature::{KeyKind, Strength};

/// By what rules a chain is judged.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The wall clock, in seconds since 1970.
    pub now: i64,
    /// How strong keys and signatures must be.
    pub strength: Strength,
    /// What has been revoked; `None`: nobody asks.
    pub revocations: Option<&'a Revocations<'a>>,
}

/// Builds the chain from `leaf` by way of `intermediates` to one of `anchors`, and judges it. The answer is the chain,
/// leaf first. Any certificate among the anchors will do as its end, but as far as the anchors reach further up, these
/// are judged too.
///
/// # Errors
///
/// [`Distrust`] says which certificate fails, and why.
pub fn build<'a, 'c>(
    leaf: &'c Certificate<'a>,
    intermediates: &'c [Certificate<'a>],
    anchors: &'c [Certificate<'a>],
    rules: Rules<'_>,
) -> Result<Vec<&'c Certificate<'a>>, Distrust> {
    check_one(leaf, rules)?;
    check_purpose(leaf)?;
    let mut search = Search {
        intermediates,
        anchors,
        rules,
        signatures_left: MOST_SIGNATURES,
    };
    let is_anchor = anchors.iter().any(|anchor| anchor.der == leaf.der);
    let chain = search.extend(vec![leaf], is_anchor)?;
    if let Some(revocations) = rules.revocations {
        revocations.check(&chain, rules.now, rules.strength)?;
    }
    Ok(chain)
}

/// Appends the issuers of the last certificate, as far as `pool` has them, but no root.
pub fn complete(chain: &mut Vec<CertificateDer<'static>>, pool: &[CertificateDer<'static>]) {
    let pool: Vec<_> = pool
        .iter()
        .filter_map(|der| Some((der, Certificate::parse(der).ok()?)))
        .filter(|(_, certificate)| !certificate.is_self_issued())
        .collect();
    while chain.len() < DEEPEST {
        let next = chain.last().and_then(|last| {
            let last = Certificate::parse(last).ok()?;
            let mut issuers = pool.iter().filter(|(_, candidate)| {
                name::same(candidate.parsed.subject(), last.parsed.issuer())
                    && last.is_issued_by(candidate, Strength::INSECURE).is_ok()
            });
            issuers.next().map(|(der, _)| (*der).clone())
        });
        match next {
            Some(der) if !chain.contains(&der) => chain.push(der),
            _ => break,
        }
    }
}

/// OpenVPN's limit of a chain's length.
const DEEPEST: usize = 16;

/// A hostile server may send many certificates of the same name; more than this many signatures are not verified.
const MOST_SIGNATURES: usize = 64;

struct Search<'s, 'a, 'c> {
    intermediates: &'c [Certificate<'a>],
    anchors: &'c [Certificate<'a>],
    rules: Rules<'s>,
    signatures_left: usize,
}

impl<'a, 'c> Search<'_, 'a, 'c> {
    /// Extends a path, whose last certificate is an anchor or not, to its end.
    fn extend(
        &mut self,
        path: Vec<&'c Certificate<'a>>,
        at_anchor: bool,
    ) -> Result<Vec<&'c Certificate<'a>>, Distrust> {
        let last = *path.last().expect("a path begins with the leaf");
        if at_anchor && last.is_self_issued() {
            return Ok(path);
        }
        let mut failure = None;
        for (candidate, is_anchor) in self.candidates(at_anchor) {
            let is_issuer = name::same(candidate.parsed.subject(), last.parsed.issuer());
            if !is_issuer || path.iter().any(|known| known.der == candidate.der) {
                continue;
            }
            match self.step(&path, candidate, is_anchor) {
                Ok(path) => return Ok(path),
                // A signature that does not hold is the least of all reasons: it may be another of the same name.
                Err(why) if why.reason.is_about_signature() => {
                    failure.get_or_insert(why);
                }
                Err(why) => match &failure {
                    Some(Distrust { reason, .. }) if !reason.is_about_signature() => {}
                    _ => failure = Some(why),
                },
            }
        }
        match failure {
            None if at_anchor => Ok(path),
            Some(why) if at_anchor && why.reason.is_about_signature() => Ok(path),
            Some(why) => Err(why),
            None => Err(last.distrust(self.no_issuer(last))),
        }
    }

    /// Puts `issuer` on top of `path`, if it is fit for it, and goes on.
    fn step(
        &mut self,
        path: &[&'c Certificate<'a>],
        issuer: &'c Certificate<'a>,
        is_anchor: bool,
    ) -> Result<Vec<&'c Certificate<'a>>, Distrust> {
        let last = *path.last().expect("a path begins with the leaf");
        if path.len() >= DEEPEST || self.signatures_left == 0 {
            return Err(last.distrust(Reason::TooDeep));
        }
        self.signatures_left -= 1;
        last.is_issued_by(issuer, self.rules.strength)
            .map_err(|why| last.distrust(Reason::Signature(why)))?;
        check_one(issuer, self.rules)?;
        check_issuer(issuer, path, is_anchor)?;
        let mut path = path.to_vec();
        path.push(issuer);
        self.extend(path, is_anchor)
    }

    /// The anchors, then what the server sent; above an anchor only anchors.
    fn candidates(&self, at_anchor: bool) -> Vec<(&'c Certificate<'a>, bool)> {
        let sent = if at_anchor { &[] } else { self.intermediates };
        let anchors = self.anchors.iter().map(|anchor| (anchor, true));
        anchors
            .chain(sent.iter().map(|certificate| (certificate, false)))
            .collect()
    }

    fn no_issuer(&self, last: &Certificate<'_>) -> Reason {
        if last.is_self_issued() {
            Reason::SelfSigned
        } else {
            Reason::NoIssuer {
                issuer: last.issuer(),
            }
        }
    }
}

/// What holds for every certificate of a chain.
fn check_one(certificate: &Certificate<'_>, rules: Rules<'_>) -> Result<(), Distrust> {
    let validity = certificate.parsed.validity();
    if rules.now < validity.not_before.timestamp() {
        return Err(certificate.distrust(Reason::NotYetValid {
            from: day(validity.not_before),
        }));
    }
    if rules.now > validity.not_after.timestamp() {
        return Err(certificate.distrust(Reason::Expired {
            until: day(validity.not_after),
        }));
    }
    let kind = KeyKind::of(certificate.key());
    if !rules.strength.allows(&kind) {
        return Err(certificate.distrust(Reason::WeakKey(kind)));
    }
    if let Some(oid) = certificate.strange_extension() {
        return Err(certificate.distrust(Reason::CriticalExtension(oid)));
    }
    // A CA may be restricted to purposes too.
    match certificate.extended_key_usage() {
        Some(usage) if !serves_tls(usage) => Err(certificate.distrust(Reason::Purpose(
            "its extended key usage does not include TLS server authentication",
        ))),
        _ => Ok(()),
    }
}

/// What a TLS server's own certificate must allow.
fn check_purpose(leaf: &Certificate<'_>) -> Result<(), Distrust> {
    if let Some(usage) = leaf.key_usage() {
        if !usage.digital_signature() && !usage.key_encipherment() && !usage.key_agreement() {
            return Err(leaf.distrust(Reason::Purpose(
                "its key usage allows neither digital signature nor key encipherment nor key agreement",
            )));
        }
    }
    match leaf.netscape_type() {
        Some(kind) if !kind.ssl_server() => Err(leaf.distrust(Reason::Purpose(
            "its Netscape certificate type is not for a server",
        ))),
        _ => Ok(()),
    }
}

/// Server authentication, or one of the two old extensions for servers of strong encryption.
fn serves_tls(usage: &ExtendedKeyUsage<'_>) -> bool {
    const GATED: [&str; 2] = ["1.3.6.1.4.1.311.10.3.3", "2.16.840.1.113730.4.1"];
    let is_gated = |oid: String| GATED.contains(&oid.as_str());
    usage.server_auth || usage.other.iter().any(|oid| is_gated(oid.to_id_string()))
}

/// What a CA must be to sign the top of `path`. An anchor may lack the extensions that say so, because the user has
/// said so: CAs of version 1 and without basic constraints are found in old PKIs.
fn check_issuer(
    issuer: &Certificate<'_>,
    path: &[&Certificate<'_>],
    is_anchor: bool,
) -> Result<(), Distrust> {
    match issuer.basic_constraints() {
        Some(constraints) if !constraints.ca => return Err(issuer.distrust(Reason::NotACa)),
        Some(constraints) => {
            let below = path[1..].iter().filter(|ca| !ca.is_self_issued()).count();
            let limit = constraints.path_len_constraint;
            if limit.is_some_and(|limit| u32::try_from(below).is_ok_and(|below| below > limit)) {
                return Err(issuer.distrust(Reason::PathTooLong));
            }
        }
        None if is_anchor => {}
        None => return Err(issuer.distrust(Reason::NotACa)),
    }
    let is_v3 = issuer.parsed.version() == X509Version::V3;
    match issuer.key_usage() {
        Some(usage) if is_v3 && !usage.key_cert_sign() => Err(issuer.distrust(Reason::MayNotSign)),
        _ => Ok(()),
    }
}

fn day(time: ASN1Time) -> String {
    time.to_string()
}
