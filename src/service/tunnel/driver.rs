//! The loop: wait, feed the connection, drain it.
