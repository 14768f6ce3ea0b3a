//! Ping sent, ping heard, peer lost.
