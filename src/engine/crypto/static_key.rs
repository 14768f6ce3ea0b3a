//! 2048-bit key files and their four directions.

use crate::engine::secret::Secret;

/// The 256 bytes of an OpenVPN static key: `cipher[0] | hmac[0] | cipher[1] | hmac[1]`, 64 bytes each.
#[derive(Debug)]
pub struct StaticKey(pub Secret<256>);

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
