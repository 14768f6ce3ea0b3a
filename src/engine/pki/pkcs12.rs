//! PKCS#12 bundles: a key, its certificate, and what came along (RFC 7292).

use std::num::NonZeroU32;

use hmac::{Hmac, Mac};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::der::{
    CONTEXT_0, CONTEXT_0_PRIMITIVE, Der, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, from_ber,
    join_pieces,
};
use super::encryption::{Passphrase, decrypt, decrypt_key, iterations};
use super::pkcs12_kdf::{Purpose, derive};
use super::{Identity, PkiError, chain, pem, private_key};
use crate::secret::SecretText;

/// What a bundle holds.
#[derive(Debug)]
pub struct Bundle {
    /// The key, its certificate, and the intermediates between it and a root, as far as the bundle has them.
    pub identity: Identity,
    /// All other certificates: trust anchors, if the profile has no `ca`.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Bundle {
    /// Opens a bundle, given as its bytes or as base64 text. First without a passphrase, then with the one given.
    ///
    /// # Errors
    ///
    /// [`PkiError::PassphraseNeeded`] if none was given and it does not open without,
    /// [`PkiError::WrongPassphrase`] if the one given does not open it, and what else makes a bundle unreadable.
    pub fn open(bundle: &[u8], passphrase: Option<&SecretText>) -> Result<Self, PkiError> {
        let der = to_der(bundle)?;
        let mut candidates = vec![Passphrase::absent(), Passphrase::new("")];
        candidates.extend(passphrase.map(|text| Passphrase::new(text.expose())));
        for candidate in &candidates {
            match read(&der, candidate) {
                Err(PkiError::WrongPassphrase) => {}
                answer => return answer,
            }
        }
        Err(match passphrase {
            Some(_) => PkiError::WrongPassphrase,
            None => PkiError::PassphraseNeeded,
        })
    }
}

const WHAT: &str = "a PKCS#12 bundle";
const DATA: &str = "1.2.840.113549.1.7.1";
const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";

fn to_der(bundle: &[u8]) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    // Base64 of a sequence begins with `M`; a line of PEM with `-`.
    if bundle.first() == Some(&SEQUENCE) && bundle.get(1).is_some_and(|byte| *byte >= 0x80) {
        return from_ber(bundle);
    }
    let text = std::str::from_utf8(bundle).map_err(|_| PkiError::Malformed(WHAT))?;
    let block = pem::blocks(text).into_iter().next();
    let bytes = match block {
        Some(block) => block.decode()?,
        None => pem::decode_base64(text).map_err(|_| PkiError::Malformed(WHAT))?,
    };
    from_ber(&bytes)
}

/// What joins a key and its certificate.
type KeyId = Option<Vec<u8>>;

