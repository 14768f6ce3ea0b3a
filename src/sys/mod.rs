//! ROOM sys

pub mod alarm;
pub mod calls;
pub mod clock;
pub mod runtime;
pub mod wall_time;
