//! Private keys: PKCS#1, SEC1, PKCS#8, encrypted or not.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::PkiError;
use super::algorithm::name_of;
use super::der::{CONTEXT_0, Der, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::encryption::{Passphrase, decrypt_key, decrypt_pem};
use super::key_kind::KeyKind;
use super::pem::{self, PemBlock};
use crate::secret::SecretText;

/// The first private key of a PEM text. The passphrase is looked at only if the key is encrypted.
///
/// # Errors
///
/// [`PkiError::PassphraseNeeded`] and [`PkiError::WrongPassphrase`] as they say; [`PkiError::Missing`] if there is no
/// key; [`PkiError::Malformed`] and [`PkiError::Unsupported`] if it cannot be read.
pub fn from_pem(
    text: &str,
    passphrase: Option<&SecretText>,
) -> Result<PrivateKeyDer<'static>, PkiError> {
    let blocks = pem::blocks(text);
    let block = blocks
        .iter()
        .find(|block| is_private_key(block))
        .ok_or(PkiError::Missing("complete private key in it"))?;
    let foreign = FOREIGN_LABELS
        .iter()
        .find(|(label, _)| *label == block.label);
    if let Some((_, why)) = foreign {
        return Err(PkiError::Unsupported((*why).to_owned()));
    }
    let body = block
        .decode()
        .map_err(|_| PkiError::Malformed("the base64 text of the private key"))?;
    if !is_encrypted(block) {
        return from_der(&body);
    }
    let passphrase = Passphrase::new(passphrase.ok_or(PkiError::PassphraseNeeded)?.expose());
    let plain = match block.header("DEK-Info") {
        Some(dek_info) => decrypt_pem(dek_info, &passphrase, &body)?,
        None => decrypt_key(&body, &passphrase)?,
    };
    // One wrong passphrase in 256 leaves a padding that fits, but no key.
    from_der(&plain).map_err(|_| PkiError::WrongPassphrase)
}

/// A private key as DER, in whichever of the three forms.
pub(super) fn from_der(der: &[u8]) -> Result<PrivateKeyDer<'static>, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let form = fields.any(WHAT)?.0;
    // What stands behind the key (some programs pad) is cut off.
    let mut whole = Der::new(der);
    whole.any(WHAT)?;
    let length = der.len() - whole.left();
    let bytes = der[..length].to_vec();
    match form {
        INTEGER => Ok(PrivatePkcs1KeyDer::from(bytes).into()),
        OCTET_STRING => Ok(PrivateSec1KeyDer::from(bytes).into()),
        SEQUENCE => Ok(PrivatePkcs8KeyDer::from(bytes).into()),
        _ => Err(PkiError::Malformed(WHAT)),
    }
}

/// What kind of key it is; `None` if not even that can be read.
#[must_use]
pub fn kind_of(key: &PrivateKeyDer<'_>) -> Option<KeyKind> {
    let kind = match key {
        PrivateKeyDer::Pkcs1(key) => kind_of_rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => kind_of_sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => kind_of_pkcs8(key.secret_pkcs8_der()),
        _ => return None,
    };
    kind.ok()
}

/// Where a key is that a profile names as other programs name keys outside of files: `pkcs11:..`, `handle:..`.
#[must_use]
pub fn kept_elsewhere(name: &str) -> Option<&'static str> {
    let (scheme, _) = name.split_once(':')?;
    let found = ELSEWHERE
        .iter()
        .find(|(known, _)| scheme.eq_ignore_ascii_case(known));
    found.map(|(_, place)| *place)
}

const WHAT: &str = "a private key";

/// Blocks that hold a private key which is none of ours.
const FOREIGN_LABELS: &[(&str, &str)] = &[
    (
        "DSA PRIVATE KEY",
        "a private key of DSA, which TLS no longer has",
    ),
    (
        "OPENSSH PRIVATE KEY",
        "a private key in the format of OpenSSH; ssh-keygen -p -m pem -f FILE rewrites it",
    ),
    (
        "TSS2 PRIVATE KEY",
        "a private key that only the TPM which made it can use (TSS2 PRIVATE KEY)",
    ),
];

