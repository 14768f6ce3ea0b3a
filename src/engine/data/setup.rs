//! What the data channel is told when it begins.

use rustls::crypto::SecureRandom;

use crate::settings::{CompressionPolicy, MssFix, Transport};

/// What the data channel needs to know beside its keys.
#[derive(Debug, Clone)]
pub struct DataSetup {
    /// Whether compressed packets are let in.
    pub compression: CompressionPolicy,
    /// How TCP's segment size is clamped.
    pub mssfix: MssFix,
    /// Whether packets travel over IPv6 (counts for `mssfix`).
    pub outer_ipv6: bool,
    /// For the initialisation vectors of the old ciphers.
    pub random: &'static dyn SecureRandom,
    /// After how many bytes of one key to renegotiate.
    pub reneg_bytes: Option<u64>,
    /// After how many packets of one key to renegotiate.
    pub reneg_packets: Option<u64>,
    /// How far behind the newest packet one may be, in packets.
    pub replay_window: u32,
    /// The SOCKS5 header in front of each datagram, in bytes (counts for `mssfix`).
    pub socks_header: u8,
    /// UDP or TCP (counts for `mssfix`).
    pub transport: Transport,
    /// MTU of the TUN device.
    pub tun_mtu: u16,
    /// The highest MTU that it may get: longer packets do not come out of decompression.
    pub tun_mtu_max: u16,
}
