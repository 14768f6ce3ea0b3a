//! What is asked of the kernel directly: the few system calls, clocks and timers, files written at once.

pub mod alarm;
pub mod calls;
pub mod clock;
pub mod clock_trust;
pub mod json;
pub mod owner;
pub mod runtime;
pub mod stream;
pub mod wall_time;
