//! The checks of the server's own certificate that a profile can ask for, beside the chain.

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::Refusal;
use crate::config::{CertType, HashCheck, NameCheck, PeerChecks};
use crate::pki::certificate::Certificate;
use crate::pki::name;

/// All checks of `wanted`. The chain is the leaf, then its issuers as far as they are known.
pub(super) fn check(wanted: &PeerChecks, chain: &[&Certificate<'_>]) -> Result<(), Refusal> {
    let leaf = chain.first().expect("a chain begins with the leaf");
    let refuse = |(option, failure): (String, String)| Refusal::Check {
        option,
        failure,
        subject: leaf.subject(),
    };
    if let Some(hash) = &wanted.hash {
        named("verify-hash", check_hash(hash, chain)).map_err(refuse)?;
    }
    if let Some(kind) = wanted.netscape_type {
        let option = format!("ns-cert-type {}", side(kind));
        named(&option, check_netscape_type(kind, leaf)).map_err(refuse)?;
    }
    if let Some(kind) = wanted.cert_type {
        let option = format!("remote-cert-tls {}", side(kind));
        named(&option, check_type(kind, leaf)).map_err(refuse)?;
    }
    if let Some(usages) = &wanted.key_usage {
        named("remote-cert-ku", check_key_usage(usages, leaf)).map_err(refuse)?;
    }
    if let Some(usage) = &wanted.extended_key_usage {
        let option = format!("remote-cert-eku {usage}");
        named(&option, check_extended_key_usage(usage, leaf)).map_err(refuse)?;
    }
    if let Some(check) = &wanted.name {
        let username = name::username(&leaf.parsed, wanted.username_field.as_deref());
        named("verify-x509-name", check_name(check, username, leaf)).map_err(refuse)?;
    }
    Ok(())
}

/// Bytes as OpenVPN writes fingerprints: `AB:CD:..`.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    digits.join(":")
}

fn named(option: &str, outcome: Result<(), String>) -> Result<(), (String, String)> {
    outcome.map_err(|failure| (option.to_owned(), failure))
}

const fn side(kind: CertType) -> &'static str {
    match kind {
        CertType::Client => "client",
        CertType::Server => "server",
    }
}

fn check_hash(wanted: &HashCheck, chain: &[&Certificate<'_>]) -> Result<(), String> {
    let depth = wanted.depth;
    let certificate = chain
        .get(depth)
        .ok_or_else(|| format!("the chain has no certificate at depth {depth}"))?;
    let sha1 = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der);
    let sha256 = digest(&SHA256, certificate.der);
    let is_known = |known: &Vec<u8>| *known == sha256.as_ref() || *known == sha1.as_ref();
    if wanted.fingerprints.iter().any(is_known) {
        Ok(())
    } else {
        let fingerprint = hex(sha256.as_ref());
        Err(format!(
            "the fingerprint {fingerprint} of the certificate at depth {depth} is not in the list"
        ))
    }
}

fn check_type(kind: CertType, leaf: &Certificate<'_>) -> Result<(), String> {
    if leaf.key_usage().is_none() {
        return Err("the certificate has no key usage".to_owned());
    }
    let usage = leaf
        .extended_key_usage()
        .ok_or("the certificate has no extended key usage")?;
    let (is_allowed, wanted) = match kind {
        CertType::Client => (usage.client_auth, "TLS Web Client Authentication"),
        CertType::Server => (usage.server_auth, "TLS Web Server Authentication"),
    };
    if is_allowed {
        Ok(())
    } else {
        Err(format!(
            "the certificate's extended key usage lacks {wanted}"
        ))
    }
}

fn check_key_usage(wanted: &[u8], leaf: &Certificate<'_>) -> Result<(), String> {
    let usage = leaf.key_usage().ok_or("the certificate has no key usage")?;
    // The parser counts the bits from the other end than OpenVPN.
    let [bits, _] = usage.flags.to_le_bytes();
    let bits = bits.reverse_bits();
    if wanted.is_empty() || wanted.iter().any(|value| bits & value == *value) {
        Ok(())
    } else {
        let wanted: Vec<String> = wanted.iter().map(|value| format!("{value:02x}")).collect();
        let wanted = wanted.join(" ");
        Err(format!(
            "the certificate's key usage is {bits:02x}, wanted is one of {wanted}"
        ))
    }
}

