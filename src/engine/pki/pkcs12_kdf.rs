//! PKCS#12's own key derivation (RFC 7292, appendix B.2).

use std::num::NonZeroU32;

use md5::Digest;
use md5::digest::core_api::BlockSizeUser;
use zeroize::Zeroizing;

/// What the derived bytes are for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// Derives `length` bytes; `passphrase` is UTF-16 with a zero at the end.
pub(super) fn derive<H: Digest + BlockSizeUser>(
    purpose: Purpose,
    passphrase: &[u8],
    salt: &[u8],
    iterations: NonZeroU32,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let block = H::block_size();
    let diversifier = vec![purpose as u8; block];
    let mut input = Zeroizing::new(stretch(salt, block));
    input.extend(stretch(passphrase, block));
    let mut derived = Zeroizing::new(Vec::with_capacity(length + <H as Digest>::output_size()));
    loop {
        let mut hash = H::new();
        hash.update(&diversifier);
        hash.update(&*input);
        let mut output = hash.finalize();
        for _ in 1..iterations.get() {
            output = H::digest(&output);
        }
        derived.extend_from_slice(&output);
        if derived.len() >= length {
            derived.truncate(length);
            return derived;
        }
        let addend = Zeroizing::new(stretch_to(&output, block));
        for part in input.chunks_mut(block) {
            add_with_one(part, &addend);
        }
    }
}

/// Repeats `bytes` up to the next multiple of `block`.
fn stretch(bytes: &[u8], block: usize) -> Vec<u8> {
    stretch_to(bytes, bytes.len().div_ceil(block) * block)
}

fn stretch_to(bytes: &[u8], length: usize) -> Vec<u8> {
    bytes.iter().copied().cycle().take(length).collect()
}

/// `part = part + addend + 1`, big endian, without the carry out.
fn add_with_one(part: &mut [u8], addend: &[u8]) {
    let mut carry = 1;
    for (digit, more) in part.iter_mut().zip(addend).rev() {
        let sum = u16::from(*digit) + u16::from(*more) + carry;
        [_, *digit] = sum.to_be_bytes();
        carry = sum >> 8;
    }
}
