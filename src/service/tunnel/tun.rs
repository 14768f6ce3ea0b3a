//! Batches from and to the TUN device.
