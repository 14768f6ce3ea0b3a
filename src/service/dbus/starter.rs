//! Net.openvpn.v3.backends as the starter's object.
