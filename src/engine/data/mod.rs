//! The data channel: the hot path, all of it.

pub mod classic;
pub mod coalesce;
pub mod epoch;
pub mod framing;
pub mod keepalive;
pub mod key;
pub mod legacy;
pub mod mss;
pub mod packet;
pub mod plane;
pub mod segment;
pub mod slot;
pub mod stats;
