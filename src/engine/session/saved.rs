//! What outlives the process, as versioned bytes; never a usable data key.
