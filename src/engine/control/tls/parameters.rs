//! Versions, cipher suites and groups: the profile's names, and what the library has of them.

use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CipherSuite, NamedGroup, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion,
};

use super::TlsSetupError;
use super::hybrid::X25519_MLKEM768;
use super::p521::SECP521R1;
use crate::config::{CertProfile, TlsConfig, TlsVersion};

/// What a `ClientHello` may offer.
#[derive(Debug)]
pub(super) struct Parameters {
    /// The provider, reduced to the suites and groups wanted, in the profile's order.
    pub(super) provider: CryptoProvider,
    /// At least one.
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    /// Names that mean nothing here.
    pub(super) ignored: Vec<String>,
}

impl Parameters {
    /// Reads the profile's names. A name nobody knows is passed over as long as something remains.
    ///
    /// A `tls-cipher` without any suite of ours leaves TLS 1.3 alone, if that is allowed.
    pub(super) fn choose(tls: &TlsConfig, library: &CryptoProvider) -> Result<Self, TlsSetupError> {
        let allowed = |version| tls.version_min <= version && version <= tls.version_max;
        if !allowed(TlsVersion::V1_2) && !allowed(TlsVersion::V1_3) {
            return Err(TlsSetupError::NoVersion);
        }
        let mut ignored = Vec::new();
        let suite_b = tls.cert_profile == CertProfile::SuiteB;
        let old = match (&tls.cipher_list, suite_b) {
            (Some(names), _) => read_cipher_list(names, library, &mut ignored),
            (None, true) => read_cipher_list(&[SUITE_B.to_owned()], library, &mut ignored),
            (None, false) => suites(library, &TLS12),
        };
        let modern = match &tls.cipher_suites {
            Some(names) => read_suite_names(names, library, &mut ignored),
            None => suites(library, &TLS13),
        };
        let groups = match (&tls.groups, suite_b) {
            (Some(names), _) => read_groups(names, library, &mut ignored),
            (None, true) => read_groups(&["P-256:P-384".to_owned()], library, &mut ignored),
            (None, false) => groups_of(library),
        };
        let has_group = |version| groups.iter().any(|group| group.usable_for_version(version));
        let modern_works = allowed(TlsVersion::V1_3) && has_group(ProtocolVersion::TLSv1_3);
        let old_works = allowed(TlsVersion::V1_2) && has_group(ProtocolVersion::TLSv1_2);
        if !modern_works && !old_works {
            return Err(TlsSetupError::NoGroup(join(tls.groups.as_deref())));
        }
        let mut versions = Vec::new();
        let mut cipher_suites = Vec::new();
        if modern_works && !modern.is_empty() {
            versions.push(&TLS13);
            cipher_suites.extend(modern);
        }
        if old_works && !old.is_empty() {
            versions.push(&TLS12);
            cipher_suites.extend(old);
        }
        if versions.is_empty() {
            let names = [tls.cipher_list.as_deref(), tls.cipher_suites.as_deref()];
            return Err(TlsSetupError::NoSuite(names.map(join).join(" ")));
        }
        let provider = CryptoProvider {
            cipher_suites,
            kx_groups: groups,
            ..library.clone()
        };
        Ok(Self {
            provider,
            versions,
            ignored,
        })
    }
}

/// A TLS 1.2 suite: its names, and the keywords of OpenSSL's cipher lists that mean it among others.
struct OldSuite {
    suite: CipherSuite,
    iana: &'static str,
    openssl: &'static str,
    keywords: &'static [&'static str],
}

const OLD_SUITES: &[OldSuite] = &[
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        iana: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        openssl: "ECDHE-ECDSA-AES256-GCM-SHA384",
        keywords: &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM", "SHA384"],
    },
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        iana: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
        openssl: "ECDHE-ECDSA-AES128-GCM-SHA256",
        keywords: &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM", "SHA256"],
    },
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        iana: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        openssl: "ECDHE-ECDSA-CHACHA20-POLY1305",
        keywords: &["ECDSA", "aECDSA", "CHACHA20"],
    },
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        iana: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        openssl: "ECDHE-RSA-AES256-GCM-SHA384",
        keywords: &["aRSA", "AES", "AES256", "AESGCM", "SHA384"],
    },
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        iana: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        openssl: "ECDHE-RSA-AES128-GCM-SHA256",
        keywords: &["aRSA", "AES", "AES128", "AESGCM", "SHA256"],
    },
    OldSuite {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        iana: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        openssl: "ECDHE-RSA-CHACHA20-POLY1305",
        keywords: &["aRSA", "CHACHA20"],
    },
];

