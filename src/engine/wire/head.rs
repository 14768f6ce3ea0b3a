//! The first byte: `Opcode` and key id.
