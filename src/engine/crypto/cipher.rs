//! The data channel's ciphers: names, key sizes, order of preference.

use std::fmt;
use std::str::FromStr;

/// A data cipher we can seal and open with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cipher {
    /// AES-128 in CBC mode with a separate HMAC.
    Aes128Cbc,
    /// AES-128 in GCM mode.
    Aes128Gcm,
    /// AES-192 in CBC mode with a separate HMAC.
    Aes192Cbc,
    /// AES-192 in GCM mode.
    Aes192Gcm,
    /// AES-256 in CBC mode with a separate HMAC.
    Aes256Cbc,
    /// AES-256 in GCM mode.
    Aes256Gcm,
    /// ChaCha20 with Poly1305.
    ChaCha20Poly1305,
}

impl Cipher {
    /// What we offer where the profile says nothing, in order of preference.
    pub const DEFAULT: [Self; 3] = [Self::Aes256Gcm, Self::Aes128Gcm, Self::ChaCha20Poly1305];

    /// The name in OpenVPN's configuration and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "AES-128-CBC",
            Self::Aes128Gcm => "AES-128-GCM",
            Self::Aes192Cbc => "AES-192-CBC",
            Self::Aes192Gcm => "AES-192-GCM",
            Self::Aes256Cbc => "AES-256-CBC",
            Self::Aes256Gcm => "AES-256-GCM",
            Self::ChaCha20Poly1305 => "CHACHA20-POLY1305",
        }
    }

    /// The key's length in bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes192Cbc | Self::Aes192Gcm => 24,
            Self::Aes256Cbc | Self::Aes256Gcm | Self::ChaCha20Poly1305 => 32,
        }
    }

    /// How much one key may protect: blocks of 16 bytes, rounded up per packet, and packets, taken together.
    #[must_use]
    pub const fn usage_limit(self) -> Option<u64> {
        match self {
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm => Some((1 << 36) - 1),
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc | Self::ChaCha20Poly1305 => None,
        }
    }

    /// Whether the cipher authenticates by itself.
    #[must_use]
    pub const fn is_aead(self) -> bool {
        match self {
            Self::Aes128Cbc | Self::Aes192Cbc | Self::Aes256Cbc => false,
            Self::Aes128Gcm | Self::Aes192Gcm | Self::Aes256Gcm | Self::ChaCha20Poly1305 => true,
        }
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not that of a cipher we have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such data cipher here")]
pub struct UnknownCipher;

impl FromStr for Cipher {
    type Err = UnknownCipher;

    /// Any case, and the aliases that peers use.
    fn from_str(name: &str) -> Result<Self, UnknownCipher> {
        match name.to_ascii_uppercase().as_str() {
            "AES-128-CBC" => Ok(Self::Aes128Cbc),
            "AES-128-GCM" | "ID-AES128-GCM" => Ok(Self::Aes128Gcm),
            "AES-192-CBC" => Ok(Self::Aes192Cbc),
            "AES-192-GCM" | "ID-AES192-GCM" => Ok(Self::Aes192Gcm),
            "AES-256-CBC" => Ok(Self::Aes256Cbc),
            "AES-256-GCM" | "ID-AES256-GCM" => Ok(Self::Aes256Gcm),
            "CHACHA20-POLY1305" => Ok(Self::ChaCha20Poly1305),
            _ => Err(UnknownCipher),
        }
    }
}
