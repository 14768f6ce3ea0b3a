//! Private keys: PKCS#1, SEC1, PKCS#8, encrypted or not.

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

use super::PkiError;
use super::pem::{self, PemBlock};
use crate::engine::secret::SecretText;

/// Whether the first private key of a PEM text is encrypted.
#[must_use]
pub fn needs_passphrase(text: &str) -> bool {
    let blocks = pem::blocks(text);
    blocks
        .iter()
        .find(|block| is_private_key(block))
        .is_some_and(is_encrypted)
}

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
        .ok_or(PkiError::Missing("private key in key"))?;
    if is_encrypted(block) {
        let _passphrase = passphrase.ok_or(PkiError::PassphraseNeeded)?;
        return Err(PkiError::Unsupported("an encrypted private key".into()));
    }
    let der = block.decode()?.to_vec();
    match block.label {
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        _ => Ok(PrivatePkcs8KeyDer::from(der).into()),
    }
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
