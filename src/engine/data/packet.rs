//! Where things are in an IP packet, as far as the data plane needs to know.

use super::checksum;

/// TCP's protocol number.
pub const TCP: u8 = 6;
/// UDP's protocol number.
pub const UDP: u8 = 17;
/// Length of a UDP header in bytes.
pub const UDP_HEADER: usize = 8;
/// Length of an IPv4 header without options in bytes.
pub const IPV4_HEADER: usize = 20;
/// Length of an IPv6 header without extensions in bytes.
pub const IPV6_HEADER: usize = 40;
/// Length of a TCP header without options in bytes.
pub const TCP_HEADER: usize = 20;
/// Where TCP's checksum is in its header.
pub const TCP_CHECKSUM: usize = 16;
/// Where UDP's checksum is in its header.
pub const UDP_CHECKSUM: usize = 6;

/// TCP's flags.
pub mod flag {
    /// Last data.
    pub const FIN: u8 = 0x01;
    /// First packet.
    pub const SYN: u8 = 0x02;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The congestion window was reduced.
    pub const CWR: u8 = 0x80;
}

/// The two kinds of IP packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The outline of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outline {
    /// Which IP.
    pub version: IpVersion,
    /// The protocol that follows the IP header; of IPv6 the first next header, whatever it is.
    pub protocol: u8,
    /// Where the IP header ends.
    pub transport: usize,
    /// The packet is a fragment: what follows the IP header need not be a transport header.
    pub fragment: bool,
    /// The length that the IP header names.
    pub length: usize,
}

/// Reads the IP header. `None` if it is none, or does not fit.
#[inline]
#[must_use]
pub fn outline(packet: &[u8]) -> Option<Outline> {
    match packet.first()? >> 4 {
        4 => outline_v4(packet.first_chunk()?, packet.len()),
        6 => Some(outline_v6(packet.first_chunk()?)),
        _ => None,
    }
}

#[inline]
fn outline_v4(header: &[u8; IPV4_HEADER], available: usize) -> Option<Outline> {
    let transport = usize::from(header[0] & 0x0f) * 4;
    if transport < IPV4_HEADER || transport > available {
        return None;
    }
    Some(Outline {
        version: IpVersion::V4,
        protocol: header[9],
        transport,
        fragment: u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0,
        length: usize::from(u16::from_be_bytes([header[2], header[3]])),
    })
}

#[inline]
fn outline_v6(header: &[u8; IPV6_HEADER]) -> Outline {
    Outline {
        version: IpVersion::V6,
        protocol: header[6],
        transport: IPV6_HEADER,
        fragment: false,
        length: IPV6_HEADER + usize::from(u16::from_be_bytes([header[4], header[5]])),
    }
}

/// The length of the TCP header at `transport`, options included.
#[inline]
#[must_use]
pub fn tcp_header_length(packet: &[u8], transport: usize) -> Option<usize> {
    let length = usize::from(packet.get(transport + 12)? >> 4) * 4;
    (length >= TCP_HEADER && transport + length <= packet.len()).then_some(length)
}

/// The sum over the pseudo header of a transport segment of `length` bytes.
#[inline]
#[must_use]
pub fn pseudo_header_sum(version: IpVersion, packet: &[u8], protocol: u8, length: u16) -> u64 {
    let addresses = match version {
        IpVersion::V4 => packet.get(12..20),
        IpVersion::V6 => packet.get(8..40),
    };
    addresses.map_or(0, checksum::sum)
        + checksum::word(u16::from(protocol))
        + checksum::word(length)
}

/// Writes the length and, for IPv4, the identification and the header's checksum.
#[inline]
pub fn set_ip_length(version: IpVersion, packet: &mut [u8], length: u16, id: Option<u16>) {
    match version {
        IpVersion::V4 => {
            let transport = packet
                .first()
                .map_or(0, |byte| usize::from(byte & 0x0f) * 4);
            let Some(header) = packet.get_mut(..transport) else {
                return;
            };
            put(header, 2, length.to_be_bytes());
            if let Some(id) = id {
                put(header, 4, id.to_be_bytes());
            }
            put(header, 10, [0, 0]);
            let checksum = checksum::finish(checksum::sum(header));
            put(header, 10, checksum);
        }
        IpVersion::V6 => {
            let payload = length.saturating_sub(40);
            put(packet, 4, payload.to_be_bytes());
        }
    }
}

/// Writes `value` at `at`; beyond the end nothing happens.
#[inline]
pub fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(place) = bytes.get_mut(at..at + N) {
        place.copy_from_slice(&value);
    }
}

/// The `N` bytes at `at`.
#[inline]
#[must_use]
pub fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}