/// Keywords that mean each suite of the table.
const KEYWORDS_OF_ALL: &[&str] = &[
    "ALL",
    "COMPLEMENTOFALL",
    "DEFAULT",
    "ECDH",
    "ECDHE",
    "EECDH",
    "HIGH",
    "TLSv1.2",
    "kECDHE",
    "kEECDH",
];

/// What OpenVPN offers for `tls-cert-profile suiteb`.
const SUITE_B: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";

const SUITES_OF_1_3: &[(CipherSuite, &str)] = &[
    (
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_128_GCM_SHA256",
    ),
    (
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_AES_256_GCM_SHA384",
    ),
    (
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
];

const GROUPS: &[(NamedGroup, &[&str])] = &[
    (NamedGroup::X25519, &["X25519"]),
    (NamedGroup::X25519MLKEM768, &["X25519MLKEM768"]),
    (NamedGroup::secp256r1, &["secp256r1", "prime256v1", "P-256"]),
    (NamedGroup::secp384r1, &["secp384r1", "P-384"]),
    (NamedGroup::secp521r1, &["secp521r1", "P-521"]),
];

/// "TLSv1.3".
pub(super) fn version_name(version: ProtocolVersion) -> String {
    if version == ProtocolVersion::TLSv1_3 {
        "TLSv1.3".to_owned()
    } else {
        "TLSv1.2".to_owned()
    }
}

/// The name that IANA registers.
pub(super) fn suite_name(suite: CipherSuite) -> String {
    let modern = SUITES_OF_1_3.iter().find(|(this, _)| *this == suite);
    let old = OLD_SUITES.iter().find(|row| row.suite == suite);
    modern
        .map(|(_, name)| *name)
        .or_else(|| old.map(|row| row.iana))
        .map_or_else(|| format!("{suite:?}"), str::to_owned)
}

/// The group's usual name.
pub(super) fn group_name(group: NamedGroup) -> String {
    format!("{group:?}")
}

/// Reads an OpenSSL cipher list (`ECDHE+AESGCM:!aECDSA:@STRENGTH`), or a list of IANA names with dashes.
fn read_cipher_list(
    names: &[String],
    library: &CryptoProvider,
    ignored: &mut Vec<String>,
) -> Vec<SupportedCipherSuite> {
    let mut chosen: Vec<&OldSuite> = Vec::new();
    let mut banned: Vec<CipherSuite> = Vec::new();
    for token in tokens(names, &[':', ',', ' ']) {
        if token.starts_with('@') {
            continue;
        }
        let (operation, name) = match token.chars().next() {
            Some(mark @ ('!' | '-' | '+')) => (mark, &token[1..]),
            _ => (' ', token),
        };
        let meant = suites_meant(name);
        if meant.is_empty() && operation == ' ' {
            ignored.push(token.to_owned());
        }
        let is_meant = |suite: CipherSuite| meant.iter().any(|row| row.suite == suite);
        match operation {
            '!' => {
                banned.extend(meant.iter().map(|row| row.suite));
                chosen.retain(|row| !is_meant(row.suite));
            }
            '-' => chosen.retain(|row| !is_meant(row.suite)),
            // A stable sort: what is meant moves to the end.
            '+' => chosen.sort_by_key(|row| is_meant(row.suite)),
            _ => chosen.extend(
                meant
                    .into_iter()
                    .filter(|row| {
                        !banned.contains(&row.suite)
                            && !chosen.iter().any(|had| had.suite == row.suite)
                    })
                    .collect::<Vec<_>>(),
            ),
        }
    }
    let have = |row: &&OldSuite| find_suite(library, row.suite);
    chosen.iter().filter_map(have).collect()
}

/// The suites that a name, a keyword, or keywords joined by `+` mean.
fn suites_meant(name: &str) -> Vec<&'static OldSuite> {
    let iana = name.replace('-', "_");
    let is_meant = |row: &&OldSuite| {
        row.openssl.eq_ignore_ascii_case(name)
            || row.iana.eq_ignore_ascii_case(&iana)
            || name.split('+').all(|keyword| {
                KEYWORDS_OF_ALL.contains(&keyword) || row.keywords.contains(&keyword)
            })
    };
    OLD_SUITES.iter().filter(is_meant).collect()
}

fn read_suite_names(
    names: &[String],
    library: &CryptoProvider,
    ignored: &mut Vec<String>,
) -> Vec<SupportedCipherSuite> {
    let mut chosen = Vec::new();
    for token in tokens(names, &[':', ',', ' ']) {
        let name = token.replace('-', "_");
        let row = SUITES_OF_1_3
            .iter()
            .find(|(_, known)| known.eq_ignore_ascii_case(&name));
        match row.and_then(|(suite, _)| find_suite(library, *suite)) {
            Some(suite) if !chosen.contains(&suite) => chosen.push(suite),
            Some(_) => {}
            None => ignored.push(token.to_owned()),
        }
    }
    chosen
}

