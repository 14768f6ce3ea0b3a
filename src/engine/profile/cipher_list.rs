//! `data-ciphers` and its kin: lists of ciphers, their `?` and `DEFAULT`; and the names of digests.

use thiserror::Error;

use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;

/// The longest list, in characters.
const MAX_LIST: usize = 127;

/// A list that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadList {
    /// Nothing of it can be used; what it names.
    #[error("no cipher of the list is available here: {0}")]
    Empty(String),
    /// It has more characters than OpenVPN takes.
    #[error("the list has {0} characters, and 127 are allowed")]
    TooLong(usize),
    /// A name that is not marked by `?`.
    #[error("the data cipher {0} is not available here")]
    Unknown(String),
}

/// A list with what was left out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherList {
    /// The ciphers, the most wanted first, each once.
    pub ciphers: Vec<Cipher>,
    /// Names that were left out: optional ones, and old ciphers that this client does not have.
    pub left_out: Vec<String>,
}

/// Reads a list: separated by `:`, `?` in front makes a name optional, `DEFAULT` stands for the default list. A cipher
/// of OpenVPN's past (such as BF-CBC) is left out too, as long as another one remains.
///
/// # Errors
///
/// [`BadList`] if it is too long, names something unknown, or nothing remains.
pub fn parse(list: &str) -> Result<CipherList, BadList> {
    if list.len() > MAX_LIST {
        return Err(BadList::TooLong(list.len()));
    }
    let mut ciphers: Vec<Cipher> = Vec::new();
    let mut left_out = Vec::new();
    for entry in list
        .split(':')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
    {
        let name = entry.trim_start_matches('?');
        let found = match name.parse() {
            Ok(cipher) => vec![cipher],
            Err(_) if name.eq_ignore_ascii_case("DEFAULT") => Cipher::DEFAULT.to_vec(),
            Err(_) if name.len() < entry.len() || is_of_the_past(name) => {
                left_out.push(name.to_owned());
                Vec::new()
            }
            Err(_) => return Err(BadList::Unknown(name.to_owned())),
        };
        for cipher in found {
            if !ciphers.contains(&cipher) {
                ciphers.push(cipher);
            }
        }
    }
    if ciphers.is_empty() {
        return Err(BadList::Empty(list.to_owned()));
    }
    Ok(CipherList { ciphers, left_out })
}

/// Whether OpenVPN has, or had, this cipher, but we have not.
#[must_use]
pub fn is_of_the_past(name: &str) -> bool {
    const FAMILIES: [&str; 13] = [
        "AES-",
        "ARIA-",
        "BF-",
        "BLOWFISH-",
        "CAMELLIA-",
        "CAST5-",
        "DES-",
        "DESX-",
        "IDEA-",
        "RC2-",
        "RC5-",
        "SEED-",
        "SM4-",
    ];
    const MODES: [&str; 7] = [
        "-CBC", "-CFB", "-CFB1", "-CFB8", "-CFB64", "-CFB128", "-OFB",
    ];
    let name = name.to_ascii_uppercase();
    name == "NONE"
        || (FAMILIES.iter().any(|family| name.starts_with(family))
            && MODES.iter().any(|mode| name.ends_with(mode)))
}

/// A digest by its name in OpenVPN's configuration.
#[must_use]
pub fn digest(name: &str) -> Option<Digest> {
    let name = name.to_ascii_uppercase();
    match name.strip_prefix("RSA-").unwrap_or(&name) {
        "MD5" => Some(Digest::Md5),
        "SHA1" | "SHA-1" | "SHA" => Some(Digest::Sha1),
        "SHA224" | "SHA-224" | "SHA2-224" => Some(Digest::Sha224),
        "SHA256" | "SHA-256" | "SHA2-256" => Some(Digest::Sha256),
        "SHA384" | "SHA-384" | "SHA2-384" => Some(Digest::Sha384),
        "SHA512" | "SHA-512" | "SHA2-512" => Some(Digest::Sha512),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<String, BadList> {
        let ciphers = parse(list)?.ciphers;
        Ok(ciphers
            .into_iter()
            .map(Cipher::name)
            .collect::<Vec<_>>()
            .join(":"))
    }

    #[test]
    fn an_optional_name_may_be_unknown() {
        assert_eq!(
            names("AES-256-GCM:?vollbit:AES-128-GCM"),
            Ok("AES-256-GCM:AES-128-GCM".into())
        );
        assert_eq!(
            names("AES-256-GCM:?AES-128-CCM:AES-128-GCM"),
            Ok("AES-256-GCM:AES-128-GCM".into())
        );
        let list = "?kugelfisch:?grasshopper";
        assert_eq!(names(list), Err(BadList::Empty(list.to_owned())));
    }

    #[test]
    fn an_unknown_name_makes_the_list_useless() {
        assert_eq!(names("vollbit"), Err(BadList::Unknown("vollbit".into())));
        assert_eq!(
            names("AES-256-GCM:AES-128-CCM"),
            Err(BadList::Unknown("AES-128-CCM".into()))
        );
    }

    #[test]
    fn names_have_aliases_and_any_case() {
        assert_eq!(
            names("id-aes128-GCM:id-aes256-GCM"),
            Ok("AES-128-GCM:AES-256-GCM".into())
        );
        assert_eq!(names("ChaCha20-Poly1305"), Ok("CHACHA20-POLY1305".into()));
    }

    #[test]
    fn a_list_has_at_most_127_characters() {
        assert_eq!(
            names(&["CHACHA20-POLY1305"; 7].join(":")),
            Ok("CHACHA20-POLY1305".into())
        );
        assert_eq!(
            names(&["CHACHA20-POLY1305"; 8].join(":")),
            Err(BadList::TooLong(143))
        );
    }

    #[test]
    fn default_expands_in_place_and_old_ciphers_are_left_out() {
        let list = parse("BF-CBC:DEFAULT:AES-128-CBC").unwrap();
        assert_eq!(
            list.ciphers,
            [
                Cipher::Aes256Gcm,
                Cipher::Aes128Gcm,
                Cipher::ChaCha20Poly1305,
                Cipher::Aes128Cbc
            ]
        );
        assert_eq!(list.left_out, ["BF-CBC"]);
        assert_eq!(parse("none"), Err(BadList::Empty("none".to_owned())));
    }

    #[test]
    fn digests_have_their_usual_names() {
        assert_eq!(digest("sha256"), Some(Digest::Sha256));
        assert_eq!(digest("RSA-SHA512"), Some(Digest::Sha512));
        assert_eq!(digest("WHIRLPOOL"), None);
    }
}
