//! Stable message ids and field names.
