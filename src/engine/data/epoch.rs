//! Seal and open: 64-bit packet ids, tag last.