/// The schemes by which keys outside of files are named.
const ELSEWHERE: &[(&str, &str)] = &[
    ("handle", "a key within a TPM"),
    ("object", "a key within a TPM"),
    ("pkcs11", "a key on a token or card (PKCS#11)"),
    ("tpm2tss", "a key within a TPM"),
    ("tpmkey", "a key within a TPM"),
];

fn kind_of_rsa(der: &[u8]) -> Result<KeyKind, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let modulus = fields.value(INTEGER, WHAT)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus
        .get(zeros)
        .map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = ((modulus.len() - zeros) * 8).saturating_sub(first);
    Ok(KeyKind::Rsa { bits })
}

fn kind_of_sec1(der: &[u8]) -> Result<KeyKind, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    fields.value(OCTET_STRING, WHAT)?;
    let curve = Der::new(fields.value(CONTEXT_0, WHAT)?).oid(WHAT)?;
    Ok(KeyKind::of_curve(&curve))
}

fn kind_of_pkcs8(der: &[u8]) -> Result<KeyKind, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let (algorithm, mut parameters) = fields.algorithm(WHAT)?;
    Ok(match algorithm.as_str() {
        "1.2.840.10045.2.1" if parameters.peek() == Some(OBJECT_IDENTIFIER) => {
            KeyKind::of_curve(&parameters.oid(WHAT)?)
        }
        "1.2.840.113549.1.1.1" => return kind_of_rsa(fields.value(OCTET_STRING, WHAT)?),
        "1.2.840.113549.1.1.10" => KeyKind::Other("RSA for PSS only".to_owned()),
        "1.3.101.112" => KeyKind::Ed25519,
        other => KeyKind::Other(name_of(other)),
    })
}

fn is_private_key(block: &PemBlock<'_>) -> bool {
    block.label == "PRIVATE KEY" || block.label.ends_with(" PRIVATE KEY")
}

fn is_encrypted(block: &PemBlock<'_>) -> bool {
    block.label == "ENCRYPTED PRIVATE KEY"
        || block
            .header("Proc-Type")
            .is_some_and(|value| value.ends_with("ENCRYPTED"))
}

#[cfg(test)]
mod tests {
    use rustls::crypto::ring::default_provider;

    use super::super::certificate::Certificate;
    use super::super::certificates;
    use super::super::fixtures::fixture;
    use super::*;

    /// Whether a key can be used, and is the one of the certificate.
    fn fits(key: PrivateKeyDer<'static>, certificate: &str) -> bool {
        let ders = certificates(certificate).unwrap();
        let key = default_provider()
            .key_provider
            .load_private_key(key)
            .unwrap();
        let public_key = key.public_key().unwrap();
        Certificate::parse(&ders[0]).unwrap().has_key(&public_key)
    }

    #[test]
    fn plain_keys_of_every_kind_are_read() {
        let client = fixture!("client.crt");
        let client_ec = fixture!("client-ec.crt");
        for (key, certificate) in [
            (fixture!("client.key"), client),
            (fixture!("client.pkcs1.key"), client),
            (fixture!("client-ec.key"), client_ec),
            (fixture!("client-ec.sec1.key"), client_ec),
            (fixture!("client-ec.params.key"), client_ec),
            (fixture!("client-p384.key"), fixture!("client-p384.crt")),
            (fixture!("client-ed.key"), fixture!("client-ed.crt")),
        ] {
            assert!(fits(from_pem(key, None).unwrap(), certificate));
            let windows = key.replace('\n', "\r\n");
            assert!(fits(from_pem(&windows, None).unwrap(), certificate));
        }
    }

