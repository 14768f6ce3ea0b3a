//! Private keys: PKCS#1, SEC1, PKCS#8, encrypted or not.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::PkiError;
use super::der::{CONTEXT_0, Der, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE};
use super::encryption::{Passphrase, decrypt_key, decrypt_pem};
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
    if block.label == "DSA PRIVATE KEY" {
        let why = "a private key of DSA, which TLS no longer has";
        return Err(PkiError::Unsupported(why.to_owned()));
    }
    let body = block.decode()?;
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

/// What kind of key it is, for the message that it cannot be used: "RSA with 1024 bits".
#[must_use]
pub fn describe(key: &PrivateKeyDer<'_>) -> String {
    let described = match key {
        PrivateKeyDer::Pkcs1(key) => describe_rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => describe_sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => describe_pkcs8(key.secret_pkcs8_der()),
        _ => Err(PkiError::Malformed(WHAT)),
    };
    described.unwrap_or_else(|_| "an unknown kind".to_owned())
}

const WHAT: &str = "a private key";

fn describe_rsa(der: &[u8]) -> Result<String, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let modulus = fields.value(INTEGER, WHAT)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus
        .get(zeros)
        .map_or(8, |byte| byte.leading_zeros() as usize);
    let bits = ((modulus.len() - zeros) * 8).saturating_sub(first);
    Ok(format!("RSA with {bits} bits"))
}

fn describe_sec1(der: &[u8]) -> Result<String, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    fields.value(OCTET_STRING, WHAT)?;
    let curve = Der::new(fields.value(CONTEXT_0, WHAT)?).oid(WHAT)?;
    Ok(curve_name(&curve))
}

fn describe_pkcs8(der: &[u8]) -> Result<String, PkiError> {
    let mut fields = Der::new(der).sequence(WHAT)?;
    fields.value(INTEGER, WHAT)?;
    let (algorithm, mut parameters) = fields.algorithm(WHAT)?;
    Ok(match algorithm.as_str() {
        "1.2.840.10040.4.1" => "DSA".to_owned(),
        "1.2.840.10045.2.1" if parameters.peek() == Some(OBJECT_IDENTIFIER) => {
            curve_name(&parameters.oid(WHAT)?)
        }
        "1.2.840.113549.1.1.1" => return describe_rsa(fields.value(OCTET_STRING, WHAT)?),
        "1.2.840.113549.1.1.10" => "RSA for PSS only".to_owned(),
        "1.3.101.112" => "Ed25519".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        other => format!("kind {other}"),
    })
}

/// "ECDSA with P-521".
fn curve_name(curve: &str) -> String {
    let name = match curve {
        "1.2.840.10045.3.1.7" => "P-256",
        "1.3.132.0.10" => "secp256k1",
        "1.3.132.0.34" => "P-384",
        "1.3.132.0.35" => "P-521",
        "1.3.36.3.3.2.8.1.1.7" => "brainpoolP256r1",
        "1.3.36.3.3.2.8.1.1.11" => "brainpoolP384r1",
        "1.3.36.3.3.2.8.1.1.13" => "brainpoolP512r1",
        other => other,
    };
    format!("ECDSA with {name}")
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
        let described = |text| describe(&from_pem(text, None).unwrap());
        assert_eq!(described(fixture!("client-1024.key")), "RSA with 1024 bits");
        assert_eq!(
            described(fixture!("client.pkcs1.key")),
            "RSA with 2048 bits"
        );
        assert_eq!(described(fixture!("client-p521.key")), "ECDSA with P-521");
        assert_eq!(
            described(fixture!("client-ec.sec1.key")),
            "ECDSA with P-256"
        );
        let rc4 = from_pem(
            fixture!("client.pkcs12-rc4.key"),
            Some(&SecretText::from("sesame")),
        );
        assert!(matches!(rc4, Err(PkiError::Unsupported(_))));
    }
}
