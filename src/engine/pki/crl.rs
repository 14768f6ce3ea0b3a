//! One revocation list, read as far as it is used (RFC 5280, section 5.1).
//!
//! Certificate authorities write lists that no strict reader takes: version 1 with extensions, dates without a time zone.
//! Nobody looks at when a certificate was revoked, and so a date that cannot be read is no reason to refuse the list.

use x509_parser::der_parser::asn1_rs::{BitString, FromDer};
use x509_parser::time::ASN1Time;
use x509_parser::x509::{AlgorithmIdentifier, X509Name};

use super::PkiError;
use super::der::{Der, ENUMERATED, GENERALIZED_TIME, INTEGER, OCTET_STRING, SEQUENCE, UTC_TIME};

/// A revocation list.
#[derive(Debug)]
pub(super) struct RevocationList<'a> {
    /// The bytes that are signed.
    pub(super) signed: &'a [u8],
    /// How they are signed, as they say themselves.
    pub(super) inner_algorithm: AlgorithmIdentifier<'a>,
    /// How they are signed.
    pub(super) algorithm: AlgorithmIdentifier<'a>,
    pub(super) signature: &'a [u8],
    pub(super) issuer: X509Name<'a>,
    pub(super) this_update: ASN1Time,
    pub(super) next_update: Option<ASN1Time>,
    revoked: Der<'a>,
}

impl<'a> RevocationList<'a> {
    /// Reads a list; what stands behind it does not count.
    ///
    /// # Errors
    ///
    /// [`PkiError::Malformed`] with the part that cannot be read.
    pub(super) fn parse(der: &'a [u8]) -> Result<Self, PkiError> {
        let mut list = Der::new(der).sequence(LIST)?;
        let signed = list.whole(LIST)?;
        let algorithm =
            read_algorithm(list.whole("the signature algorithm of a revocation list")?)?;
        let signature = list.whole("the signature of a revocation list")?;
        let (_, signature) = BitString::from_der(signature)
            .map_err(|_| PkiError::Malformed("the signature of a revocation list"))?;
        let signature = match signature.data {
            std::borrow::Cow::Borrowed(bytes) => bytes,
            std::borrow::Cow::Owned(_) => return Err(PkiError::Malformed(LIST)),
        };
        let mut fields = Der::new(signed).sequence(LIST)?;
        fields.optional(INTEGER, "the version of a revocation list")?;
        let inner_algorithm =
            read_algorithm(fields.whole("the signature algorithm of a revocation list")?)?;
        let issuer = fields.whole("the issuer of a revocation list")?;
        let (_, issuer) = X509Name::from_der(issuer)
            .map_err(|_| PkiError::Malformed("the issuer of a revocation list"))?;
        let this_update = time(&mut fields, "the date of a revocation list")?;
        let next_update = match fields.peek() {
            Some(UTC_TIME | GENERALIZED_TIME) => {
                Some(time(&mut fields, "the last date of a revocation list")?)
            }
            _ => None,
        };
        let revoked = fields.optional(SEQUENCE, ENTRIES)?.unwrap_or_default();
        let list = Self {
            signed,
            inner_algorithm,
            algorithm,
            signature,
            issuer,
            this_update,
            next_update,
            revoked: Der::new(revoked),
        };
        list.entries().try_for_each(|entry| entry.map(drop))?;
        Ok(list)
    }

    /// Whether a certificate of the issuer is revoked.
    pub(super) fn revokes(&self, serial: &[u8]) -> bool {
        let serial = significant(serial);
        let mut entries = self.entries().filter_map(Result::ok);
        entries.any(|entry| significant(entry.serial) == serial && !entry.is_taken_back)
    }

    fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, PkiError>> + use<'a> {
        let mut rest = self.revoked;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = entry(&mut rest);
            if entry.is_err() {
                // Where it begins is known, but not where it ends.
                rest = Der::new(&[]);
            }
            Some(entry)
        })
    }
}

struct Entry<'a> {
    serial: &'a [u8],
    /// The certificate was on hold, and no longer is (`removeFromCRL`).
    is_taken_back: bool,
}

fn entry<'a>(entries: &mut Der<'a>) -> Result<Entry<'a>, PkiError> {
    let mut fields = entries.sequence(ENTRIES)?;
    let serial = fields.value(INTEGER, ENTRIES)?;
    fields.any(ENTRIES)?;
    let mut is_taken_back = false;
    if let Some(extensions) = fields.optional(SEQUENCE, ENTRIES)? {
        let mut extensions = Der::new(extensions);
        while !extensions.is_empty() {
            let mut extension = extensions.sequence(ENTRIES)?;
            if extension.oid(ENTRIES)? == REASON {
                is_taken_back = reason(extension) == Some(REMOVE_FROM_CRL);
            }
        }
    }
    Ok(Entry {
        serial,
        is_taken_back,
    })
}

fn reason(mut extension: Der<'_>) -> Option<u8> {
    while extension.peek() != Some(OCTET_STRING) {
        extension.any(ENTRIES).ok()?;
    }
    let inner = extension.value(OCTET_STRING, ENTRIES).ok()?;
    let number = Der::new(inner).value(ENUMERATED, ENTRIES).ok()?;
    match number {
        [number] => Some(*number),
        _ => None,
    }
}

