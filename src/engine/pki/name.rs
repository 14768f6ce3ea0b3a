//! Subject names as OpenVPN prints and compares them.

use x509_parser::certificate::X509Certificate;
use x509_parser::der_parser::asn1_rs::{Any, Tag};
use x509_parser::der_parser::oid::Oid;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::x509::X509Name;

use super::PkiError;

/// The subject of a DER certificate, see [`print()`].
///
/// # Errors
///
/// [`PkiError::Malformed`] if it is no certificate.
pub fn subject_of(der: &[u8]) -> Result<String, PkiError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(der)
        .map_err(|_| PkiError::Malformed("a certificate"))?;
    Ok(print(certificate.subject()))
}

/// A name as OpenVPN prints it: `C=KG, O=Test + OU=Two, CN=server`, in the certificate's order, short attribute names,
/// control characters escaped or replaced.
#[must_use]
pub fn print(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for rdn in name.iter_rdn() {
        for (place, attribute) in rdn.iter().enumerate() {
            if place > 0 {
                text.push_str(" + ");
            } else if !text.is_empty() {
                text.push_str(", ");
            }
            text.push_str(&short_name(attribute.attr_type()));
            text.push('=');
            text.push_str(&escape(&decode(attribute.attr_value())));
        }
    }
    sanitize(&text)
}

/// Whether two names are the same: as bytes, or as OpenSSL compares them, without regard to case, repeated spaces and
/// the kind of string.
#[must_use]
pub fn same(one: &X509Name<'_>, other: &X509Name<'_>) -> bool {
    one.as_raw() == other.as_raw() || canonical(one) == canonical(other)
}

fn canonical(name: &X509Name<'_>) -> Vec<Vec<(String, String)>> {
    let parts = name.iter_rdn().map(|rdn| {
        let mut attributes: Vec<_> = rdn
            .iter()
            .map(|attribute| {
                let value = decode(attribute.attr_value()).to_ascii_lowercase();
                let words: Vec<_> = value.split_ascii_whitespace().collect();
                (attribute.attr_type().to_id_string(), words.join(" "))
            })
            .collect();
        attributes.sort_unstable();
        attributes
    });
    parts.collect()
}

/// The last common name, made printable.
#[must_use]
pub fn common_name(name: &X509Name<'_>) -> Option<String> {
    last_of(name, "CN")
}

/// The certificate's name for its owner by `x509-username-field`: an attribute of the subject by its short name,
/// `ext:subjectAltName` for the e-mail address, `serialNumber` for the certificate's own number as `0x..`; several
/// fields, separated by white space, are joined by `_`. `None` if a field is not there.
#[must_use]
pub fn username(certificate: &X509Certificate<'_>, fields: Option<&str>) -> Option<String> {
    let Some(fields) = fields else {
        return common_name(certificate.subject());
    };
    let parts: Option<Vec<String>> = fields
        .split_whitespace()
        .map(|field| one_field(certificate, field))
        .collect();
    parts
        .filter(|parts| !parts.is_empty())
        .map(|parts| parts.join("_"))
}

fn one_field(certificate: &X509Certificate<'_>, field: &str) -> Option<String> {
    if field.eq_ignore_ascii_case("ext:subjectAltName") {
        return email(certificate);
    }
    if field == "serialNumber" {
        let digits: Vec<String> = certificate
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        return Some(format!("0x{}", digits.concat()));
    }
    last_of(certificate.subject(), field)
}

fn email(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut found = None;
    for extension in certificate.extensions() {
        if let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() {
            for name in &names.general_names {
                if let GeneralName::RFC822Name(address) = name {
                    found = Some(sanitize(address));
                }
            }
        }
    }
    found
}

fn last_of(name: &X509Name<'_>, wanted: &str) -> Option<String> {
    let is_wanted = |oid: &Oid<'_>| {
        short_name(oid).eq_ignore_ascii_case(wanted) || oid.to_id_string() == wanted
    };
    name.iter_attributes()
        .filter(|attribute| is_wanted(attribute.attr_type()))
        .last()
        .map(|attribute| sanitize(&decode(attribute.attr_value())))
}

