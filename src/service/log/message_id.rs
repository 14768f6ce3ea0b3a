//! Stable MESSAGE_IDs and field names.
