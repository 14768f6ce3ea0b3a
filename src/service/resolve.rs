//! Host names to addresses.
