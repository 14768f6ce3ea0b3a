//! For tests: IP packets made and checked by the book, with nothing of the code under test.

use proptest::prelude::*;

use super::packet::IpVersion;
use super::vnet::{Gso, VnetHeader};

/// A packet to be made.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub(crate) version: IpVersion,
    pub(crate) tcp: bool,
    pub(crate) port: u16,
    pub(crate) id: u16,
    pub(crate) sequence: u32,
    pub(crate) flags: u8,
    pub(crate) options: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Model {
    pub(crate) fn tcp(payload: &[u8]) -> Self {
        Self {
            version: IpVersion::V4,
            tcp: true,
            port: 5001,
            id: 7,
            sequence: 1000,
            flags: 0x10,
            options: vec![1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
            payload: payload.to_vec(),
        }
    }

    pub(crate) fn udp(payload: &[u8]) -> Self {
        Self {
            tcp: false,
            options: Vec::new(),
            ..Self::tcp(payload)
        }
    }

    pub(crate) fn transport(&self) -> usize {
        match self.version {
            IpVersion::V4 => 20,
            IpVersion::V6 => 40,
        }
    }

    pub(crate) fn headers(&self) -> usize {
        self.transport() + if self.tcp { 20 + self.options.len() } else { 8 }
    }

    /// The packet with right checksums.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut segment = self.segment();
        let at = if self.tcp { 16 } else { 6 };
        let checksum = by_the_book(&[&self.pseudo(segment.len()), &segment]);
        // With UDP, zero would say that there is none.
        let checksum = if checksum == 0 && !self.tcp {
            0xffff
        } else {
            checksum
        };
        segment[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        let mut packet = self.ip(segment.len());
        packet.extend_from_slice(&segment);
        packet
    }

    /// The packet as the kernel hands it over to be cut into segments of `size`.
    pub(crate) fn build_super(&self, size: u16) -> (VnetHeader, Vec<u8>) {
        let mut packet = self.build();
        let transport = self.transport();
        let at = if self.tcp { 16 } else { 6 };
        let partial = !by_the_book(&[&self.pseudo(packet.len() - transport)]);
        packet[transport + at..transport + at + 2].copy_from_slice(&partial.to_be_bytes());
        let header = VnetHeader {
            partial_checksum: true,
            gso: match (self.tcp, self.version) {
                (true, IpVersion::V4) => Gso::TcpV4,
                (true, IpVersion::V6) => Gso::TcpV6,
                (false, _) => Gso::Udp,
            },
            header_length: self.headers().try_into().unwrap(),
            segment_size: size,
            checksum_start: transport.try_into().unwrap(),
            checksum_offset: at.try_into().unwrap(),
        };
        (header, packet)
    }

    fn segment(&self) -> Vec<u8> {
        let mut segment = Vec::new();
        segment.extend_from_slice(&self.port.to_be_bytes());
        segment.extend_from_slice(&80_u16.to_be_bytes());
        if self.tcp {
            segment.extend_from_slice(&self.sequence.to_be_bytes());
            segment.extend_from_slice(&77_u32.to_be_bytes());
            let words = u8::try_from(5 + self.options.len() / 4).unwrap();
            segment.extend_from_slice(&[words << 4, self.flags, 0x10, 0, 0, 0, 0, 0]);
            segment.extend_from_slice(&self.options);
        } else {
            let length = u16::try_from(8 + self.payload.len()).unwrap();
            segment.extend_from_slice(&length.to_be_bytes());
            segment.extend_from_slice(&[0, 0]);
        }
        segment.extend_from_slice(&self.payload);
        segment
    }

    fn addresses(&self) -> Vec<u8> {
        match self.version {
            IpVersion::V4 => vec![10, 8, 0, 2, 192, 0, 2, 1],
            IpVersion::V6 => (1..=32).collect(),
        }
    }

    fn protocol(&self) -> u8 {
        if self.tcp { 6 } else { 17 }
    }

    fn pseudo(&self, length: usize) -> Vec<u8> {
        let mut pseudo = self.addresses();
        pseudo.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        pseudo.extend_from_slice(&u32::from(self.protocol()).to_be_bytes());
        pseudo
    }

    fn ip(&self, payload: usize) -> Vec<u8> {
        match self.version {
            IpVersion::V4 => {
                let length = u16::try_from(20 + payload).unwrap().to_be_bytes();
                let id = self.id.to_be_bytes();
                let mut header = vec![0x45, 0, length[0], length[1], id[0], id[1], 0, 0, 64];
                header.extend_from_slice(&[self.protocol(), 0, 0]);
                header.extend_from_slice(&self.addresses());
                let checksum = by_the_book(&[&header]).to_be_bytes();
                header[10..12].copy_from_slice(&checksum);
                header
            }
            IpVersion::V6 => {
                let length = u16::try_from(payload).unwrap().to_be_bytes();
                let mut header = vec![0x60, 0, 0, 9, length[0], length[1], self.protocol(), 64];
                header.extend_from_slice(&self.addresses());
                header
            }
        }
    }
}

/// Fails unless every checksum and length of a packet is right by the book.
pub(crate) fn assert_sound(packet: &[u8]) {
    let (transport, protocol, pseudo) = match packet[0] >> 4 {
        4 => {
            assert_eq!(by_the_book(&[&packet[..20]]), 0, "IPv4 header checksum");
            let length = u16::from_be_bytes([packet[2], packet[3]]);
            assert_eq!(usize::from(length), packet.len(), "IPv4 length");
            (20, packet[9], packet[12..20].to_vec())
        }
        _ => {
            let length = u16::from_be_bytes([packet[4], packet[5]]);
            assert_eq!(usize::from(length) + 40, packet.len(), "IPv6 length");
            (40, packet[6], packet[8..40].to_vec())
        }
    };
    let segment = &packet[transport..];
    let length = u32::try_from(segment.len()).unwrap().to_be_bytes();
    if protocol == 17 {
        assert_eq!(&length[2..], &segment[4..6], "UDP length");
        assert_ne!(&segment[6..8], [0, 0], "UDP checksum present");
    }
    let sum = by_the_book(&[&pseudo, &length, &[0, 0, 0, protocol], segment]);
    assert_eq!(sum, 0, "transport checksum");
}

/// Any packet that may be cut or joined.
pub(crate) fn any_model(payload: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Model> {
    (
        prop_oneof![Just(IpVersion::V4), Just(IpVersion::V6)],
        any::<bool>(),
        any::<u16>(),
        any::<u32>(),
        prop_oneof![Just(0x10_u8), Just(0x18)],
        0_usize..=3,
        payload,
    )
        .prop_map(
            |(version, tcp, id, sequence, flags, options, payload)| Model {
                version,
                tcp,
                port: 5001,
                id,
                sequence,
                flags,
                options: if tcp {
                    vec![1; options * 4]
                } else {
                    Vec::new()
                },
                payload,
            },
        )
}

/// The checksum by the book: big-endian words, one at a time, with the carry added at once.
pub(crate) fn by_the_book(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let mut total = 0_u16;
    for pair in bytes.chunks(2) {
        let value = u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
        let (next, carry) = total.overflowing_add(value);
        total = next + u16::from(carry);
    }
    !total
}
