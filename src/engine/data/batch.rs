//! `Batch`: a fixed set of buffers, filled by the kernel and drained to it.
