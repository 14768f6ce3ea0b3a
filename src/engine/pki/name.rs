//! Subject names as OpenVPN prints and compares them.
