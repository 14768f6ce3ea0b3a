//! Batches from and to a UDP socket.
