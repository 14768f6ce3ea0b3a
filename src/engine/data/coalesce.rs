//! Neighbouring packets of one flow, joined into a super-packet for the kernel.
