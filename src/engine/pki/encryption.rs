//! Encryption by a passphrase: PBES2, PBES1 and PKCS#12's own scheme, as keys and bundles use them.

use std::num::NonZeroU32;

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockCipher, BlockDecryptMut, InnerIvInit, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use des::{Des, TdesEde3};
use md5::{Digest, Md5};
use rc2::Rc2;
use ring::pbkdf2;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::PkiError;
use super::der::{Der, INTEGER, OCTET_STRING};
use super::pkcs12_kdf::{Purpose, derive};

/// A passphrase in the two encodings that the schemes want.
pub(super) struct Passphrase {
    /// UTF-8, for PBES1 and PBES2.
    pub(super) text: Zeroizing<Vec<u8>>,
    /// UTF-16, big endian, with a zero at the end, for PKCS#12; or nothing at all, which is not the same as empty.
    pub(super) wide: Zeroizing<Vec<u8>>,
}

impl Passphrase {
    pub(super) fn new(text: &str) -> Self {
        let mut wide = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
        for unit in text.encode_utf16().chain([0]) {
            wide.extend_from_slice(&unit.to_be_bytes());
        }
        Self {
            text: Zeroizing::new(text.as_bytes().to_vec()),
            wide,
        }
    }

    /// No passphrase, in contrast to an empty one.
    pub(super) fn absent() -> Self {
        Self {
            text: Zeroizing::default(),
            wide: Zeroizing::default(),
        }
    }
}

/// Decrypts what `algorithm` (an object identifier and its parameters) has encrypted.
pub(super) fn decrypt(
    algorithm: &str,
    mut parameters: Der<'_>,
    passphrase: &Passphrase,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    if algorithm == "1.2.840.113549.1.5.13" {
        return decrypt_pbes2(parameters.sequence(WHAT)?, passphrase, data);
    }
    let mut parameters = parameters.sequence(WHAT)?;
    let salt = parameters.value(OCTET_STRING, WHAT)?;
    let iterations = iterations(&mut parameters)?;
    let old = |hash, cipher| {
        let derived = pbkdf1(hash, &passphrase.text, salt, iterations);
        cipher_decrypt(cipher, &derived[..8], &derived[8..16], data)
    };
    let bundle = |cipher: Cbc, key_length: usize| {
        let make = |purpose, length| {
            let wide = &passphrase.wide;
            derive::<Sha1>(purpose, wide, salt, iterations, length)
        };
        let key = make(Purpose::Key, key_length);
        cipher_decrypt(cipher, &key, &make(Purpose::Iv, 8), data)
    };
    match algorithm {
        "1.2.840.113549.1.5.3" => old(OldHash::Md5, Cbc::Des),
        "1.2.840.113549.1.5.6" => old(OldHash::Md5, Cbc::Rc2(64)),
        "1.2.840.113549.1.5.10" => old(OldHash::Sha1, Cbc::Des),
        "1.2.840.113549.1.5.11" => old(OldHash::Sha1, Cbc::Rc2(64)),
        "1.2.840.113549.1.12.1.3" => bundle(Cbc::TripleDes, 24),
        "1.2.840.113549.1.12.1.4" => bundle(Cbc::TripleDes, 16),
        "1.2.840.113549.1.12.1.5" => bundle(Cbc::Rc2(128), 16),
        "1.2.840.113549.1.12.1.6" => bundle(Cbc::Rc2(40), 5),
        other => Err(PkiError::Unsupported(format!("encryption by {other}"))),
    }
}

/// Decrypts a traditional PEM body by its `DEK-Info`.
pub(super) fn decrypt_pem(
    dek_info: &str,
    passphrase: &Passphrase,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let (name, iv) = dek_info
        .split_once(',')
        .ok_or(PkiError::Malformed("DEK-Info"))?;
    let (cipher, key_length, iv_length) = match name.trim().to_ascii_uppercase().as_str() {
        "AES-128-CBC" => (Cbc::Aes128, 16, 16),
        "AES-192-CBC" => (Cbc::Aes192, 24, 16),
        "AES-256-CBC" => (Cbc::Aes256, 32, 16),
        "DES-CBC" => (Cbc::Des, 8, 8),
        "DES-EDE3-CBC" => (Cbc::TripleDes, 24, 8),
        other => {
            return Err(PkiError::Unsupported(format!(
                "a private key encrypted by {other}"
            )));
        }
    };
    let iv = super::hex_bytes(iv.trim()).filter(|iv| iv.len() == iv_length);
    let iv = iv.ok_or(PkiError::Malformed("DEK-Info"))?;
    let key = bytes_to_key(&passphrase.text, &iv[..8], key_length);
    cipher_decrypt(cipher, &key, &iv, data)
}

