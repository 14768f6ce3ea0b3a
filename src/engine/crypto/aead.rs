//! Sealing and opening in place, one key, one direction.

use std::fmt;

use aes_gcm::aead::consts::U12;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aes::Aes192;
use aes_gcm::{AeadInPlace, AesGcm, KeyInit};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, CHACHA20_POLY1305};
use ring::aead::{LessSafeKey, Nonce, Tag, UnboundKey};

use super::cipher::Cipher;

/// The length of an authentication tag in bytes, the same for every AEAD cipher of the data channel.
pub const TAG_LEN: usize = 16;

/// The length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;

/// A key of an AEAD cipher, ready to use. The caller sees to it that no nonce is ever used twice for sealing.
pub struct AeadKey(Kind);

impl AeadKey {
    /// Prepares the first [`Cipher::key_len`] bytes of `key`. `None` if the cipher is no AEAD or the key too short.
    #[must_use]
    pub fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        let key = key.get(..cipher.key_len())?;
        let kind = match cipher {
            Cipher::Aes128Gcm => ring_key(&AES_128_GCM, key)?,
            Cipher::Aes192Gcm => Kind::Aes192(Box::new(AesGcm::new_from_slice(key).ok()?)),
            Cipher::Aes256Gcm => ring_key(&AES_256_GCM, key)?,
            Cipher::ChaCha20Poly1305 => ring_key(&CHACHA20_POLY1305, key)?,
            Cipher::Aes128Cbc | Cipher::Aes192Cbc | Cipher::Aes256Cbc => return None,
        };
        Some(Self(kind))
    }

    /// Encrypts `text` where it lies; the answer is the tag over it and `aad`.
    #[inline]
    #[must_use]
    pub fn seal_in_place(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
    ) -> [u8; TAG_LEN] {
        match &self.0 {
            Kind::Aes192(key) => seal_aes192(key, nonce, aad, text),
            Kind::Ring(key) => seal_ring(key, nonce, aad, text),
        }
    }

    /// Decrypts `text` where it lies.
    ///
    /// # Errors
    ///
    /// [`Unauthentic`] if the tag does not match; `text` is then garbage and must be dropped.
    #[inline]
    pub fn open_in_place(
        &self,
        nonce: [u8; NONCE_LEN],
        aad: &[u8],
        text: &mut [u8],
        tag: [u8; TAG_LEN],
    ) -> Result<(), Unauthentic> {
        match &self.0 {
            Kind::Aes192(key) => {
                let tag = GenericArray::from(tag);
                key.decrypt_in_place_detached(&GenericArray::from(nonce), aad, text, &tag)
                    .map_err(|_| Unauthentic)
            }
            Kind::Ring(key) => key
                .open_in_place_separate_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(aad),
                    Tag::from(tag),
                    text,
                    0..,
                )
                .map(|_| ())
                .map_err(|_| Unauthentic),
        }
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

/// The packet was not made with our key, or was changed on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet is not authentic")]
pub struct Unauthentic;

/// *ring* has every cipher but AES-192.
#[expect(
    clippy::large_enum_variant,
    reason = "the common variant lies where the hot path needs it, not behind a pointer"
)]
enum Kind {
    Aes192(Box<AesGcm<Aes192, U12>>),
    Ring(LessSafeKey),
}

fn ring_key(algorithm: &'static Algorithm, key: &[u8]) -> Option<Kind> {
    let key = UnboundKey::new(algorithm, key).ok()?;
    Some(Kind::Ring(LessSafeKey::new(key)))
}

fn seal_ring(
    key: &LessSafeKey,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG_LEN] {
    let tag = key
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), text)
        .expect("only a text beyond 64 GiB is refused");
    let mut bytes = [0; TAG_LEN];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn seal_aes192(
    key: &AesGcm<Aes192, U12>,
    nonce: [u8; NONCE_LEN],
    aad: &[u8],
    text: &mut [u8],
) -> [u8; TAG_LEN] {
    key.encrypt_in_place_detached(&GenericArray::from(nonce), aad, text)
        .expect("only a text beyond 64 GiB is refused")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CIPHERS: [Cipher; 4] = [
        Cipher::Aes128Gcm,
        Cipher::Aes192Gcm,
        Cipher::Aes256Gcm,
        Cipher::ChaCha20Poly1305,
    ];

    #[test]
    fn what_was_sealed_opens_again() {
        for cipher in CIPHERS {
            let key = AeadKey::new(cipher, &[7; 64]).unwrap();
            let mut text = *b"a packet of some length, not a multiple of a block";
            let tag = key.seal_in_place([1; 12], b"head", &mut text);
            assert_ne!(&text[..8], b"a packet", "{cipher}");
            assert_eq!(
                key.open_in_place([1; 12], b"head", &mut text, tag),
                Ok(()),
                "{cipher}"
            );
            assert_eq!(&text, b"a packet of some length, not a multiple of a block");
        }
    }

    #[test]
    fn a_changed_head_text_tag_or_nonce_is_refused() {
        for cipher in CIPHERS {
            let key = AeadKey::new(cipher, &[7; 64]).unwrap();
            let mut text = [9; 40];
            let tag = key.seal_in_place([1; 12], b"head", &mut text);
            let mut other_tag = tag;
            other_tag[15] ^= 1;
            let mut other_text = text;
            other_text[39] ^= 0x80;
            assert_eq!(
                key.open_in_place([1; 12], b"heaD", &mut text.clone(), tag),
                Err(Unauthentic)
            );
            assert_eq!(
                key.open_in_place([2; 12], b"head", &mut text.clone(), tag),
                Err(Unauthentic)
            );
            assert_eq!(
                key.open_in_place([1; 12], b"head", &mut text.clone(), other_tag),
                Err(Unauthentic)
            );
            assert_eq!(
                key.open_in_place([1; 12], b"head", &mut other_text, tag),
                Err(Unauthentic)
            );
        }
    }

    #[test]
    fn aes_192_gcm_gives_the_known_answer_of_the_gcm_specification() {
        // Test case 8 of the GCM specification: key, nonce and text all zero.
        let key = AeadKey::new(Cipher::Aes192Gcm, &[0; 24]).unwrap();
        let mut text = [0; 16];
        let tag = key.seal_in_place([0; 12], b"", &mut text);
        assert_eq!(
            u128::from_be_bytes(text),
            0x98e7_247c_07f0_fe41_1c26_7e43_84b0_f600
        );
        assert_eq!(
            u128::from_be_bytes(tag),
            0x2ff5_8d80_0339_27ab_8ef4_d458_7514_f0fb
        );
    }

    #[test]
    fn a_short_key_or_a_cipher_without_tag_gives_no_key() {
        assert!(AeadKey::new(Cipher::Aes256Gcm, &[0; 31]).is_none());
        assert!(AeadKey::new(Cipher::Aes256Cbc, &[0; 64]).is_none());
    }
}
