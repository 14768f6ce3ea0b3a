//! The sliding window: every packet id at most once.
