//! Net.openvpn.v3.backends as the session's object.
