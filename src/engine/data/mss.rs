//! Clamps TCP's segment size in place, in the first packet of each direction.

use super::checksum;
use super::fragment;
use super::key::Format;
use super::packet::{self, IpVersion, TCP, TCP_CHECKSUM, flag, put, take};
use super::setup::DataSetup;
use crate::settings::{Framing, MssFix, PacketLimit, Transport};

/// The largest segment size that fits into one tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MssLimit {
    /// For TCP over IPv4; over IPv6 it is 20 less.
    pub v4: u16,
}

impl MssLimit {
    /// The limit for packets of this kind. `None`: nothing is clamped.
    pub(super) fn new(kind: Kind<'_>) -> Option<Self> {
        let setup = kind.setup;
        let payload = match setup.mssfix {
            MssFix::Off => return None,
            MssFix::Fixed(size) => Some(usize::from(size)),
            MssFix::Default if setup.tun_mtu == 1500 => kind.largest_within(1492),
            MssFix::Default => Some(usize::from(setup.tun_mtu)),
            MssFix::Mtu(size) => kind.largest_within(usize::from(size)),
            MssFix::Payload(size) => kind.largest_of(usize::from(size)),
        };
        Self::from_total(payload?)
    }

    /// The limit for tunnelled packets of this length.
    pub(super) fn from_total(length: usize) -> Option<Self> {
        let v4 = length.checked_sub(IPV4_AND_TCP)?;
        (v4 > IPV6_MORE).then_some(Self {
            v4: u16::try_from(v4).ok()?,
        })
    }

    const fn of(self, version: IpVersion) -> u16 {
        match version {
            IpVersion::V4 => self.v4,
            IpVersion::V6 => self.v4 - 20,
        }
    }

    /// Lowers the segment size that a packet announces, if it announces a larger one.
    #[inline]
    pub fn clamp(self, packet: &mut [u8]) {
        // Nearly every packet ends here: no TCP, or no SYN.
        let (protocol, flags) = match *packet {
            [first, ..] if first >> 4 == 4 => {
                let transport = usize::from(first & 0x0f) * 4;
                (packet.get(9), packet.get(transport + 13))
            }
            _ => (packet.get(6), packet.get(53)),
        };
        if protocol == Some(&TCP) && flags.is_some_and(|flags| flags & flag::SYN != 0) {
            self.clamp_syn(packet);
        }
    }

    #[cold]
    fn clamp_syn(self, packet: &mut [u8]) -> Option<()> {
        let outline = packet::outline(packet)?;
        if outline.fragment {
            return None;
        }
        let header = outline.transport
            ..outline.transport + packet::tcp_header_length(packet, outline.transport)?;
        let header = packet.get_mut(header)?;
        let at = find_mss(header)?;
        let old: [u8; 2] = take(header, at)?;
        let limit = self.of(outline.version);
        if u16::from_be_bytes(old) <= limit {
            return None;
        }
        let new = limit.to_be_bytes();
        put(header, at, new);
        let before = take(header, TCP_CHECKSUM)?;
        let [a, b] = old;
        let [c, d] = new;
        let after = if at % 2 == 0 {
            checksum::replaced(before, [a, b], [c, d])
        } else {
            checksum::replaced(before, [b, a], [d, c])
        };
        put(header, TCP_CHECKSUM, after);
        Some(())
    }
}

/// Where in a TCP header the segment size is.
fn find_mss(header: &[u8]) -> Option<usize> {
    let mut at = packet::TCP_HEADER;
    loop {
        match *header.get(at)? {
            0 => return None,
            1 => at += 1,
            2 if header.get(at + 1) == Some(&4) => return Some(at + 2),
            _ => match usize::from(*header.get(at + 1)?) {
                0 | 1 => return None,
                length => at += length,
            },
        }
    }
}

/// The kind of packets that a key makes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind<'a> {
    pub(super) setup: &'a DataSetup,
    pub(super) format: Format,
    pub(super) peer_id: bool,
    pub(super) framing: Framing,
    /// The header of `fragment` is in front of each payload.
    pub(super) fragments: bool,
}

impl Kind<'_> {
    /// The longest payload of an IP packet that has at most `packet` bytes on its way.
    pub(super) fn largest_within(self, packet: usize) -> Option<usize> {
        self.largest_of(packet.checked_sub(outer_headers(self.setup))?)
    }

    /// The longest payload of a packet within a limit.
    pub(super) fn largest_whole(self, limit: PacketLimit) -> Option<usize> {
        match limit {
            PacketLimit::Mtu(size) => self.largest_within(usize::from(size)),
            PacketLimit::Payload(size) => self.largest_of(usize::from(size)),
        }
    }

    /// The longest payload of a packet that has at most `size` bytes without the headers of IP and transport.
    fn largest_of(self, size: usize) -> Option<usize> {
        let stream_prefix = match self.setup.transport {
            Transport::Tcp => 2,
            Transport::Udp => 0,
        };
        let head = if self.peer_id { 4 } else { 1 };
        let socks = usize::from(self.setup.socks_header);
        let room = size.checked_sub(stream_prefix + head + socks)?;
        let framing = match self.framing {
            Framing::None | Framing::V2 => 0,
            Framing::Lzo | Framing::Swap => 1,
        };
        let payload = match self.format {
            Format::Classic => room.checked_sub(20)?,
            Format::Epoch => room.checked_sub(24)?,
            Format::Legacy { digest } => {
                let blocks = room.checked_sub(digest.output_len() + BLOCK)? / BLOCK * BLOCK;
                // At least one byte of padding, and the packet id.
                blocks.checked_sub(1 + 4)?
            }
        };
        let fragment = if self.fragments { fragment::HEADER } else { 0 };
        payload.checked_sub(framing + fragment)
    }
}

