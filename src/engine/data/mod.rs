//! The data channel: the hot path, all of it.

pub(crate) mod checksum;
pub(crate) mod classic;
pub(crate) mod coalesce;
pub(crate) mod diagnosis;
pub(crate) mod epoch;
mod flow;
mod fragment;
pub(crate) mod framing;
pub(crate) mod inflate;
pub(crate) mod keepalive;
pub(crate) mod key;
pub(crate) mod legacy;
#[cfg(test)]
pub(crate) mod model;
pub(crate) mod mss;
pub mod packet;
pub(crate) mod plane;
pub(crate) mod segment;
pub(crate) mod setup;
pub(crate) mod slot;
pub(crate) mod stats;
pub mod vnet;

pub use self::coalesce::{Coalescer, Joined, PACKETS_MAX};
pub use self::flow::Join;
pub use self::key::{DataKey, Format, KeyError};
pub use self::plane::DataPlane;
pub use self::segment::{BadSuperPacket, Segments};
pub use self::setup::DataSetup;
pub use self::stats::{DropReason, Stats};
pub use self::vnet::{Gso, VnetHeader};
