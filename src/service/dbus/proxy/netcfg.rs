//! Net.openvpn.v3.netcfg.
