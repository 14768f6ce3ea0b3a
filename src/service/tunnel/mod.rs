//! The tunnel thread: orders down, reports up.

pub mod clock;
pub mod driver;
pub mod sys;
pub mod tcp;
pub mod transport;
pub mod tun;
pub mod udp;