/// An `EncryptedPrivateKeyInfo`.
pub(super) fn decrypt_key(
    der: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    const KEY: &str = "an encrypted private key";
    let mut info = Der::new(der).sequence(KEY)?;
    let (algorithm, parameters) = info.algorithm(KEY)?;
    let encrypted = info.value(OCTET_STRING, KEY)?;
    decrypt(&algorithm, parameters, passphrase, encrypted)
}

const WHAT: &str = "the parameters of an encryption";

/// More than anybody uses; keeps a hostile file from holding us up for hours.
const MOST_ITERATIONS: u32 = 50_000_000;

/// The memory that scrypt may take, in bytes.
const MOST_MEMORY: u64 = 512 << 20;

/// A block cipher in CBC mode.
#[derive(Debug, Clone, Copy)]
enum Cbc {
    Aes128,
    Aes192,
    Aes256,
    Des,
    /// With this many bits of effective key.
    Rc2(usize),
    TripleDes,
}

#[derive(Debug, Clone, Copy)]
enum OldHash {
    Md5,
    Sha1,
}

fn decrypt_pbes2(
    mut parameters: Der<'_>,
    passphrase: &Passphrase,
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let (derivation, derivation_parameters) = parameters.algorithm(WHAT)?;
    let (cipher, mut cipher_parameters) = parameters.algorithm(WHAT)?;
    let (cipher, key_length) = match cipher.as_str() {
        "1.2.840.113549.3.7" => (Cbc::TripleDes, 24),
        "1.3.14.3.2.7" => (Cbc::Des, 8),
        "2.16.840.1.101.3.4.1.2" => (Cbc::Aes128, 16),
        "2.16.840.1.101.3.4.1.22" => (Cbc::Aes192, 24),
        "2.16.840.1.101.3.4.1.42" => (Cbc::Aes256, 32),
        other => return Err(PkiError::Unsupported(format!("encryption by {other}"))),
    };
    let iv = cipher_parameters.value(OCTET_STRING, WHAT)?;
    let mut key = Zeroizing::new(vec![0; key_length]);
    match derivation.as_str() {
        "1.2.840.113549.1.5.12" => fill_by_pbkdf2(derivation_parameters, passphrase, &mut key)?,
        "1.3.6.1.4.1.11591.4.11" => fill_by_scrypt(derivation_parameters, passphrase, &mut key)?,
        other => return Err(PkiError::Unsupported(format!("key derivation by {other}"))),
    }
    cipher_decrypt(cipher, &key, iv, data)
}

fn fill_by_pbkdf2(
    mut parameters: Der<'_>,
    passphrase: &Passphrase,
    key: &mut [u8],
) -> Result<(), PkiError> {
    let mut parameters = parameters.sequence(WHAT)?;
    let salt = parameters.value(OCTET_STRING, WHAT)?;
    let iterations = iterations(&mut parameters)?;
    parameters.optional(INTEGER, WHAT)?;
    let function = if parameters.is_empty() {
        None
    } else {
        Some(parameters.algorithm(WHAT)?.0)
    };
    let algorithm = match function.as_deref() {
        None | Some("1.2.840.113549.2.7") => pbkdf2::PBKDF2_HMAC_SHA1,
        Some("1.2.840.113549.2.9") => pbkdf2::PBKDF2_HMAC_SHA256,
        Some("1.2.840.113549.2.10") => pbkdf2::PBKDF2_HMAC_SHA384,
        Some("1.2.840.113549.2.11") => pbkdf2::PBKDF2_HMAC_SHA512,
        Some(other) => {
            return Err(PkiError::Unsupported(format!(
                "key derivation with {other}"
            )));
        }
    };
    pbkdf2::derive(algorithm, iterations, salt, &passphrase.text, key);
    Ok(())
}

