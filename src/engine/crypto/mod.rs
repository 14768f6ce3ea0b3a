//! Keys and the few primitives OpenVPN needs, over *ring*.

pub(crate) mod aead;
pub(crate) mod cbc;
pub(crate) mod cipher;
pub(crate) mod client_key;
pub(crate) mod ctr;
pub(crate) mod derive;
pub(crate) mod epoch;
pub(crate) mod hmac;
pub(crate) mod replay;
pub(crate) mod static_key;
pub(crate) mod totp;

pub use self::cipher::Cipher;
pub use self::hmac::Digest;
pub use self::static_key::{KeyDirection, StaticKey};
pub use self::totp::{BadSeed, Seed};
