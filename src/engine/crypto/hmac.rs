//! The packet digests of tls-auth and of the old data ciphers, compared in constant time.

use std::fmt;

use ::hmac::digest::KeyInit;
use ::hmac::{Hmac, Mac};
use md5::Md5;
use ring::hmac;
use sha2::Sha224;
use subtle::ConstantTimeEq;

/// A digest for packet authentication (`auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// MD5, for old servers only.
    Md5,
    /// SHA-1, OpenVPN's default.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Digest {
    /// The output's length in bytes, which OpenVPN also takes for the key's length.
    #[must_use]
    pub const fn output_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A key that authenticates, ready to use.
#[derive(Clone)]
pub struct HmacKey(Kind);

impl HmacKey {
    /// Prepares the whole of `key`.
    #[must_use]
    pub fn new(digest: Digest, key: &[u8]) -> Self {
        Self(match digest {
            Digest::Md5 => Kind::Md5(Box::new(prepare(key))),
            Digest::Sha1 => Kind::Ring(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)),
            Digest::Sha224 => Kind::Sha224(Box::new(prepare(key))),
            Digest::Sha256 => Kind::Ring(hmac::Key::new(hmac::HMAC_SHA256, key)),
            Digest::Sha384 => Kind::Ring(hmac::Key::new(hmac::HMAC_SHA384, key)),
            Digest::Sha512 => Kind::Ring(hmac::Key::new(hmac::HMAC_SHA512, key)),
        })
    }

    /// Prepares the first [`Digest::output_len`] bytes of a key slot, as tls-auth and the data channel do.
    #[must_use]
    pub fn from_slot(digest: Digest, slot: &[u8; 64]) -> Self {
        Self::new(digest, &slot[..digest.output_len()])
    }

    /// The code over all `parts`, one after the other.
    #[must_use]
    pub fn sign(&self, parts: &[&[u8]]) -> Code {
        match &self.0 {
            Kind::Md5(key) => sign_with((**key).clone(), parts),
            Kind::Ring(key) => {
                let mut context = hmac::Context::with_key(key);
                for part in parts {
                    context.update(part);
                }
                Code::from_slice(context.sign().as_ref())
            }
            Kind::Sha224(key) => sign_with((**key).clone(), parts),
        }
    }

    /// Whether `code` is that of all `parts`, found out in constant time.
    #[must_use]
    pub fn verify(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        self.sign(parts).as_ref().ct_eq(code).into()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// An authentication code of up to 64 bytes. Compare with [`HmacKey::verify`].
#[derive(Debug, Clone, Copy)]
pub struct Code {
    bytes: [u8; 64],
    len: usize,
}

impl Code {
    fn from_slice(code: &[u8]) -> Self {
        let mut bytes = [0; 64];
        let len = code.len().min(bytes.len());
        bytes[..len].copy_from_slice(&code[..len]);
        Self { bytes, len }
    }
}

impl AsRef<[u8]> for Code {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// *ring* has every digest but MD5 and SHA-224.
#[derive(Clone)]
enum Kind {
    Md5(Box<Hmac<Md5>>),
    Ring(hmac::Key),
    Sha224(Box<Hmac<Sha224>>),
}

fn prepare<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as Mac>::new_from_slice(key).expect("an HMAC takes keys of any length")
}

fn sign_with<M: Mac>(mut context: M, parts: &[&[u8]]) -> Code {
    for part in parts {
        context.update(part);
    }
    Code::from_slice(&context.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_gives_the_known_answer_of_rfc_2202_or_4231() {
        let text: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let answers = [
            (Digest::Md5, "750c783e6ab0b503eaa86e310a5db738"),
            (Digest::Sha1, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (
                Digest::Sha224,
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
            ),
            (
                Digest::Sha256,
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ];
        for (digest, answer) in answers {
            let code = HmacKey::new(digest, b"Jefe").sign(&text);
            let shown: String = code
                .as_ref()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(shown, answer, "{digest:?}");
        }
    }

    #[test]
    fn a_code_verifies_only_as_a_whole_and_unchanged() {
        for digest in [
            Digest::Md5,
            Digest::Sha1,
            Digest::Sha224,
            Digest::Sha256,
            Digest::Sha384,
            Digest::Sha512,
        ] {
            let key = HmacKey::from_slot(digest, &[3; 64]);
            let code = key.sign(&[b"text"]);
            let mut bytes = code.as_ref().to_vec();
            assert_eq!(bytes.len(), digest.output_len());
            assert!(key.verify(&[b"te", b"xt"], &bytes));
            assert!(!key.verify(&[b"text"], &bytes[1..]));
            bytes[0] ^= 1;
            assert!(!key.verify(&[b"text"], &bytes));
        }
    }
}
