//! The control channel, bottom to top.

pub mod app_control;
pub mod auth;
pub mod channel;
pub mod handshake;
pub mod key_method;
pub mod keyring;
pub mod message;
pub mod negotiator;
pub mod occ;
pub mod peer_info;
pub mod push;
pub mod recv_window;
pub mod send_window;
pub mod tls;
pub mod verify;
pub mod windows;
pub mod wrap;
