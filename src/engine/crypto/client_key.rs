//! tls-crypt-v2 client keys: our half, and the wrapped half we pass on.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use super::static_key::StaticKey;
use crate::secret::Secret;

/// A tls-crypt-v2 client key file.
#[derive(Debug)]
pub struct ClientKey {
    /// Our own copy of the key.
    pub key: StaticKey,
    /// The same key, wrapped for the server; opaque to us. 290 to 1024 bytes.
    pub wrapped: Vec<u8>,
}

impl FromStr for ClientKey {
    type Err = ClientKeyError;

    /// Reads the text of a key file. What stands before the head and after the foot is ignored.
    fn from_str(text: &str) -> Result<Self, ClientKeyError> {
        let mut lines = text.lines().map(str::trim);
        lines
            .find(|line| *line == HEAD)
            .ok_or(ClientKeyError::NoHead)?;
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        for line in lines {
            if line == FOOT {
                let bytes = STANDARD.decode(body.as_bytes());
                return split(&Zeroizing::new(
                    bytes.map_err(|_| ClientKeyError::NoBase64)?,
                ));
            }
            body.extend(line.split_whitespace());
        }
        Err(ClientKeyError::NoFoot)
    }
}

/// Why a text is no tls-crypt-v2 client key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClientKeyError {
    /// The body is not Base64.
    #[error("the body of the key is not Base64")]
    NoBase64,
    /// The last line is missing.
    #[error("the line \"{FOOT}\" is missing")]
    NoFoot,
    /// The first line is missing.
    #[error("the line \"{HEAD}\" is missing")]
    NoHead,
    /// The wrapped key has an impossible length.
    #[error("the wrapped key has {bytes} bytes, it needs 290 to 1024")]
    WrappedSize {
        /// Its bytes.
        bytes: usize,
    },
    /// The wrapped key's last two bytes do not give its length.
    #[error("the wrapped key has {bytes} bytes, but says that it has {said}")]
    WrappedLength {
        /// Its bytes.
        bytes: usize,
        /// What its last two bytes say.
        said: u16,
    },
}

fn split(bytes: &[u8]) -> Result<ClientKey, ClientKeyError> {
    let too_small = ClientKeyError::WrappedSize {
        bytes: bytes.len().saturating_sub(256),
    };
    let (key, wrapped) = bytes.split_first_chunk::<256>().ok_or(too_small)?;
    let last = wrapped.last_chunk::<2>().ok_or(too_small)?;
    if !(290..=1024).contains(&wrapped.len()) {
        return Err(too_small);
    }
    let said = u16::from_be_bytes(*last);
    if usize::from(said) != wrapped.len() {
        return Err(ClientKeyError::WrappedLength {
            bytes: wrapped.len(),
            said,
        });
    }
    Ok(ClientKey {
        key: StaticKey(Secret::new(*key)),
        wrapped: wrapped.to_vec(),
    })
}

const FOOT: &str = "-----END OpenVPN tls-crypt-v2 client key-----";
const HEAD: &str = "-----BEGIN OpenVPN tls-crypt-v2 client key-----";

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> String {
        let body = STANDARD.encode(bytes);
        let lines: Vec<_> = body
            .as_bytes()
            .chunks(64)
            .map(String::from_utf8_lossy)
            .collect();
        format!("{HEAD}\n{}\n{FOOT}\n", lines.join("\n"))
    }

    fn wrapped(len: u16) -> Vec<u8> {
        let mut bytes = vec![0x77; usize::from(len) - 2];
        bytes.extend(len.to_be_bytes());
        bytes
    }

    #[test]
    fn a_key_file_gives_both_halves() {
        let read: ClientKey = file(&[vec![5; 256], wrapped(299)].concat())
            .parse()
            .unwrap();
        assert_eq!(read.key.0.expose(), &[5; 256]);
        assert_eq!(read.wrapped, wrapped(299));
    }

    #[test]
    fn every_broken_file_gets_its_own_error() {
        let read = |text: &str| text.parse::<ClientKey>().unwrap_err();
        let key = [5; 256];
        let mut lying = wrapped(300);
        lying.pop();
        assert_eq!(read(""), ClientKeyError::NoHead);
        assert_eq!(read(HEAD), ClientKeyError::NoFoot);
        assert_eq!(
            read(&format!("{HEAD}\n?\n{FOOT}")),
            ClientKeyError::NoBase64
        );
        assert_eq!(
            read(&file(&[1; 9])),
            ClientKeyError::WrappedSize { bytes: 0 }
        );
        assert_eq!(
            read(&file(&[&key[..], &wrapped(289)].concat())),
            ClientKeyError::WrappedSize { bytes: 289 }
        );
        assert_eq!(
            read(&file(&[&key[..], &wrapped(1025)].concat())),
            ClientKeyError::WrappedSize { bytes: 1025 }
        );
        assert_eq!(
            read(&file(&[&key[..], &lying].concat())),
            ClientKeyError::WrappedLength {
                bytes: 299,
                said: 0x7701
            }
        );
    }
}
