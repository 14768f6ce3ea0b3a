//! Control packets: session ids, ack list, packet id, payload.
