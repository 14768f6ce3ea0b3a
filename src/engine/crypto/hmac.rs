//! The packet digests of tls-auth and of the old data ciphers, compared in constant time.

/// A digest for packet authentication (`auth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// MD5, for old servers only.
    Md5,
    /// SHA-1, OpenVPN's default.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}
