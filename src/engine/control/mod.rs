//! The control channel, bottom to top.

pub(crate) mod app_control;
pub(crate) mod auth;
pub(crate) mod channel;
pub(crate) mod handshake;
pub(crate) mod key_method;
pub(crate) mod keyring;
pub(crate) mod message;
pub(crate) mod negotiator;
pub(crate) mod occ;
pub(crate) mod peer_info;
pub(crate) mod push;
pub(crate) mod recv_window;
pub(crate) mod send_window;
pub(crate) mod tls;
pub(crate) mod verify;
pub(crate) mod windows;
pub(crate) mod wrap;
