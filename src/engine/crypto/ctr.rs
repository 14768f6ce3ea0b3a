//! AES-256-CTR, for tls-crypt alone.

use aes::Aes256;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};

/// Encrypts or decrypts `text` where it lies. The counter is the whole of `iv`, counted up from its last byte.
pub fn apply(key: &[u8; 32], iv: &[u8; 16], text: &mut [u8]) {
    Ctr128BE::<Aes256>::new(key.into(), iv.into()).apply_keystream(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_answer_of_nist_sp_800_38a_f_5_5() {
        let key: [u8; 32] = [
            0x60, 0x3d, 0xeb, 0x10, 0x15, 0xca, 0x71, 0xbe, 0x2b, 0x73, 0xae, 0xf0, 0x85, 0x7d,
            0x77, 0x81, 0x1f, 0x35, 0x2c, 0x07, 0x3b, 0x61, 0x08, 0xd7, 0x2d, 0x98, 0x10, 0xa3,
            0x09, 0x14, 0xdf, 0xf4,
        ];
        let iv = 0xf0f1_f2f3_f4f5_f6f7_f8f9_fafb_fcfd_feff_u128.to_be_bytes();
        let mut text = 0x6bc1_bee2_2e40_9f96_e93d_7e11_7393_172a_u128.to_be_bytes();
        apply(&key, &iv, &mut text);
        assert_eq!(
            u128::from_be_bytes(text),
            0x601e_c313_7757_89a5_b7a7_f504_bbf3_d228
        );
    }

    #[test]
    fn the_counter_runs_over_all_sixteen_bytes() {
        let mut across = [0; 32];
        apply(&[1; 32], &[0xff; 16], &mut across);
        let mut second = [0; 16];
        apply(&[1; 32], &[0; 16], &mut second);
        assert_eq!(across[16..], second);
    }
}
