//! What is on the wire: bytes to values and back, no state.

pub mod control;
pub mod data;
pub mod frame;
pub mod head;
pub mod reader;
