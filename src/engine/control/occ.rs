//! The options string that old servers compare.
