//! RSA-PSS with keys of 1024 to 2047 bits, which *ring* refuses (RFC 8017, sections 8.1.2 and 9.1.2).
//!
//! Old PKIs have servers with such keys, and TLS signs with PSS wherever both sides can. All values are public.

use sha2::Digest;
use x509_parser::num_bigint::BigUint;
use x509_parser::public_key::RSAPublicKey;

/// Whether `signature` over `message` holds; the salt is as long as the hash.
pub(super) fn verify_pss<H: Digest>(
    key: &RSAPublicKey<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let modulus = BigUint::from_bytes_be(key.modulus);
    let exponent = BigUint::from_bytes_be(key.exponent);
    let bits = modulus.bits();
    let is_usual = (1024..2048).contains(&bits)
        && exponent.bit(0)
        && (2..=33).contains(&exponent.bits())
        && signature.len() as u64 == bits.div_ceil(8);
    let number = BigUint::from_bytes_be(signature);
    if !is_usual || number >= modulus {
        return false;
    }
    let encoded = number.modpow(&exponent, &modulus).to_bytes_be();
    // One bit less than the modulus, in whole bytes, with the zeros that the number does not have.
    let Ok(length) = usize::try_from((bits - 1).div_ceil(8)) else {
        return false;
    };
    let Some(missing) = length.checked_sub(encoded.len()) else {
        return false;
    };
    let encoded = [vec![0; missing], encoded].concat();
    is_encoding_of::<H>(message, encoded, (bits - 1) % 8)
}

/// `top_bits`: how many bits of the first byte are in use, 0 for all.
fn is_encoding_of<H: Digest>(message: &[u8], mut encoded: Vec<u8>, top_bits: u64) -> bool {
    let hash_length = <H as Digest>::output_size();
    if encoded.pop() != Some(0xbc) || encoded.len() < 2 * hash_length + 1 {
        return false;
    }
    let (masked, hash) = encoded.split_at(encoded.len() - hash_length);
    let unused = if top_bits == 0 {
        0
    } else {
        0xff_u8 << top_bits
    };
    let mut block: Vec<u8> = mask::<H>(hash, masked.len())
        .iter()
        .zip(masked)
        .map(|(mask, byte)| mask ^ byte)
        .collect();
    let is_clean = masked[0] & unused == 0;
    block[0] &= !unused;
    let (padding, salt) = block.split_at(block.len() - hash_length);
    let is_padded = padding
        .split_last()
        .is_some_and(|(last, zeros)| *last == 1 && zeros.iter().all(|byte| *byte == 0));
    let again = H::new()
        .chain_update([0; 8])
        .chain_update(H::digest(message))
        .chain_update(salt);
    is_clean && is_padded && again.finalize()[..] == *hash
}

/// MGF1.
fn mask<H: Digest>(seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length + <H as Digest>::output_size());
    let mut counter = 0_u32;
    while mask.len() < length {
        let block = H::new()
            .chain_update(seed)
            .chain_update(counter.to_be_bytes());
        mask.extend_from_slice(&block.finalize());
        counter += 1;
    }
    mask.truncate(length);
    mask
}

#[cfg(test)]
mod tests {
    use sha2::{Sha256, Sha384};
    use x509_parser::public_key::PublicKey;

    use super::super::certificate::Certificate;
    use super::super::certificates;
    use super::super::fixtures::{fixture, fixture_bytes};
    use super::*;

    fn holds<H: Digest>(message: &[u8], signature: &[u8]) -> bool {
        let ders = certificates(fixture!("server-1024.crt")).unwrap();
        let certificate = Certificate::parse(&ders[0]).unwrap();
        let Ok(PublicKey::RSA(key)) = certificate.key().parsed() else {
            panic!("the fixture has an RSA key");
        };
        verify_pss::<H>(&key, message, signature)
    }

    #[test]
    fn a_signature_by_openssl_holds_for_its_message_alone() {
        let signature = fixture_bytes!("pss-1024.sig");
        assert!(holds::<Sha256>(b"message", signature));
        assert!(!holds::<Sha256>(b"massage", signature));
        assert!(!holds::<Sha384>(b"message", signature));
    }

    #[test]
    fn a_changed_signature_does_not_hold_and_never_panics() {
        let signature = fixture_bytes!("pss-1024.sig");
        for place in 0..signature.len() {
            let mut changed = signature.to_vec();
            changed[place] ^= 1;
            assert!(!holds::<Sha256>(b"message", &changed));
            assert!(!holds::<Sha256>(b"message", &signature[..place]));
        }
        assert!(!holds::<Sha256>(b"message", &[0; 128]));
        assert!(!holds::<Sha256>(b"message", &[0xff; 128]));
    }
}
