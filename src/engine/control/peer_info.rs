//! The IV_* lines that say what we can do.
