//! A client against a model server over a bad link, in virtual time.

mod conversation;
mod handshake;
mod hostile;
mod leaving;
mod model;
mod moving;
mod renewal;