fn fill_by_scrypt(
    mut parameters: Der<'_>,
    passphrase: &Passphrase,
    key: &mut [u8],
) -> Result<(), PkiError> {
    let mut parameters = parameters.sequence(WHAT)?;
    let salt = parameters.value(OCTET_STRING, WHAT)?;
    let cost = parameters.number(WHAT)?;
    let block_size = parameters.number(WHAT)?;
    let parallel = parameters.number(WHAT)?;
    let blocks = u64::from(cost) + u64::from(parallel);
    let memory = u64::from(block_size)
        .saturating_mul(128)
        .saturating_mul(blocks);
    if memory > MOST_MEMORY || parallel > 64 {
        return Err(PkiError::Unsupported("scrypt with so much memory".into()));
    }
    let log_cost = u8::try_from(cost.checked_ilog2().unwrap_or(0)).unwrap_or(0);
    if !cost.is_power_of_two() {
        return Err(PkiError::Malformed(WHAT));
    }
    let settings = scrypt::Params::new(log_cost, block_size, parallel, key.len())
        .map_err(|_| PkiError::Malformed(WHAT))?;
    scrypt::scrypt(&passphrase.text, salt, &settings, key).map_err(|_| PkiError::Malformed(WHAT))
}

/// The count of iterations, within reason.
pub(super) fn iterations(parameters: &mut Der<'_>) -> Result<NonZeroU32, PkiError> {
    let iterations = NonZeroU32::new(parameters.number(WHAT)?).ok_or(PkiError::Malformed(WHAT))?;
    if iterations.get() > MOST_ITERATIONS {
        return Err(PkiError::Unsupported(format!("{iterations} iterations")));
    }
    Ok(iterations)
}

/// RFC 8018, section 5.1; at least 16 bytes come out.
fn pbkdf1(hash: OldHash, text: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<Vec<u8>> {
    let once = |input: &[u8]| match hash {
        OldHash::Md5 => Zeroizing::new(Md5::digest(input).to_vec()),
        OldHash::Sha1 => Zeroizing::new(Sha1::digest(input).to_vec()),
    };
    let first = once(&Zeroizing::new([text, salt].concat()));
    (1..iterations.get()).fold(first, |derived, _| once(&derived))
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one iteration.
fn bytes_to_key(text: &[u8], salt: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(length + 16));
    let mut block: Zeroizing<Vec<u8>> = Zeroizing::default();
    while key.len() < length {
        let mut hash = Md5::new();
        hash.update(&*block);
        hash.update(text);
        hash.update(salt);
        block = Zeroizing::new(hash.finalize().to_vec());
        key.extend_from_slice(&block);
    }
    key.truncate(length);
    key
}

/// Padding that does not fit means a wrong passphrase: nothing else tells them apart.
fn cipher_decrypt(
    cipher: Cbc,
    key: &[u8],
    iv: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    match cipher {
        Cbc::Aes128 => run(Aes128::new_from_slice(key), iv, data),
        Cbc::Aes192 => run(Aes192::new_from_slice(key), iv, data),
        Cbc::Aes256 => run(Aes256::new_from_slice(key), iv, data),
        Cbc::Des => run(Des::new_from_slice(key), iv, data),
        Cbc::Rc2(bits) => run(Ok(Rc2::new_with_eff_key_len(key, bits)), iv, data),
        Cbc::TripleDes => {
            // Two keys: the first one comes again.
            let mut three = Zeroizing::new(key.to_vec());
            if key.len() == 16 {
                three.extend_from_slice(&key[..8]);
            }
            run(TdesEde3::new_from_slice(&three), iv, data)
        }
    }
}

fn run<C: BlockCipher + BlockDecryptMut>(
    cipher: Result<C, aes::cipher::InvalidLength>,
    iv: &[u8],
    data: &[u8],
) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let cipher = cipher.map_err(|_| PkiError::Malformed(WHAT))?;
    let decryptor =
        cbc::Decryptor::inner_iv_slice_init(cipher, iv).map_err(|_| PkiError::Malformed(WHAT))?;
    let mut plain = Zeroizing::new(data.to_vec());
    let length = decryptor
        .decrypt_padded_mut::<Pkcs7>(&mut plain)
        .map_err(|_| PkiError::WrongPassphrase)?
        .len();
    plain.truncate(length);
    Ok(plain)
}
