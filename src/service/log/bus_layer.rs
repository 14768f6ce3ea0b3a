//! Tracing events to a bounded queue of records.
