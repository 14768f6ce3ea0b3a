//! RSA signatures that *ring* refuses: short keys, other hashes, other salts (RFC 8017, sections 8.1.2 and 8.2.2).
//!
//! Old PKIs have such keys, and TLS signs with PSS wherever both sides can. All values are public.

use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::num_bigint::BigUint;
use x509_parser::public_key::RSAPublicKey;

use super::hash::Hash;

/// How a PSS signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pss {
    /// The hash of the message.
    pub hash: Hash,
    /// The hash within the mask generation function MGF1.
    pub mask: Hash,
    /// The bytes of the salt.
    pub salt: usize,
}

impl Pss {
    /// As TLS has it: one hash for both, and a salt of its length.
    #[must_use]
    pub const fn of(hash: Hash) -> Self {
        Self {
            hash,
            mask: hash,
            salt: hash.length(),
        }
    }
}

/// The bits of a public key's modulus; 0 if the key cannot be read.
pub(super) fn bits(key: &[u8]) -> usize {
    let Ok((_, key)) = RSAPublicKey::from_der(key) else {
        return 0;
    };
    let zeros = key.modulus.iter().take_while(|byte| **byte == 0).count();
    let significant = &key.modulus[zeros..];
    let first = significant
        .first()
        .map_or(0, |byte| byte.leading_zeros() as usize);
    (significant.len() * 8).saturating_sub(first)
}

/// Whether `signature` over `message` holds, with PKCS#1 v1.5 padding.
pub(super) fn verify_pkcs1(hash: Hash, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some((encoded, _)) = open(key, signature) else {
        return false;
    };
    let info = [digest_info(hash), &hash.digest(&[message])].concat();
    let Some(padding) = signature.len().checked_sub(info.len() + 3) else {
        return false;
    };
    // The leading zero is the one that a number does not have.
    padding >= 8 && encoded == [&[1][..], &vec![0xff; padding], &[0], &info].concat()
}

/// Whether `signature` over `message` holds, with PSS padding.
pub(super) fn verify_pss(pss: Pss, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let Some((encoded, bits)) = open(key, signature) else {
        return false;
    };
    // One bit less than the modulus, in whole bytes, with the zeros that the number does not have.
    let length = (bits - 1).div_ceil(8);
    let Some(missing) = length.checked_sub(encoded.len()) else {
        return false;
    };
    let encoded = [vec![0; missing], encoded].concat();
    is_encoding_of(pss, message, encoded, (bits - 1) % 8)
}

/// What was signed, as the bytes of a number, and the bits of the modulus.
fn open(key: &[u8], signature: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (_, key) = RSAPublicKey::from_der(key).ok()?;
    let modulus = BigUint::from_bytes_be(key.modulus);
    let exponent = BigUint::from_bytes_be(key.exponent);
    let bits = usize::try_from(modulus.bits()).ok()?;
    let is_usual = (SHORTEST..=LONGEST).contains(&bits)
        && exponent.bit(0)
        && (2..=33).contains(&exponent.bits())
        && signature.len() == bits.div_ceil(8);
    let number = BigUint::from_bytes_be(signature);
    if !is_usual || number >= modulus {
        return None;
    }
    Some((number.modpow(&exponent, &modulus).to_bytes_be(), bits))
}

/// `top_bits`: how many bits of the first byte are in use, 0 for all.
fn is_encoding_of(pss: Pss, message: &[u8], mut encoded: Vec<u8>, top_bits: usize) -> bool {
    let hash_length = pss.hash.length();
    let shortest = hash_length.saturating_add(pss.salt).saturating_add(1);
    if encoded.pop() != Some(0xbc) || encoded.len() < shortest {
        return false;
    }
    let (masked, hash) = encoded.split_at(encoded.len() - hash_length);
    let unused = if top_bits == 0 {
        0
    } else {
        0xff_u8 << top_bits
    };
    let mut block: Vec<u8> = mask(pss.mask, hash, masked.len())
        .iter()
        .zip(masked)
        .map(|(mask, byte)| mask ^ byte)
        .collect();
    let is_clean = masked[0] & unused == 0;
    block[0] &= !unused;
    let (padding, salt) = block.split_at(block.len() - pss.salt);
    let is_padded = padding
        .split_last()
        .is_some_and(|(last, zeros)| *last == 1 && zeros.iter().all(|byte| *byte == 0));
    let again = pss
        .hash
        .digest(&[&[0; 8], &pss.hash.digest(&[message]), salt]);
    is_clean && is_padded && again == *hash
}

