//! A super-packet from the kernel, cut into tunnel packets.
