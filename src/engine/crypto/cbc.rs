//! AES-CBC with an HMAC in front, for old servers: one key, one direction, in place.

use std::fmt;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, InnerIvInit, KeyInit};
use cbc::{Decryptor, Encryptor};

use super::aead::Unauthentic;
use super::cipher::Cipher;
use super::hmac::{Code, Digest, HmacKey};

/// The length of a block, and so of the initialisation vector, in bytes.
pub const BLOCK_LEN: usize = 16;

/// A cipher key and an HMAC key. The HMAC covers the initialisation vector and the encrypted text.
pub struct CbcKey {
    aes: Aes,
    hmac: HmacKey,
}

impl CbcKey {
    /// Prepares the first [`Cipher::key_len`] bytes of `key`, and as many of `hmac_slot` as `digest` is long.
    /// `None` if the cipher is not of this kind or the key too short.
    #[must_use]
    pub fn new(cipher: Cipher, key: &[u8], digest: Digest, hmac_slot: &[u8; 64]) -> Option<Self> {
        let key = key.get(..cipher.key_len())?;
        let aes = match cipher {
            Cipher::Aes128Cbc => Aes::Bits128(Box::new(Aes128::new_from_slice(key).ok()?)),
            Cipher::Aes192Cbc => Aes::Bits192(Box::new(Aes192::new_from_slice(key).ok()?)),
            Cipher::Aes256Cbc => Aes::Bits256(Box::new(Aes256::new_from_slice(key).ok()?)),
            Cipher::Aes128Gcm
            | Cipher::Aes192Gcm
            | Cipher::Aes256Gcm
            | Cipher::ChaCha20Poly1305 => return None,
        };
        let hmac = HmacKey::from_slot(digest, hmac_slot);
        Some(Self { aes, hmac })
    }

    /// How long a text of `len` bytes becomes: padded with 1 to 16 bytes.
    #[must_use]
    pub const fn padded_len(len: usize) -> usize {
        (len / BLOCK_LEN + 1) * BLOCK_LEN
    }

    /// Pads and encrypts the first `len` bytes of `text` where they lie; `text` is [`CbcKey::padded_len`] long.
    /// `None` if it is shorter. The initialisation vector is random, and another one for each packet.
    #[must_use]
    pub fn seal_in_place(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8], len: usize) -> Option<Code> {
        let padded = text.get_mut(..Self::padded_len(len))?;
        self.aes.encrypt(iv, padded, len)?;
        Some(self.hmac.sign(&[iv, padded]))
    }

    /// Checks and decrypts `text` where it lies; the answer is its length without padding.
    ///
    /// # Errors
    ///
    /// [`Unauthentic`] if the code does not match, or if the text is no whole number of blocks or wrongly padded.
    pub fn open_in_place(
        &self,
        iv: &[u8; BLOCK_LEN],
        text: &mut [u8],
        code: &[u8],
    ) -> Result<usize, Unauthentic> {
        if !self.hmac.verify(&[iv, text], code) {
            return Err(Unauthentic);
        }
        self.aes.decrypt(iv, text).ok_or(Unauthentic)
    }
}

impl fmt::Debug for CbcKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CbcKey(..)")
    }
}

/// The expanded key in its three sizes.
enum Aes {
    Bits128(Box<Aes128>),
    Bits192(Box<Aes192>),
    Bits256(Box<Aes256>),
}

impl Aes {
    fn encrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8], len: usize) -> Option<usize> {
        let iv = iv.into();
        let sealed = match self {
            Self::Bits128(key) => {
                Encryptor::inner_iv_init(&**key, iv).encrypt_padded_mut::<Pkcs7>(text, len)
            }
            Self::Bits192(key) => {
                Encryptor::inner_iv_init(&**key, iv).encrypt_padded_mut::<Pkcs7>(text, len)
            }
            Self::Bits256(key) => {
                Encryptor::inner_iv_init(&**key, iv).encrypt_padded_mut::<Pkcs7>(text, len)
            }
        };
        sealed.ok().map(<[u8]>::len)
    }

    fn decrypt(&self, iv: &[u8; BLOCK_LEN], text: &mut [u8]) -> Option<usize> {
        let iv = iv.into();
        let opened = match self {
            Self::Bits128(key) => {
                Decryptor::inner_iv_init(&**key, iv).decrypt_padded_mut::<Pkcs7>(text)
            }
            Self::Bits192(key) => {
                Decryptor::inner_iv_init(&**key, iv).decrypt_padded_mut::<Pkcs7>(text)
            }
            Self::Bits256(key) => {
                Decryptor::inner_iv_init(&**key, iv).decrypt_padded_mut::<Pkcs7>(text)
            }
        };
        opened.ok().map(<[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_again_at_every_length() {
        for cipher in [Cipher::Aes128Cbc, Cipher::Aes192Cbc, Cipher::Aes256Cbc] {
            let key = CbcKey::new(cipher, &[1; 64], Digest::Sha1, &[2; 64]).unwrap();
            for len in 0..50 {
                let mut text = vec![7; CbcKey::padded_len(len)];
                let code = key.seal_in_place(&[3; 16], &mut text, len).unwrap();
                let opened = key.open_in_place(&[3; 16], &mut text, code.as_ref());
                assert_eq!(opened, Ok(len), "{cipher}");
                assert_eq!(text[..len], vec![7; len]);
            }
        }
    }

    #[test]
    fn a_changed_text_vector_or_code_is_refused() {
        let key = CbcKey::new(Cipher::Aes256Cbc, &[1; 64], Digest::Sha256, &[2; 64]).unwrap();
        let mut text = [7; 32];
        let code = key.seal_in_place(&[3; 16], &mut text, 20).unwrap();
        let mut other = text;
        other[31] ^= 1;
        assert_eq!(
            key.open_in_place(&[3; 16], &mut other, code.as_ref()),
            Err(Unauthentic)
        );
        assert_eq!(
            key.open_in_place(&[4; 16], &mut text.clone(), code.as_ref()),
            Err(Unauthentic)
        );
        assert_eq!(
            key.open_in_place(&[3; 16], &mut text, &code.as_ref()[1..]),
            Err(Unauthentic)
        );
    }

    #[test]
    fn too_little_room_or_another_cipher_gives_nothing() {
        let key = CbcKey::new(Cipher::Aes128Cbc, &[1; 64], Digest::Sha1, &[2; 64]).unwrap();
        assert!(key.seal_in_place(&[3; 16], &mut [0; 16], 16).is_none());
        assert!(CbcKey::new(Cipher::Aes128Gcm, &[1; 64], Digest::Sha1, &[2; 64]).is_none());
    }
}