/// MGF1.
fn mask(hash: Hash, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + hash.length());
    let mut counter = 0_u32;
    while mask.len() < length {
        mask.extend(hash.digest(&[seed, &counter.to_be_bytes()]));
        counter += 1;
    }
    mask.truncate(length);
    mask
}

/// What stands before the hash's value (RFC 8017, section 9.2, note 1).
const fn digest_info(hash: Hash) -> &'static [u8] {
    match hash {
        Hash::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        Hash::Sha224 => {
            b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c"
        }
        Hash::Sha256 => {
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
        }
        Hash::Sha384 => {
            b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30"
        }
        Hash::Sha512 => {
            b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
        }
    }
}

/// The bits of the shortest modulus. Shorter ones have been factored.
const SHORTEST: usize = 1024;
/// The bits of the longest modulus, as OpenSSL has it: verifying takes time.
const LONGEST: usize = 16384;

#[cfg(test)]
mod tests {
    use super::super::certificate::Certificate;
    use super::super::certificates;
    use super::super::fixtures::{fixture, fixture_bytes};
    use super::*;

    /// `pss-1024.sig` by the key of `server-1024.crt` over "message".
    fn holds(pss: Pss, message: &[u8], signature: &[u8]) -> bool {
        let ders = certificates(fixture!("server-1024.crt")).unwrap();
        let certificate = Certificate::parse(&ders[0]).unwrap();
        let key = &certificate.key().subject_public_key.data;
        verify_pss(pss, key, message, signature)
    }

    #[test]
    fn a_signature_by_openssl_holds_for_its_message_alone() {
        let signature = fixture_bytes!("pss-1024.sig");
        let pss = Pss::of(Hash::Sha256);
        assert!(holds(pss, b"message", signature));
        assert!(!holds(pss, b"massage", signature));
        assert!(!holds(Pss::of(Hash::Sha384), b"message", signature));
        for salt in [0, 20, 31, 33, usize::MAX] {
            assert!(!holds(Pss { salt, ..pss }, b"message", signature));
        }
        let mask = Hash::Sha1;
        assert!(!holds(Pss { mask, ..pss }, b"message", signature));
    }

    #[test]
    fn a_changed_signature_does_not_hold_and_never_panics() {
        let signature = fixture_bytes!("pss-1024.sig");
        let pss = Pss::of(Hash::Sha256);
        for place in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[place] ^= 1;
            assert!(!holds(pss, b"message", &changed));
            assert!(!holds(pss, b"message", &signature[..place]));
        }
        assert!(!holds(pss, b"message", &[0; 128]));
        assert!(!holds(pss, b"message", &[0xff; 128]));
    }

    #[test]
    fn keys_that_nobody_has_are_refused_without_a_panic() {
        let key = |modulus: &[u8], exponent: &[u8]| {
            let number = |bytes: &[u8]| {
                let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
                [&[2, 0x82], &length[..], bytes].concat()
            };
            let body = [number(modulus), number(exponent)].concat();
            let length = u16::try_from(body.len()).unwrap().to_be_bytes();
            [&[0x30, 0x82], &length[..], &body].concat()
        };
        let long = [&[0][..], &[0xff; 2049]].concat();
        for (modulus, exponent) in [
            (&[0_u8; 129][..], &[1, 0, 1][..]),
            (&[0x7f; 64], &[1, 0, 1]),
            (&[0x7f; 128], &[1]),
            (&[0x7f; 128], &[2]),
            (&[0x7f; 128], &[0x7f; 128]),
            (&long, &[1, 0, 1]),
        ] {
            let key = key(modulus, exponent);
            let signature = vec![1; modulus.len()];
            assert!(!verify_pkcs1(Hash::Sha224, &key, b"", &signature));
            assert!(!verify_pss(Pss::of(Hash::Sha224), &key, b"", &signature));
        }
        assert_eq!(bits(&key(&[0, 0x80, 0], &[3])), 16);
        assert_eq!(bits(b"no key"), 0);
    }
}
