//! What is unacknowledged, and when to send it again.
