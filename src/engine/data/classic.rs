//! Seal and open: 32-bit packet ids, tag first.
