//! The one caller of `Instant::now`.
