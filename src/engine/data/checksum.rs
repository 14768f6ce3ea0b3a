//! The internet checksum: sums in the machine's byte order, folded at the end (RFC 1071).

/// The sum of `bytes` as 16-bit words, an odd last byte padded with zero. Sums may be added to each other as long as
/// each but the last covers an even number of bytes.
#[inline]
#[must_use]
pub fn sum(bytes: &[u8]) -> u64 {
    let mut key_states = [0_u64; LANES];
    let mut blocks = bytes.chunks_exact(4 * LANES);
    for block in &mut blocks {
        for (key_state, word) in key_states.iter_mut().zip(block.chunks_exact(4)) {
            if let [a, b, c, d] = *word {
                *key_state += u64::from(u32::from_ne_bytes([a, b, c, d]));
            }
        }
    }
    let mut total: u64 = key_states.iter().sum();
    let mut pairs = blocks.remainder().chunks_exact(2);
    for pair in &mut pairs {
        if let [a, b] = *pair {
            total += u64::from(u16::from_ne_bytes([a, b]));
        }
    }
    if let [last] = *pairs.remainder() {
        total += u64::from(u16::from_ne_bytes([last, 0]));
    }
    total
}

/// The part of a sum that one big-endian 16-bit number makes.
#[inline]
#[must_use]
pub const fn word(value: u16) -> u64 {
    u16::from_ne_bytes(value.to_be_bytes()) as u64
}

/// Folds a sum to 16 bits; the bytes are as they go into a packet. Not complemented.
#[inline]
#[must_use]
pub const fn fold(mut total: u64) -> [u8; 2] {
    total = (total & 0xffff_ffff) + (total >> 32);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    let [a, b, ..] = total.to_le_bytes();
    u16::from_le_bytes([a, b]).to_ne_bytes()
}

/// Folds a sum to the checksum that goes into a packet.
#[inline]
#[must_use]
pub const fn finish(total: u64) -> [u8; 2] {
    let [a, b] = fold(total);
    [!a, !b]
}

/// As [`finish`], with zero written as 0xffff: zero means "no checksum" in UDP.
#[inline]
#[must_use]
pub const fn finish_udp(total: u64) -> [u8; 2] {
    match finish(total) {
        [0, 0] => [0xff, 0xff],
        checksum => checksum,
    }
}

/// The checksum after the 16-bit word `old` became `new` (RFC 1624, equation 3). A word that begins at an odd offset
/// is given with its bytes swapped.
#[inline]
#[must_use]
pub fn replaced(checksum: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    let value = |bytes| u64::from(u16::from_ne_bytes(bytes));
    finish(value(checksum.map(|byte| !byte)) + value(old.map(|byte| !byte)) + value(new))
}

/// How many words are summed side by side; the compiler makes vector instructions of it.
const LANES: usize = 8;

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::super::model::by_the_book;
    use super::*;

    proptest! {
        #[test]
        fn the_fast_sum_agrees_with_the_book(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(u16::from_be_bytes(finish(sum(&bytes))), by_the_book(&[&bytes]));
        }

        #[test]
        fn sums_of_even_parts_add_up(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0_usize..100,
        ) {
            let (head, tail) = bytes.split_at((cut * 2).min(bytes.len() / 2 * 2));
            prop_assert_eq!(fold(sum(head) + sum(tail)), fold(sum(&bytes)));
        }

        #[test]
        fn a_replaced_word_gives_the_same_as_summing_anew(
            mut bytes in proptest::collection::vec(any::<u8>(), 2..60),
            at in 0_usize..58,
            new in any::<[u8; 2]>(),
        ) {
            let at = at.min(bytes.len() - 2) / 2 * 2;
            let before = finish(sum(&bytes));
            let old = [bytes[at], bytes[at + 1]];
            bytes[at..at + 2].copy_from_slice(&new);
            let expected = finish(sum(&bytes));
            let got = replaced(before, old, new);
            // Zero has two forms in this arithmetic.
            prop_assert!(got == expected || (got == [0, 0] && expected == [0xff, 0xff]) || (got == [0xff, 0xff] && expected == [0, 0]));
        }
    }
}
