//! ROOM sys

pub mod alarm;
pub mod calls;
pub mod clock;
pub mod clock_trust;
pub mod runtime;
pub mod wall_time;
