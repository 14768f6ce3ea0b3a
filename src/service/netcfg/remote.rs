//! Apply through net.openvpn.v3.netcfg.
