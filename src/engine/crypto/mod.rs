//! Keys and the few primitives OpenVPN needs, over *ring*.

pub mod aead;
pub mod cbc;
pub mod cipher;
pub mod client_key;
pub mod ctr;
pub mod derive;
pub mod epoch;
pub mod hmac;
pub mod replay;
pub mod static_key;
pub mod totp;
