//! Counters, and why packets were dropped.
