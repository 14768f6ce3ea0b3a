//! tls-crypt-v2 client keys: our half, and the wrapped half we pass on.

use super::static_key::StaticKey;

/// A tls-crypt-v2 client key file.
#[derive(Debug)]
pub struct ClientKey {
    /// Our own copy of the key.
    pub key: StaticKey,
    /// The same key, wrapped for the server; opaque to us.
    pub wrapped: Vec<u8>,
}