/// The headers around a tunnel packet on its way.
pub(super) const fn outer_headers(setup: &DataSetup) -> usize {
    let ip = if setup.outer_ipv6 { 40 } else { 20 };
    let transport = match setup.transport {
        Transport::Tcp => 20,
        Transport::Udp => 8,
    };
    ip + transport
}

const BLOCK: usize = 16;
const IPV4_AND_TCP: usize = 40;
const IPV6_MORE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::hmac::Digest;
    use crate::data::plane::tests::setup;

    fn limit(mssfix: MssFix, format: Format, peer_id: bool, framing: Framing) -> Option<u16> {
        let setup = DataSetup { mssfix, ..setup() };
        MssLimit::new(kind(&setup, format, peer_id, framing)).map(|limit| limit.v4)
    }

    fn kind(setup: &DataSetup, format: Format, peer_id: bool, framing: Framing) -> Kind<'_> {
        Kind {
            setup,
            format,
            peer_id,
            framing,
            fragments: false,
        }
    }

    #[test]
    fn the_limit_follows_the_known_arithmetic() {
        let payload = MssFix::Payload;
        assert_eq!(
            limit(payload(1000), Format::Classic, true, Framing::None),
            Some(936)
        );
        assert_eq!(
            limit(payload(1000), Format::Classic, false, Framing::None),
            Some(939)
        );
        assert_eq!(
            limit(payload(1000), Format::Classic, true, Framing::Lzo),
            Some(935)
        );
        assert_eq!(
            limit(payload(1000), Format::Epoch, true, Framing::None),
            Some(932)
        );
        assert_eq!(
            limit(MssFix::Mtu(1492), Format::Classic, true, Framing::None),
            Some(1400)
        );
        assert_eq!(
            limit(MssFix::Default, Format::Classic, true, Framing::None),
            Some(1400)
        );
        assert_eq!(
            limit(MssFix::Fixed(1300), Format::Classic, true, Framing::None),
            Some(1260)
        );
        assert_eq!(
            limit(MssFix::Off, Format::Classic, true, Framing::None),
            None
        );
    }

    #[test]
    fn a_block_cipher_steps_by_blocks() {
        let cbc = |size| {
            let format = Format::Legacy {
                digest: Digest::Sha1,
            };
            limit(MssFix::Payload(size), format, true, Framing::None)
        };
        // 4 of head, 20 of HMAC, 16 of IV; at least one byte of padding; 4 of packet id; 40 of IP and TCP.
        assert_eq!(cbc(1000), Some(960 - 1 - 4 - 40));
        assert_eq!(cbc(1015), Some(960 - 1 - 4 - 40));
        assert_eq!(cbc(1016), Some(976 - 1 - 4 - 40));
    }

    #[test]
    fn another_mtu_makes_the_default_follow_it() {
        let setup = DataSetup {
            mssfix: MssFix::Default,
            tun_mtu: 1400,
            ..setup()
        };
        let limit = MssLimit::new(kind(&setup, Format::Classic, true, Framing::None));
        assert_eq!(limit, Some(MssLimit { v4: 1360 }));
    }

    #[test]
    fn a_stream_and_an_ipv6_path_cost_their_headers() {
        let setup = DataSetup {
            mssfix: MssFix::Mtu(1492),
            outer_ipv6: true,
            transport: Transport::Tcp,
            ..setup()
        };
        let limit = MssLimit::new(kind(&setup, Format::Classic, true, Framing::None));
        assert_eq!(
            limit,
            Some(MssLimit {
                v4: 1492 - 40 - 20 - 2 - 24 - 40
            })
        );
    }

    #[test]
    fn a_socks_proxy_costs_its_header() {
        for socks_header in [10, 22] {
            let setup = DataSetup {
                mssfix: MssFix::Default,
                socks_header,
                ..setup()
            };
            let limit = MssLimit::new(kind(&setup, Format::Classic, true, Framing::None));
            let v4 = 1492 - 28 - 24 - 40 - u16::from(socks_header);
            assert_eq!(limit, Some(MssLimit { v4 }));
        }
    }

    #[test]
    fn a_size_too_small_for_anything_clamps_nothing() {
        assert_eq!(
            limit(MssFix::Payload(80), Format::Classic, true, Framing::None),
            None
        );
    }
}
