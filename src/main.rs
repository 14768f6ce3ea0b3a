//! One binary, `openvpn3-backend`: parses the command line and calls one room.

fn main() {}
