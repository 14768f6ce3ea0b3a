//! Net.openvpn.v3.log: attach, detach.
