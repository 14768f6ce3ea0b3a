//! What many unit tests need: bytes from hexadecimal text, and a moment at which virtual time begins.

use std::time::Instant;

/// The bytes that `text` writes in hexadecimal; white space is skipped.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| character.to_digit(16).expect("a hexadecimal digit"))
        .map(|digit| u8::try_from(digit).expect("a digit below 16"))
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// The same as an array.
pub(crate) fn hex_array<const N: usize>(text: &str) -> [u8; N] {
    hex(text).try_into().expect("the right number of digits")
}

/// A moment at which virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "tests count from it and never ask again"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}
