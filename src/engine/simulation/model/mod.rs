//! A client and a model server on a bad link, in virtual time.

pub(crate) mod clock;
pub(crate) mod link;
pub(crate) mod pki;
pub(crate) mod script;
pub(crate) mod server;
pub(crate) mod world;