/// OpenSSL's short name of an attribute, or its dotted number.
fn short_name(oid: &Oid<'_>) -> String {
    let dotted = oid.to_id_string();
    let known = SHORT_NAMES.iter().find(|(known, _)| *known == dotted);
    known.map_or(dotted, |(_, name)| (*name).to_owned())
}

const SHORT_NAMES: &[(&str, &str)] = &[
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
    ("1.2.840.113549.1.9.2", "unstructuredName"),
    ("1.2.840.113549.1.9.8", "unstructuredAddress"),
    ("1.3.6.1.4.1.311.60.2.1.1", "jurisdictionL"),
    ("1.3.6.1.4.1.311.60.2.1.2", "jurisdictionST"),
    ("1.3.6.1.4.1.311.60.2.1.3", "jurisdictionC"),
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.15", "businessCategory"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.18", "postOfficeBox"),
    ("2.5.4.20", "telephoneNumber"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.45", "x500UniqueIdentifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    ("2.5.4.72", "role"),
    ("2.5.4.97", "organizationIdentifier"),
];

/// Any of ASN.1's string types as text; what is not valid in its own type is replaced.
fn decode(value: &Any<'_>) -> String {
    let bytes = value.data;
    match value.tag() {
        Tag::BmpString => {
            let units = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
            char::decode_utf16(units)
                .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        Tag::UniversalString => bytes
            .chunks_exact(4)
            .map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
            .map(|code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        Tag::Utf8String => String::from_utf8_lossy(bytes).into_owned(),
        // OpenSSL reads all others as Latin-1.
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\\\"),
            '\0'..='\x1f' | '\x7f' => escaped.push_str(&format!("\\{:02X}", u32::from(letter))),
            _ => escaped.push(letter),
        }
    }
    escaped
}

/// What OpenVPN does with every name before it uses it: control characters and a leading dash become `_`.
fn sanitize(text: &str) -> String {
    let printable = |letter: char| {
        if letter.is_ascii_control() {
            '_'
        } else {
            letter
        }
    };
    let mut clean: String = text.chars().map(printable).collect();
    if clean.starts_with('-') {
        clean.replace_range(..1, "_");
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::super::certificate::Certificate;
    use super::super::certificates;
    use super::super::fixtures::fixture;
    use super::*;

    fn with_odd_names<T>(look: impl Fn(&X509Certificate<'_>) -> T) -> T {
        let ders = certificates(fixture!("server-email.crt")).unwrap();
        look(&Certificate::parse(&ders[0]).unwrap().parsed)
    }

    #[test]
    fn a_subject_is_printed_as_openvpn_prints_it() {
        // By `openssl x509 -subject -nameopt sep_comma_plus_space,sname,utf8,esc_ctrl`.
        let expected = r"C=KG, ST=NA, L=BISHKEK, OU=Unit + O=OpenVPN-TEST, CN=first, CN=Test-S\u{e9}rver \\ x, emailAddress=me@myhost.mydomain, UID=u1, serialNumber=77";
        let expected = expected.replace(r"\u{e9}", "\u{e9}");
        assert_eq!(
            with_odd_names(|certificate| print(certificate.subject())),
            expected
        );
    }

    #[test]
    fn the_last_common_name_counts() {
        assert_eq!(
            with_odd_names(|certificate| common_name(certificate.subject())),
            Some("Test-S\u{e9}rver \\ x".to_owned())
        );
    }

    #[test]
    fn the_user_name_can_come_from_other_fields() {
        let by = |fields| with_odd_names(|certificate| username(certificate, Some(fields)));
        assert_eq!(by("UID"), Some("u1".to_owned()));
        assert_eq!(by("emailAddress"), Some("me@myhost.mydomain".to_owned()));
        assert_eq!(by("ext:subjectAltName"), Some("me@example.org".to_owned()));
        assert_eq!(by("L UID"), Some("BISHKEK_u1".to_owned()));
        assert_eq!(by("GN"), None);
        assert_eq!(by("L GN"), None);
        assert!(by("serialNumber").is_some_and(|serial| serial.starts_with("0x10")));
    }

    #[test]
    fn control_characters_and_a_leading_dash_do_not_get_through() {
        assert_eq!(escape("a\n\\\u{7f}"), r"a\0A\\\7F");
        assert_eq!(sanitize("-a\r\nb\u{e9}"), "_a__b\u{e9}");
    }
}
