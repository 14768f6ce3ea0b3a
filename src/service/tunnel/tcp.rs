//! Batches from and to a TCP stream.
