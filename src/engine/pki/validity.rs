//! Whether our own certificate, the authorities and the revocation lists are of their time, and ours is for a client.
//!
//! Nothing here refuses a session: the server may be of another opinion, and a clock may be wrong. It is for saying
//! beforehand what a handshake would only show by silence.

use std::fmt;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::time::ASN1Time;

use super::certificate::Certificate;
use super::crl::RevocationList;
use super::name;
use super::{Identity, Trust};

/// Something about a certificate or revocation list that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub item: Item,
    /// The subject of the certificate, or the issuer of the list, as OpenVPN prints it.
    pub name: String,
    /// What is to be known.
    pub concern: Concern,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A certificate of `ca`.
    Authority,
    /// A certificate that is sent with ours.
    OurChain,
    /// Our own certificate.
    OurCertificate,
    /// A list of `crl-verify`.
    RevocationList,
}

/// What is to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Its time is over since this moment, in seconds since 1970.
    Expired(i64),
    /// Its time will be over at this moment, in less than [`SOON`].
    ExpiresSoon(i64),
    /// Its extended key usage does not include TLS client authentication, which servers of OpenVPN want.
    NotForClients,
    /// Its time begins at this moment.
    NotYetValid(i64),
}

impl Concern {
    /// Whether a server that looks at it will refuse us, or we the server.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        match self {
            Self::Expired(_) | Self::NotForClients | Self::NotYetValid(_) => true,
            Self::ExpiresSoon(_) => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = match self.item {
            Item::Authority => "the authority's certificate",
            Item::OurChain => "a certificate that is sent with ours",
            Item::OurCertificate => "our own certificate",
            Item::RevocationList => "the revocation list",
        };
        let of = if self.item == Item::RevocationList {
            "issuer"
        } else {
            "subject"
        };
        match self.concern {
            Concern::Expired(at) => write!(f, "{item} expired on {}", day(at)),
            Concern::ExpiresSoon(at) => write!(f, "{item} expires on {}", day(at)),
            Concern::NotForClients => write!(
                f,
                "the extended key usage of {item} does not include TLS client authentication, so that servers refuse it"
            ),
            Concern::NotYetValid(at) => write!(f, "{item} is not valid before {}", day(at)),
        }?;
        write!(f, "; {of}: {}", self.name)
    }
}

/// How many seconds before its end a certificate or list is worth a word: 14 days, or a quarter of its time.
pub const SOON: i64 = 14 * 24 * 60 * 60;

/// What is to be known of our own certificate and of those sent with it, at `now` in seconds since 1970.
#[must_use]
pub fn of_identity(identity: &Identity, now: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, der) in identity.chain.iter().enumerate() {
        let Ok(certificate) = Certificate::parse(der) else {
            continue;
        };
        let item = if place == 0 {
            Item::OurCertificate
        } else {
            Item::OurChain
        };
        found.extend(of_certificate(&certificate, item, now));
        let usage = certificate.extended_key_usage();
        if place == 0 && usage.is_some_and(|usage| !usage.client_auth && !usage.any) {
            found.push(finding(item, &certificate, Concern::NotForClients));
        }
    }
    found
}

/// What is to be known of the authorities and revocation lists, at `now` in seconds since 1970. Of lists of one issuer only
/// the one that lasts longest counts: the others have been replaced.
#[must_use]
pub fn of_trust(trust: &Trust, now: i64) -> Vec<Finding> {
    let lists = trust.revocation_lists.as_deref().unwrap_or_default();
    [
        of_authorities(&trust.anchors, now),
        of_revocation_lists(lists, now),
    ]
    .concat()
}

