//! Known packets.
