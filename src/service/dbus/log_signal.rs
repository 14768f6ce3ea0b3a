//! Records from the log room to Log signals, one receiver each.
