//! The data channel: the hot path, all of it.

pub mod checksum;
pub mod classic;
pub mod coalesce;
pub mod epoch;
mod flow;
mod fragment;
pub mod framing;
pub mod inflate;
pub mod keepalive;
pub mod key;
pub mod legacy;
#[cfg(test)]
pub(crate) mod model;
pub mod mss;
pub mod packet;
pub mod plane;
pub mod segment;
pub mod slot;
pub mod stats;
pub mod vnet;