fn read_algorithm(der: &[u8]) -> Result<AlgorithmIdentifier<'_>, PkiError> {
    let parsed = AlgorithmIdentifier::from_der(der);
    parsed
        .map(|(_, algorithm)| algorithm)
        .map_err(|_| PkiError::Malformed("the signature algorithm of a revocation list"))
}

/// A date; without a time zone it is taken for UTC, and seconds may be missing.
fn time(fields: &mut Der<'_>, what: &'static str) -> Result<ASN1Time, PkiError> {
    let malformed = PkiError::Malformed(what);
    let (tag, text) = fields.any(what)?;
    let text = std::str::from_utf8(text).map_err(|_| malformed.clone())?;
    let (year_digits, whole) = match tag {
        UTC_TIME => (2, text),
        GENERALIZED_TIME => (4, text),
        _ => return Err(malformed),
    };
    let digits = whole.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = whole.split_at(digits);
    let pairs: Option<Vec<i64>> = (year_digits..digits.len())
        .step_by(2)
        .map(|at| digits.get(at..at + 2)?.parse().ok())
        .collect();
    let year = digits.get(..year_digits).and_then(|year| year.parse().ok());
    let (Some(year), Some(pairs)) = (year, pairs) else {
        return Err(malformed);
    };
    let year = match year_digits {
        2 if year < 50 => 2000 + year,
        2 => 1900 + year,
        _ => year,
    };
    let offset = zone_offset(zone).ok_or_else(|| malformed.clone())?;
    let seconds = seconds_since_1970(year, &pairs).ok_or_else(|| malformed.clone())?;
    ASN1Time::from_timestamp(seconds - offset).map_err(|_| malformed)
}

/// Seconds that a zone is ahead of UTC; fractions of seconds before it do not count.
fn zone_offset(zone: &str) -> Option<i64> {
    let is_fraction = |sign: char| matches!(sign, '.' | ',') || sign.is_ascii_digit();
    let zone = zone.trim_start_matches(is_fraction);
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return matches!(zone, "" | "Z").then_some(0),
    };
    let number: i64 = digits.parse().ok().filter(|_| digits.len() == 4)?;
    Some(sign * (number / 100 * 3600 + number % 100 * 60))
}

/// Month, day, hour, minute and, if written, second of a year.
fn seconds_since_1970(year: i64, parts: &[i64]) -> Option<i64> {
    let (&[month, day, hour, minute], second) = match parts {
        [first @ .., second] if parts.len() == 5 => (<&[i64; 4]>::try_from(first).ok()?, *second),
        first => (<&[i64; 4]>::try_from(first).ok()?, 0),
    };
    let is_possible = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (0..=24).contains(&hour)
        && (0..=59).contains(&minute)
        && (0..=60).contains(&second);
    // Years that begin in March, so that the leap day is the last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - DAYS_BEFORE_1970;
    is_possible.then_some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// From the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

const LIST: &str = "a revocation list";
const ENTRIES: &str = "the revoked certificates of a revocation list";
/// The extension that says why a certificate was revoked.
const REASON: &str = "2.5.29.21";
const REMOVE_FROM_CRL: u8 = 8;

/// A number without the zeros in front, of which some programs write none and some too many.
fn significant(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::der::UTC_TIME;
    use super::super::fixtures::fixture_bytes;
    use super::*;

    fn read(tag: u8, text: &str) -> Option<i64> {
        let mut der = vec![tag, u8::try_from(text.len()).unwrap()];
        der.extend_from_slice(text.as_bytes());
        let time = time(&mut Der::new(&der), "a date");
        time.ok().map(|time| time.timestamp())
    }

    #[test]
    fn dates_are_read_with_and_without_zone_and_seconds() {
        let expected = 1_767_323_045; // 2026-01-02 03:04:05 UTC
        for text in [
            "260102030405Z",
            "260102030405",
            "260102030405+0000",
            "260102040405+0100",
            "260101223405-0430",
        ] {
            assert_eq!(read(UTC_TIME, text), Some(expected), "{text}");
        }
        assert_eq!(read(UTC_TIME, "2601020304Z"), Some(expected - 5));
        let long = read(GENERALIZED_TIME, "20260102030405.25Z");
        assert_eq!(long, Some(expected));
        assert_eq!(read(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(read(UTC_TIME, "000229000000Z"), Some(951_782_400));
        assert_eq!(
            read(GENERALIZED_TIME, "21000301000000Z"),
            Some(4_107_542_400)
        );
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "Z",
            "26",
            "260102",
            "261302030405Z",
            "260102030499Z",
            "260102030405X",
            "2601020304051Z",
        ] {
            assert_eq!(read(UTC_TIME, text), None, "{text}");
        }
        assert_eq!(read(GENERALIZED_TIME, "99999999999999999999Z"), None);
        assert_eq!(read(OCTET_STRING, "260102030405Z"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(
            place in 0_usize..600,
            bytes in proptest::collection::vec(any::<u8>(), 0..8),
            text in "[0-9]{0,24}[-+Z.]{0,2}[0-9]{0,5}",
        ) {
            let mut der = fixture_bytes!("empty.crl.der").to_vec();
            for (offset, byte) in bytes.into_iter().enumerate() {
                let length = der.len();
                der[(place + offset) % length] = byte;
            }
            if let Ok(list) = RevocationList::parse(&der) {
                list.revokes(&[5]);
            }
            read(UTC_TIME, &text);
            read(GENERALIZED_TIME, &text);
        }
    }
}
