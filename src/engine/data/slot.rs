//! One installed key: counter, replay window, limits.
