//! What is on the wire: bytes to values and back, no state.

pub(crate) mod control;
pub(crate) mod data;
pub(crate) mod frame;
pub(crate) mod head;
pub(crate) mod reader;
