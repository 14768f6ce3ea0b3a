//! `PacketBuf`: the payload never moves, headers grow left, tags right.