const LONG_NAMES: &[(&str, &str)] = &[
    ("Any Extended Key Usage", "2.5.29.37.0"),
    ("Code Signing", "1.3.6.1.5.5.7.3.3"),
    ("E-mail Protection", "1.3.6.1.5.5.7.3.4"),
    ("OCSP Signing", "1.3.6.1.5.5.7.3.9"),
    ("TLS Web Client Authentication", "1.3.6.1.5.5.7.3.2"),
    ("TLS Web Server Authentication", "1.3.6.1.5.5.7.3.1"),
    ("Time Stamping", "1.3.6.1.5.5.7.3.8"),
];

fn check_extended_key_usage(wanted: &str, leaf: &Certificate<'_>) -> Result<(), String> {
    let usage = leaf
        .extended_key_usage()
        .ok_or("the certificate has no extended key usage")?;
    let named = LONG_NAMES.iter().find(|(name, _)| *name == wanted);
    let oid = named.map_or(wanted, |(_, oid)| *oid);
    let known = [
        (usage.any, "2.5.29.37.0"),
        (usage.client_auth, "1.3.6.1.5.5.7.3.2"),
        (usage.code_signing, "1.3.6.1.5.5.7.3.3"),
        (usage.email_protection, "1.3.6.1.5.5.7.3.4"),
        (usage.ocsp_signing, "1.3.6.1.5.5.7.3.9"),
        (usage.server_auth, "1.3.6.1.5.5.7.3.1"),
        (usage.time_stamping, "1.3.6.1.5.5.7.3.8"),
    ];
    let is_known = known.iter().any(|(is_set, known)| *is_set && *known == oid);
    if is_known || usage.other.iter().any(|other| other.to_id_string() == oid) {
        Ok(())
    } else {
        Err("the certificate's extended key usage does not include it".to_owned())
    }
}

/// The purposes that the certificate allows, or Netscape's extension.
fn check_netscape_type(kind: CertType, leaf: &Certificate<'_>) -> Result<(), String> {
    let netscape = leaf.netscape_type();
    let extended = leaf.extended_key_usage();
    let (by_netscape, by_extended) = match kind {
        CertType::Client => (
            netscape.is_none_or(|kind| kind.ssl_client()),
            extended.is_none_or(|usage| usage.client_auth),
        ),
        CertType::Server => (
            netscape.is_none_or(|kind| kind.ssl_server()),
            extended.is_none_or(|usage| usage.server_auth),
        ),
    };
    if by_netscape && (by_extended || netscape.is_some()) {
        Ok(())
    } else {
        Err("the certificate is for another purpose".to_owned())
    }
}

/// A name as OpenVPN before 2.3 compared it.
fn remapped(name: &str) -> String {
    let stays = |c: char| c.is_ascii_alphanumeric() || "-_.@:/=".contains(c);
    name.chars()
        .map(|c| if stays(c) { c } else { '_' })
        .collect()
}

fn check_name(
    wanted: &NameCheck,
    username: Option<String>,
    leaf: &Certificate<'_>,
) -> Result<(), String> {
    let username = || username.ok_or("the certificate has no such name");
    let (is_right, what, text) = match wanted {
        NameCheck::Name(text) => (username()? == *text, "name is not", text),
        NameCheck::NamePrefix(text) => (
            username()?.starts_with(text.as_str()),
            "name does not begin with",
            text,
        ),
        NameCheck::OldSubject(text) => {
            let old = format!("/{}", leaf.subject().replace(", ", "/"));
            (remapped(&old) == remapped(text), "subject is not", text)
        }
        NameCheck::Subject(text) => (leaf.subject() == *text, "subject is not", text),
    };
    if is_right {
        Ok(())
    } else {
        Err(format!("the certificate's {what} {text:?}"))
    }
}