fn of_authorities(anchors: &[CertificateDer<'_>], now: i64) -> Vec<Finding> {
    let parsed = anchors
        .iter()
        .filter_map(|der| Certificate::parse(der).ok());
    parsed
        .filter_map(|certificate| of_certificate(&certificate, Item::Authority, now))
        .collect()
}

fn of_certificate(certificate: &Certificate<'_>, item: Item, now: i64) -> Option<Finding> {
    let validity = certificate.parsed.validity();
    let (begin, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    let concern = concern(begin, Some(end), now)?;
    Some(finding(item, certificate, concern))
}

fn of_revocation_lists(lists: &[CertificateRevocationListDer<'_>], now: i64) -> Vec<Finding> {
    let mut newest: Vec<RevocationList<'_>> = Vec::new();
    for list in lists
        .iter()
        .filter_map(|der| RevocationList::parse(der).ok())
    {
        match newest
            .iter_mut()
            .find(|known| name::same(&known.issuer, &list.issuer))
        {
            Some(known) if end_of(known) < end_of(&list) => *known = list,
            Some(_) => {}
            None => newest.push(list),
        }
    }
    let found = newest.iter().filter_map(|list| {
        let end = list.next_update.map(|end| end.timestamp());
        Some(Finding {
            item: Item::RevocationList,
            name: name::print(&list.issuer),
            concern: concern(list.this_update.timestamp(), end, now)?,
        })
    });
    found.collect()
}

fn end_of(list: &RevocationList<'_>) -> i64 {
    list.next_update.map_or(i64::MAX, |end| end.timestamp())
}

/// What is renewed every few days is not always about to expire: the last quarter of its time counts, if that is less.
const fn soon(begin: i64, end: i64) -> i64 {
    let quarter = end.saturating_sub(begin) / 4;
    if quarter < SOON { quarter } else { SOON }
}

const fn concern(begin: i64, end: Option<i64>, now: i64) -> Option<Concern> {
    match end {
        _ if now < begin => Some(Concern::NotYetValid(begin)),
        Some(end) if now > end => Some(Concern::Expired(end)),
        Some(end) if end.saturating_sub(now) < soon(begin, end) => Some(Concern::ExpiresSoon(end)),
        Some(_) | None => None,
    }
}

fn finding(item: Item, certificate: &Certificate<'_>, concern: Concern) -> Finding {
    Finding {
        item,
        name: certificate.subject(),
        concern,
    }
}

fn day(seconds: i64) -> String {
    ASN1Time::from_timestamp(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::fixture;
    use super::*;

    const IN_2030: i64 = 1_893_456_000;
    /// The certificates of `tests/data/pki` are valid from here to there.
    const BEGIN: i64 = 1_735_689_600;
    const END: i64 = 4_891_363_200;

    fn ours(certificate: &str, now: i64) -> Vec<Concern> {
        let key = fixture!("client.key");
        let identity = Identity::from_pem(certificate, key, None, None).unwrap();
        let found = of_identity(&identity, now);
        assert!(
            found
                .iter()
                .all(|finding| finding.item == Item::OurCertificate)
        );
        found.iter().map(|finding| finding.concern).collect()
    }

    #[test]
    fn our_certificate_is_fine_until_fourteen_days_before_its_end() {
        let certificate = fixture!("client.crt");
        assert_eq!(ours(certificate, BEGIN - 1), [Concern::NotYetValid(BEGIN)]);
        assert_eq!(ours(certificate, BEGIN), []);
        assert_eq!(ours(certificate, IN_2030), []);
        assert_eq!(ours(certificate, END - SOON), []);
        let soon = [Concern::ExpiresSoon(END)];
        assert_eq!(ours(certificate, END - SOON + 1), soon);
        assert_eq!(ours(certificate, END), soon);
        assert_eq!(ours(certificate, END + 1), [Concern::Expired(END)]);
        assert!(!soon[0].is_fatal() && Concern::Expired(END).is_fatal());
    }

    #[test]
    fn what_is_renewed_every_day_is_told_in_its_last_quarter() {
        const DAY: i64 = 24 * 60 * 60;
        assert_eq!(concern(0, Some(DAY), DAY / 2), None);
        let soon = Some(Concern::ExpiresSoon(DAY));
        assert_eq!(concern(0, Some(DAY), DAY - DAY / 4 + 1), soon);
        assert_eq!(concern(0, Some(40 * DAY), 29 * DAY), None);
    }

    #[test]
    fn a_certificate_that_is_not_for_clients_is_told_and_one_that_says_nothing_is_not() {
        assert_eq!(
            ours(fixture!("server.crt"), IN_2030),
            [Concern::NotForClients]
        );
        assert_eq!(ours(fixture!("client-v1.crt"), IN_2030), []);
        let both = ours(fixture!("server.crt"), END + 1);
        assert_eq!(both, [Concern::Expired(END), Concern::NotForClients]);
    }

    #[test]
    fn what_is_sent_with_ours_is_told_apart_and_need_not_be_for_clients() {
        let chain = [
            fixture!("client-int.crt"),
            fixture!("int.crt"),
            fixture!("server.crt"),
        ]
        .concat();
        let key = fixture!("client-int.key");
        let identity = Identity::from_pem(&chain, key, None, None).unwrap();
        assert_eq!(of_identity(&identity, IN_2030), []);
        let items: Vec<Item> = of_identity(&identity, END + 1)
            .iter()
            .map(|finding| finding.item)
            .collect();
        assert_eq!(
            items,
            [Item::OurCertificate, Item::OurChain, Item::OurChain]
        );
    }

    #[test]
    fn authorities_and_revocation_lists_are_told_with_names_and_dates() {
        let said = |lists: &str, now| {
            let trust = Trust::from_pem(Some(fixture!("ca.crt")), Some(lists), Vec::new());
            let found = of_trust(&trust.unwrap(), now);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(said(fixture!("empty.crl"), IN_2030), [""; 0]);
        assert_eq!(
            said(fixture!("expired.crl"), IN_2030),
            [
                "the revocation list expired on Jan  1 00:00:00 2027 +00:00; issuer: O=Test, CN=Test CA"
            ]
        );
        assert_eq!(
            said(fixture!("early.crl"), IN_2030),
            [
                "the revocation list is not valid before Jan  1 00:00:00 2040 +00:00; issuer: O=Test, CN=Test CA"
            ]
        );
        let replaced = [fixture!("expired.crl"), fixture!("empty.crl")].concat();
        assert_eq!(said(&replaced, IN_2030), [""; 0]);
        assert_eq!(
            said(fixture!("signatures", "no-end.crl"), END + 1),
            [
                "the authority's certificate expired on Jan  1 00:00:00 2125 +00:00; subject: O=Test, CN=Test CA"
            ]
        );
    }
}
