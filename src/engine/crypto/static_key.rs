//! 2048-bit key files and their four directions.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The 256 bytes of an OpenVPN static key: `cipher[0] | hmac[0] | cipher[1] | hmac[1]`, 64 bytes each.
///
/// The keys of the data channel have the same layout.
#[derive(Debug)]
pub struct StaticKey(pub Secret<256>);

impl StaticKey {
    /// What the peer that has `direction` sends with.
    #[must_use]
    pub fn sending(&self, direction: KeyDirection) -> KeyHalf<'_> {
        match direction {
            KeyDirection::Bidirectional | KeyDirection::Normal => self.half(0),
            KeyDirection::Inverse => self.half(1),
        }
    }

    /// What the peer that has `direction` receives with.
    #[must_use]
    pub fn receiving(&self, direction: KeyDirection) -> KeyHalf<'_> {
        match direction {
            KeyDirection::Bidirectional | KeyDirection::Inverse => self.half(0),
            KeyDirection::Normal => self.half(1),
        }
    }

    /// This key with every byte combined with that of `other` by exclusive or.
    #[must_use]
    pub fn xor(&self, other: &Self) -> Self {
        let mut mixed = self.0.duplicate();
        for (byte, with) in mixed.expose_mut().iter_mut().zip(other.0.expose()) {
            *byte ^= with;
        }
        Self(mixed)
    }

    fn half(&self, number: usize) -> KeyHalf<'_> {
        KeyHalf {
            cipher: self.slot(2 * number),
            hmac: self.slot(2 * number + 1),
        }
    }

    fn slot(&self, number: usize) -> &[u8; 64] {
        self.0.expose()[64 * number..]
            .first_chunk()
            .expect("four slots of 64 bytes")
    }
}

impl FromStr for StaticKey {
    type Err = KeyFileError;

    /// Reads the text of a key file. What stands before the head and after the foot is ignored.
    fn from_str(text: &str) -> Result<Self, KeyFileError> {
        let mut lines = text.lines().enumerate();
        lines
            .find(|(_, line)| line.trim() == HEAD)
            .ok_or(KeyFileError::NoHead)?;
        let mut digits = Zeroizing::new(Vec::with_capacity(512));
        for (index, line) in lines {
            if line.trim() == FOOT {
                return join(&digits);
            }
            for character in line.chars().filter(|c| !c.is_whitespace()) {
                let digit = character
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
                    .ok_or(KeyFileError::NoHexDigit { line: index + 1 })?;
                if digits.len() == 512 {
                    return Err(KeyFileError::TooLong);
                }
                digits.push(digit);
            }
        }
        Err(KeyFileError::NoFoot)
    }
}

/// Which half of a static key serves which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyDirection {
    /// The first pair for both directions.
    Bidirectional,
    /// Send with the second pair, receive with the first (`1`, the client's by convention for tls-auth).
    Inverse,
    /// Send with the first pair, receive with the second (`0`).
    Normal,
}

/// What serves one direction. A primitive uses the first bytes of a slot, as many as its key is long.
#[derive(Clone, Copy)]
pub struct KeyHalf<'a> {
    /// For encryption; in the epoch format, the first epoch's secret.
    pub cipher: &'a [u8; 64],
    /// For authentication; with AEAD ciphers, the implicit part of the nonce.
    pub hmac: &'a [u8; 64],
}

impl KeyHalf<'_> {
    /// The eight bytes that follow the packet id in the nonce of the classic AEAD format.
    #[must_use]
    pub fn implicit_iv(&self) -> [u8; 8] {
        beginning(self.hmac)
    }

    /// The secret of epoch 1.
    #[must_use]
    pub fn epoch_secret(&self) -> Secret<32> {
        Secret::new(beginning(self.cipher))
    }
}

impl fmt::Debug for KeyHalf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHalf(..)")
    }
}

/// Why a text is no static key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// The last line is missing.
    #[error("the line \"{FOOT}\" is missing")]
    NoFoot,
    /// The first line is missing.
    #[error("the line \"{HEAD}\" is missing")]
    NoHead,
    /// Something else than a hexadecimal digit is in the key.
    #[error("line {line} of the key has a character that is no hexadecimal digit")]
    NoHexDigit {
        /// Counted from 1.
        line: usize,
    },
    /// More than 256 bytes.
    #[error("the key has more than 256 bytes")]
    TooLong,
    /// Fewer than 256 bytes.
    #[error("the key has {digits} hexadecimal digits, it needs 512 (256 bytes)")]
    TooShort {
        /// How many digits were found.
        digits: usize,
    },
}

fn beginning<const N: usize>(slot: &[u8; 64]) -> [u8; N] {
    *slot.first_chunk().expect("no key is longer than a slot")
}

fn join(digits: &[u8]) -> Result<StaticKey, KeyFileError> {
    if digits.len() < 512 {
        return Err(KeyFileError::TooShort {
            digits: digits.len(),
        });
    }
    let mut key = Secret::new([0; 256]);
    for (byte, pair) in key.expose_mut().iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair[0] << 4 | pair[1];
    }
    Ok(StaticKey(key))
}

const FOOT: &str = "-----END OpenVPN Static key V1-----";
const HEAD: &str = "-----BEGIN OpenVPN Static key V1-----";

#[cfg(test)]
mod tests {
    use super::*;

    fn file(digits: &str) -> String {
        format!("# a comment\n{HEAD}\n{digits}\n{FOOT}\nand more")
    }

    #[test]
    fn a_key_file_is_read_with_comments_case_and_spaces() {
        let digits = "0aB c\r\n".repeat(128);
        let key: StaticKey = file(&digits).parse().unwrap();
        assert_eq!(key.0.expose()[..4], [0x0a, 0xbc, 0x0a, 0xbc]);
        assert_eq!(key.0.expose()[254..], [0x0a, 0xbc]);
    }

    #[test]
    fn every_broken_file_gets_its_own_error() {
        let read = |text: &str| text.parse::<StaticKey>().unwrap_err();
        assert_eq!(read(""), KeyFileError::NoHead);
        assert_eq!(read(HEAD), KeyFileError::NoFoot);
        assert_eq!(read(&file("00\n0x")), KeyFileError::NoHexDigit { line: 4 });
        assert_eq!(read(&file("00")), KeyFileError::TooShort { digits: 2 });
        assert_eq!(read(&file(&"0".repeat(513))), KeyFileError::TooLong);
    }

    #[test]
    fn each_direction_takes_its_slots() {
        let mut bytes = [0; 256];
        for (slot, part) in (0..).zip(bytes.chunks_mut(64)) {
            part.fill(slot);
        }
        let key = StaticKey(Secret::new(bytes));
        let slots = |half: KeyHalf<'_>| (half.cipher[0], half.hmac[63]);
        assert_eq!(slots(key.sending(KeyDirection::Normal)), (0, 1));
        assert_eq!(slots(key.receiving(KeyDirection::Normal)), (2, 3));
        assert_eq!(slots(key.sending(KeyDirection::Inverse)), (2, 3));
        assert_eq!(slots(key.receiving(KeyDirection::Inverse)), (0, 1));
        assert_eq!(slots(key.sending(KeyDirection::Bidirectional)), (0, 1));
        assert_eq!(slots(key.receiving(KeyDirection::Bidirectional)), (0, 1));
    }
}