fn read_groups(
    names: &[String],
    library: &CryptoProvider,
    ignored: &mut Vec<String>,
) -> Vec<&'static dyn SupportedKxGroup> {
    let mut chosen: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    for token in tokens(names, &[':', ',', ' ']) {
        // OpenSSL marks a group with `?` (may be missing) or `*` (send a key share).
        let name = token.trim_start_matches(['?', '*']);
        let known = |(_, names): &&(NamedGroup, &[&str])| {
            names.iter().any(|known| known.eq_ignore_ascii_case(name))
        };
        let group = GROUPS.iter().find(known).map(|(group, _)| *group);
        let found = groups_of(library)
            .into_iter()
            .find(|have| Some(have.name()) == group);
        match found {
            Some(found) if !chosen.iter().any(|had| had.name() == found.name()) => {
                chosen.push(found);
            }
            Some(_) => {}
            None => ignored.push(token.to_owned()),
        }
    }
    chosen
}

/// All groups that there are, the most wanted first.
fn groups_of(library: &CryptoProvider) -> Vec<&'static dyn SupportedKxGroup> {
    let ours = [X25519_MLKEM768.name(), SECP521R1.name()];
    let beside = |group: &&'static dyn SupportedKxGroup| !ours.contains(&group.name());
    let theirs = library.kx_groups.iter().copied().filter(beside);
    std::iter::once(X25519_MLKEM768)
        .chain(theirs)
        .chain(std::iter::once(SECP521R1))
        .collect()
}

fn tokens<'a>(names: &'a [String], separators: &'a [char]) -> impl Iterator<Item = &'a str> {
    names
        .iter()
        .flat_map(move |name| name.split(separators))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

fn suites(
    library: &CryptoProvider,
    version: &'static SupportedProtocolVersion,
) -> Vec<SupportedCipherSuite> {
    let of_version = |suite: &&SupportedCipherSuite| suite.version() == version;
    library
        .cipher_suites
        .iter()
        .filter(of_version)
        .copied()
        .collect()
}

fn find_suite(library: &CryptoProvider, wanted: CipherSuite) -> Option<SupportedCipherSuite> {
    let is_wanted = |suite: &&SupportedCipherSuite| suite.suite() == wanted;
    library.cipher_suites.iter().find(is_wanted).copied()
}

fn join(names: Option<&[String]>) -> String {
    names.map(|names| names.join(":")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> (Vec<String>, Vec<String>) {
        let library = rustls::crypto::ring::default_provider();
        let mut ignored = Vec::new();
        let chosen = read_cipher_list(&[list.to_owned()], &library, &mut ignored);
        let names = chosen.iter().map(|suite| suite_name(suite.suite()));
        (names.collect(), ignored)
    }

    fn chosen(list: &str) -> String {
        let (names, _) = read(list);
        names.join(" ").replace("TLS_ECDHE_", "")
    }

    #[test]
    fn suites_go_by_iana_and_by_openssl_names_in_the_order_written() {
        let expected = "RSA_WITH_AES_128_GCM_SHA256 ECDSA_WITH_AES_256_GCM_SHA384";
        for list in [
            "TLS-ECDHE-RSA-WITH-AES-128-GCM-SHA256:TLS-ECDHE-ECDSA-WITH-AES-256-GCM-SHA384",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256:TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
        ] {
            assert_eq!(chosen(list), expected, "{list}");
        }
    }

    #[test]
    fn keywords_add_remove_and_move_suites() {
        assert_eq!(read("DEFAULT:@SECLEVEL=0").0.len(), 6);
        assert_eq!(read("HIGH:!aNULL:!MD5").0.len(), 6);
        assert_eq!(
            chosen("ECDHE+aRSA+AESGCM"),
            "RSA_WITH_AES_256_GCM_SHA384 RSA_WITH_AES_128_GCM_SHA256"
        );
        assert_eq!(
            chosen("aRSA:!CHACHA20:+AES256:CHACHA20"),
            "RSA_WITH_AES_128_GCM_SHA256 RSA_WITH_AES_256_GCM_SHA384"
        );
        assert_eq!(
            chosen("ALL:-AES:!ECDSA:AES128"),
            "RSA_WITH_CHACHA20_POLY1305_SHA256 RSA_WITH_AES_128_GCM_SHA256"
        );
    }

    #[test]
    fn names_that_mean_nothing_are_told() {
        let (names, ignored) = read("DHE-RSA-AES256-SHA:!RC4:ECDHE-RSA-AES256-GCM-SHA384:+DES");
        assert_eq!(names.len(), 1);
        assert_eq!(ignored, ["DHE-RSA-AES256-SHA"]);
    }
}