    #[test]
    fn encrypted_keys_open_with_the_passphrase_and_with_no_other() {
        let client = fixture!("client.crt");
        let client_ec = fixture!("client-ec.crt");
        for (place, (key, certificate)) in [
            (fixture!("client.aes128.key"), client),
            (fixture!("client.aes192.key"), client),
            (fixture!("client.aes256.key"), client),
            (fixture!("client.des3.key"), client),
            (fixture!("client-ec.aes256.key"), client_ec),
            (fixture!("client.pbes2-sha1.key"), client),
            (fixture!("client.pbes2-sha256.key"), client),
            (fixture!("client.pbes2-sha512.key"), client),
            (fixture!("client.pbes2-des3.key"), client),
            (fixture!("client.scrypt.key"), client),
            (fixture!("client-ec.pbes2.key"), client_ec),
            (fixture!("client-ed.pbes2.key"), fixture!("client-ed.crt")),
            (fixture!("client.pbes1-md5-des.key"), client),
            (fixture!("client.pbes1-sha1-des.key"), client),
            (fixture!("client.pbes1-sha1-rc2.key"), client),
            (fixture!("client.pkcs12-3des.key"), client),
            (fixture!("client.pkcs12-2des.key"), client),
            (fixture!("client.pkcs12-rc2-40.key"), client),
            (fixture!("client.pkcs12-rc2-128.key"), client),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(
                from_pem(key, None).unwrap_err(),
                PkiError::PassphraseNeeded,
                "{place}"
            );
            let right = from_pem(key, Some(&SecretText::from("sesame")));
            assert!(fits(right.unwrap(), certificate), "{place}");
            for wrong in ["", "Sesame", "sesame\n"] {
                let wrong = from_pem(key, Some(&SecretText::from(wrong)));
                assert_eq!(wrong.unwrap_err(), PkiError::WrongPassphrase, "{place}");
            }
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let kind = |text| kind_of(&from_pem(text, None).unwrap()).unwrap().to_string();
        assert_eq!(kind(fixture!("client-1024.key")), "RSA with 1024 bits");
        assert_eq!(kind(fixture!("client.pkcs1.key")), "RSA with 2048 bits");
        assert_eq!(kind(fixture!("client-p521.key")), "ECDSA with P-521");
        assert_eq!(kind(fixture!("client-ec.sec1.key")), "ECDSA with P-256");
        let for_pss = fixture!("signatures", "client-forpss.key");
        assert_eq!(kind(for_pss), "RSA for PSS only");
        let ed448 = fixture!("signatures", "client-ed448.key");
        assert_eq!(kind(ed448), "Ed448");
        let rc4 = from_pem(
            fixture!("client.pkcs12-rc4.key"),
            Some(&SecretText::from("sesame")),
        );
        assert!(matches!(rc4, Err(PkiError::Unsupported(_))));
    }

    #[test]
    fn keys_of_other_programs_are_told_from_ours() {
        let said = |text: &str| from_pem(text, None).unwrap_err().to_string();
        let openssh = said(fixture!("signatures", "openssh.key"));
        assert!(openssh.contains("format of OpenSSH"), "{openssh}");
        let tpm = said("-----BEGIN TSS2 PRIVATE KEY-----\nMIHx\n-----END TSS2 PRIVATE KEY-----\n");
        assert!(tpm.contains("only the TPM"), "{tpm}");
        let garbled = fixture!("client.key").replace("MII", "M*I");
        assert_eq!(
            said(&garbled),
            "the base64 text of the private key cannot be read"
        );
    }

    #[test]
    fn names_of_keys_outside_of_files_are_known() {
        for name in ["pkcs11:token=card;object=vpn", "PKCS11:id=%01"] {
            assert_eq!(
                kept_elsewhere(name),
                Some("a key on a token or card (PKCS#11)")
            );
        }
        assert_eq!(
            kept_elsewhere("handle:0x81000001"),
            Some("a key within a TPM")
        );
        for file in [
            "client.key",
            "C:\\keys\\client.key",
            "./handle:1",
            "handle",
            "handles:1",
        ] {
            assert_eq!(kept_elsewhere(file), None, "{file}");
        }
    }
}
