//! Packets into order; acks owed.
