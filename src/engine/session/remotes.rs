//! Which remote next.
