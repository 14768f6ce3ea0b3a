//! Journald if it listens, else stderr; levels; targets.

pub mod bus_layer;
pub mod message_id;
