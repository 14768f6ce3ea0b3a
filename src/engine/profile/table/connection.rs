//! Rows: remotes, transport, timers.