/// What has been found in the bags.
#[derive(Default)]
struct Found {
    keys: Vec<(Zeroizing<Vec<u8>>, KeyId)>,
    certificates: Vec<(CertificateDer<'static>, KeyId)>,
}

fn read(der: &[u8], passphrase: &Passphrase) -> Result<Bundle, PkiError> {
    let mut pfx = Der::new(der).sequence(WHAT)?;
    pfx.number(WHAT)?;
    let (kind, mut content) = pfx.algorithm(WHAT)?;
    if kind != DATA {
        return Err(PkiError::Unsupported(
            "a PKCS#12 bundle that is signed".into(),
        ));
    }
    let safe = Der::new(content.value(CONTEXT_0, WHAT)?).value(OCTET_STRING, WHAT)?;
    if !pfx.is_empty() {
        check_mac(pfx.sequence(WHAT)?, passphrase, safe)?;
    }
    let mut found = Found::default();
    let safe = from_ber(safe)?;
    let mut contents = Der::new(&safe).sequence(WHAT)?;
    while !contents.is_empty() {
        read_content(&mut contents, passphrase, &mut found)?;
    }
    assemble(found)
}

/// A wrong passphrase shows here first.
fn check_mac(mut mac: Der<'_>, passphrase: &Passphrase, safe: &[u8]) -> Result<(), PkiError> {
    let mut info = mac.sequence(WHAT)?;
    let (digest, _) = info.algorithm(WHAT)?;
    let expected = info.value(OCTET_STRING, WHAT)?;
    let salt = mac.value(OCTET_STRING, WHAT)?;
    let iterations = if mac.is_empty() {
        NonZeroU32::MIN
    } else {
        iterations(&mut mac)?
    };
    let key = |length: usize, derive: Derive| {
        derive(Purpose::Mac, &passphrase.wide, salt, iterations, length)
    };
    let actual = match digest.as_str() {
        "1.3.14.3.2.26" => authenticate::<Hmac<Sha1>>(&key(20, derive::<Sha1>), safe),
        "2.16.840.1.101.3.4.2.1" => authenticate::<Hmac<Sha256>>(&key(32, derive::<Sha256>), safe),
        "2.16.840.1.101.3.4.2.2" => authenticate::<Hmac<Sha384>>(&key(48, derive::<Sha384>), safe),
        "2.16.840.1.101.3.4.2.3" => authenticate::<Hmac<Sha512>>(&key(64, derive::<Sha512>), safe),
        // PBMAC1 (RFC 9579). The padding of what is decrypted tells a wrong passphrase too.
        "1.2.840.113549.1.5.14" => return Ok(()),
        other => {
            return Err(PkiError::Unsupported(format!(
                "a PKCS#12 bundle with {other}"
            )));
        }
    };
    if actual.ct_eq(expected).into() {
        Ok(())
    } else {
        Err(PkiError::WrongPassphrase)
    }
}

type Derive = fn(Purpose, &[u8], &[u8], NonZeroU32, usize) -> Zeroizing<Vec<u8>>;

fn authenticate<M: Mac + hmac::digest::KeyInit>(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut mac = <M as Mac>::new_from_slice(key).expect("an HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().to_vec()
}

fn read_content(
    contents: &mut Der<'_>,
    passphrase: &Passphrase,
    found: &mut Found,
) -> Result<(), PkiError> {
    let (kind, mut content) = contents.algorithm(WHAT)?;
    match kind.as_str() {
        DATA => {
            let inside = Der::new(content.value(CONTEXT_0, WHAT)?).value(OCTET_STRING, WHAT)?;
            read_bags(&from_ber(inside)?, passphrase, found, 0)
        }
        ENCRYPTED_DATA => {
            let mut data = Der::new(content.value(CONTEXT_0, WHAT)?).sequence(WHAT)?;
            data.number(WHAT)?;
            let mut encrypted = data.sequence(WHAT)?;
            encrypted.value(OBJECT_IDENTIFIER, WHAT)?;
            let (algorithm, parameters) = encrypted.algorithm(WHAT)?;
            let joined;
            let bytes = match encrypted.any(WHAT)? {
                (CONTEXT_0_PRIMITIVE, bytes) => bytes,
                (CONTEXT_0, pieces) => {
                    joined = join_pieces(pieces)?;
                    &joined
                }
                _ => return Err(PkiError::Malformed(WHAT)),
            };
            let inside = decrypt(&algorithm, parameters, passphrase, bytes)?;
            // Where the padding fits by chance, the structure tells a wrong passphrase.
            let inside = from_ber(&inside).map_err(|_| PkiError::WrongPassphrase)?;
            read_bags(&inside, passphrase, found, 0)
        }
        _ => Err(PkiError::Unsupported(
            "a PKCS#12 bundle for a recipient's key".into(),
        )),
    }
}

fn read_bags(
    safe_contents: &[u8],
    passphrase: &Passphrase,
    found: &mut Found,
    depth: usize,
) -> Result<(), PkiError> {
    let mut bags = Der::new(safe_contents).sequence(WHAT)?;
    while !bags.is_empty() {
        let mut bag = bags.sequence(WHAT)?;
        let kind = bag.oid(WHAT)?;
        let value = bag.value(CONTEXT_0, WHAT)?;
        let key_id = local_key_id(bag)?;
        match kind.as_str() {
            "1.2.840.113549.1.12.10.1.1" => {
                found.keys.push((Zeroizing::new(value.to_vec()), key_id));
            }
            "1.2.840.113549.1.12.10.1.2" => {
                let key = decrypt_key(value, passphrase)?;
                found.keys.push((key, key_id));
            }
            "1.2.840.113549.1.12.10.1.3" => {
                if let Some(certificate) = read_certificate(value)? {
                    found.certificates.push((certificate, key_id));
                }
            }
            "1.2.840.113549.1.12.10.1.6" if depth < 4 => {
                read_bags(value, passphrase, found, depth + 1)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_certificate(value: &[u8]) -> Result<Option<CertificateDer<'static>>, PkiError> {
    let (kind, mut content) = Der::new(value).algorithm(WHAT)?;
    if kind != "1.2.840.113549.1.9.22.1" {
        return Ok(None);
    }
    let der = Der::new(content.value(CONTEXT_0, WHAT)?).value(OCTET_STRING, WHAT)?;
    super::certificate(der).map(Some)
}

/// The bag's `localKeyId`, which joins a key and its certificate.
fn local_key_id(mut bag: Der<'_>) -> Result<KeyId, PkiError> {
    const SET: u8 = 0x31;
    let Some(attributes) = bag.optional(SET, WHAT)? else {
        return Ok(None);
    };
    let mut attributes = Der::new(attributes);
    while !attributes.is_empty() {
        let (name, mut values) = attributes.algorithm(WHAT)?;
        if name == "1.2.840.113549.1.9.21" {
            let mut values = Der::new(values.value(SET, WHAT)?);
            return values.value(OCTET_STRING, WHAT).map(|id| Some(id.to_vec()));
        }
    }
    Ok(None)
}

fn assemble(found: Found) -> Result<Bundle, PkiError> {
    let Found {
        keys,
        mut certificates,
    } = found;
    let (key, key_id) = keys
        .into_iter()
        .next()
        .ok_or(PkiError::Missing("private key in the PKCS#12 bundle"))?;
    let key: PrivateKeyDer<'static> = private_key::from_der(&key)?;
    let by_id = certificates
        .iter()
        .position(|(_, id)| id.is_some() && *id == key_id);
    let place = by_id.unwrap_or(0);
    if certificates.is_empty() {
        return Err(PkiError::Missing("certificate in the PKCS#12 bundle"));
    }
    let (leaf, _) = certificates.remove(place);
    let authorities: Vec<_> = certificates.into_iter().map(|(der, _)| der).collect();
    let mut chain = vec![leaf];
    chain::complete(&mut chain, &authorities);
    Ok(Bundle {
        identity: Identity { chain, key },
        authorities,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::fixtures::fixture_bytes;
    use super::super::name::subject_of;
    use super::*;

    fn subjects(ders: &[CertificateDer<'_>]) -> Vec<String> {
        ders.iter().map(|der| subject_of(der).unwrap()).collect()
    }

    #[test]
    fn bundles_open_with_their_passphrase_alone() {
        for (place, (bundle, word)) in [
            (&fixture_bytes!("modern.p12")[..], "s\u{e9}same"),
            (fixture_bytes!("legacy.p12"), "s\u{e9}same"),
            (fixture_bytes!("sha512.p12"), "sesame"),
        ]
        .into_iter()
        .enumerate()
        {
            let closed = Bundle::open(bundle, None);
            assert_eq!(closed.unwrap_err(), PkiError::PassphraseNeeded, "{place}");
            let opened = Bundle::open(bundle, Some(&SecretText::from(word))).unwrap();
            assert_eq!(
                subjects(&opened.identity.chain),
                ["CN=client-int", "O=Test, CN=Intermediate"],
                "{place}"
            );
            let mut authorities = subjects(&opened.authorities);
            authorities.sort();
            assert_eq!(
                authorities,
                ["O=Test, CN=Intermediate", "O=Test, CN=Test CA"],
                "{place}"
            );
            let wrong = Bundle::open(bundle, Some(&SecretText::from("x")));
            assert_eq!(wrong.unwrap_err(), PkiError::WrongPassphrase, "{place}");
        }
    }

    #[test]
    fn bundles_without_passphrase_open_by_themselves() {
        for bundle in [
            &fixture_bytes!("empty.p12")[..],
            fixture_bytes!("empty-legacy.p12"),
            fixture_bytes!("plain.p12"),
        ] {
            assert!(Bundle::open(bundle, None).is_ok());
            let opened = Bundle::open(bundle, Some(&SecretText::from("useless"))).unwrap();
            assert_eq!(opened.identity.chain.len(), 2);
        }
    }

    /// The same bundle in the loosest form of BER: no lengths, strings in pieces, down to the bags.
    fn loosen(der: &[u8], octets_above: usize) -> Vec<u8> {
        let mut rest = Der::new(der);
        let mut loose = Vec::new();
        while !rest.is_empty() {
            let before = der.len() - rest.left();
            let (tag, contents) = rest.any(WHAT).unwrap();
            let whole = &der[before..der.len() - rest.left()];
            if tag & 0x20 != 0 {
                loose.extend([tag, 0x80]);
                loose.extend(loosen(contents, octets_above));
                loose.extend([0, 0]);
            } else if tag == OCTET_STRING && octets_above < 2 {
                loose.extend([OCTET_STRING | 0x20, 0x80]);
                for piece in loosen(contents, octets_above + 1).chunks(100) {
                    loose.push(OCTET_STRING);
                    loose.extend(u8::try_from(piece.len()));
                    loose.extend_from_slice(piece);
                }
                loose.extend([0, 0]);
            } else {
                loose.extend_from_slice(whole);
            }
        }
        loose
    }

    #[test]
    fn bundles_in_loose_ber_are_read() {
        let loose = loosen(fixture_bytes!("plain.p12"), 0);
        let opened = Bundle::open(&loose, None).unwrap();
        assert_eq!(
            subjects(&opened.identity.chain),
            ["CN=client-int", "O=Test, CN=Intermediate"]
        );
    }

    #[test]
    fn an_inline_bundle_is_base64_in_lines() {
        let text = STANDARD.encode(fixture_bytes!("ec.p12"));
        let lines: Vec<_> = text.as_bytes().chunks(64).collect();
        let text = lines.join(&b"\r\n"[..]);
        let opened = Bundle::open(&text, Some(&SecretText::from("sesame"))).unwrap();
        assert_eq!(subjects(&opened.identity.chain), ["CN=client-ec"]);
        assert_eq!(opened.authorities.len(), 0);
    }

    #[test]
    fn a_bundle_that_is_cut_off_or_changed_never_panics() {
        let whole = fixture_bytes!("empty.p12");
        for length in 0..whole.len() {
            assert!(Bundle::open(&whole[..length], None).is_err());
        }
        // The passphrase check fails for nearly all, but the structure around it is read first.
        for place in 0..whole.len().min(120) {
            let mut changed = whole.to_vec();
            changed[place] ^= 0x41;
            drop(Bundle::open(&changed, None));
        }
    }
}
