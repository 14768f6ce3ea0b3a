//! The virtio-net header in front of each packet of a TUN device with offload.

/// The header, in the machine's byte order on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VnetHeader {
    /// The transport checksum is the sum over the pseudo header only; the rest is to be added by the reader.
    pub partial_checksum: bool,
    /// How the packet is to be cut.
    pub gso: Gso,
    /// Length of all headers, in bytes.
    pub header_length: u16,
    /// Payload of each segment but the last, in bytes.
    pub segment_size: u16,
    /// Where the summing begins.
    pub checksum_start: u16,
    /// Where the checksum is, counted from `checksum_start`.
    pub checksum_offset: u16,
}

/// How a packet is to be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gso {
    /// Not at all.
    #[default]
    None,
    /// TCP over IPv4.
    TcpV4,
    /// TCP over IPv6.
    TcpV6,
    /// UDP.
    Udp,
}

impl VnetHeader {
    /// Its length in bytes.
    pub const LEN: usize = 10;

    /// Reads a header. `None` if the packet is to be cut in a way that was not asked for.
    #[inline]
    #[must_use]
    pub const fn decode(bytes: [u8; Self::LEN]) -> Option<Self> {
        let gso = match bytes[1] & !GSO_ECN {
            0 => Gso::None,
            1 => Gso::TcpV4,
            4 => Gso::TcpV6,
            5 => Gso::Udp,
            _ => return None,
        };
        Some(Self {
            partial_checksum: bytes[0] & NEEDS_CHECKSUM != 0,
            gso,
            header_length: u16::from_ne_bytes([bytes[2], bytes[3]]),
            segment_size: u16::from_ne_bytes([bytes[4], bytes[5]]),
            checksum_start: u16::from_ne_bytes([bytes[6], bytes[7]]),
            checksum_offset: u16::from_ne_bytes([bytes[8], bytes[9]]),
        })
    }

    /// Writes the header.
    #[inline]
    #[must_use]
    pub const fn encode(&self) -> [u8; Self::LEN] {
        let flags = if self.partial_checksum {
            NEEDS_CHECKSUM
        } else {
            0
        };
        let gso = match self.gso {
            Gso::None => 0,
            Gso::TcpV4 => 1,
            Gso::TcpV6 => 4,
            Gso::Udp => 5,
        };
        let header_length = self.header_length.to_ne_bytes();
        let segment_size = self.segment_size.to_ne_bytes();
        let start = self.checksum_start.to_ne_bytes();
        let offset = self.checksum_offset.to_ne_bytes();
        [
            flags,
            gso,
            header_length[0],
            header_length[1],
            segment_size[0],
            segment_size[1],
            start[0],
            start[1],
            offset[0],
            offset[1],
        ]
    }
}

const NEEDS_CHECKSUM: u8 = 1;
const GSO_ECN: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_round_trip() {
        for gso in [Gso::None, Gso::TcpV4, Gso::TcpV6, Gso::Udp] {
            let header = VnetHeader {
                partial_checksum: true,
                gso,
                header_length: 52,
                segment_size: 1348,
                checksum_start: 20,
                checksum_offset: 16,
            };
            assert_eq!(VnetHeader::decode(header.encode()), Some(header));
        }
        let mut unknown = [0; VnetHeader::LEN];
        unknown[1] = 3;
        assert_eq!(VnetHeader::decode(unknown), None, "UFO was not asked for");
    }
}
