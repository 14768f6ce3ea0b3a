//! Captured packets taken apart: headers, checksums, and the places of TCP segments.

use std::net::IpAddr;

/// A packet of TCP or UDP.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) target: IpAddr,
    pub(crate) ports: (u16, u16),
    /// The identification of IPv4.
    pub(crate) id: Option<u16>,
    /// The length of the whole packet.
    pub(crate) length: usize,
    pub(crate) checksum: Checksum,
    /// TCP's; `None`: it is UDP.
    pub(crate) segment: Option<Segment>,
    pub(crate) payload: Vec<u8>,
}

/// What only TCP has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) sequence: u32,
    pub(crate) flags: u8,
}

/// What the checksum of the transport protocol is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// Over all of it, and right.
    Full,
    /// That of the pseudo header alone: the device was to do the rest.
    Partial,
    Wrong,
}

/// FIN.
pub(crate) const FIN: u8 = 0x01;
/// PSH.
pub(crate) const PUSH: u8 = 0x08;

/// Takes a packet apart. Panics where its lengths or the checksum of its IPv4 header are wrong; `None`: neither TCP nor
/// UDP.
pub(crate) fn decode(packet: &[u8]) -> Option<Packet> {
    let version = packet[0] >> 4;
    let (target, protocol, id, start): (IpAddr, u8, _, _) = match version {
        4 => {
            let header = usize::from(packet[0] & 0x0f) * 4;
            assert_eq!(sum(&packet[..header], 0), 0xffff, "the header's checksum");
            assert_eq!(number(packet, 2), packet.len(), "the packet's length");
            assert_eq!(number(packet, 6) & 0xbfff, 0, "a fragment");
            (
                array::<4>(packet, 16).into(),
                packet[9],
                Some(u16::from_be_bytes(array(packet, 4))),
                header,
            )
        }
        6 => {
            assert_eq!(number(packet, 4) + 40, packet.len(), "the packet's length");
            (array::<16>(packet, 24).into(), packet[6], None, 40)
        }
        other => panic!("a packet of version {other}"),
    };
    let inner = &packet[start..];
    let (segment, data, field) = match protocol {
        6 => {
            let segment = Segment {
                sequence: u32::from_be_bytes(array(inner, 4)),
                flags: inner[13],
            };
            (Some(segment), usize::from(inner[12] >> 4) * 4, 16)
        }
        17 => {
            assert_eq!(number(inner, 4), inner.len(), "the datagram's length");
            (None, 8, 6)
        }
        _ => return None,
    };
    let addresses = if version == 4 { 12..20 } else { 8..40 };
    let length = u32::try_from(inner.len()).expect("packets are short");
    let pseudo = sum(&packet[addresses], length + u32::from(protocol));
    let checksum = if sum(inner, pseudo.into()) == 0xffff {
        Checksum::Full
    } else if number(inner, field) == usize::from(pseudo) {
        Checksum::Partial
    } else {
        Checksum::Wrong
    };
    Some(Packet {
        target,
        ports: (
            u16::from_be_bytes(array(inner, 0)),
            u16::from_be_bytes(array(inner, 2)),
        ),
        id,
        length: packet.len(),
        checksum,
        segment,
        payload: inner[data..].to_vec(),
    })
}

/// The packets of a capture file of bare IP packets or of Ethernet frames.
pub(crate) fn packets(capture: &[u8]) -> Vec<&[u8]> {
    let number = |at: usize| u32::from_le_bytes(array(capture, at));
    assert_eq!(number(0), 0xa1b2_c3d4, "a capture of this machine");
    let link = match number(20) {
        ETHERNET => 14,
        _ => 0,
    };
    let mut packets = Vec::new();
    let mut at = 24;
    while at < capture.len() {
        let [kept, length] = [8, 12].map(|field| number(at + field) as usize);
        assert_eq!(kept, length, "all of a packet is captured");
        packets.push(&capture[at + 16 + link..at + 16 + length]);
        at += 16 + length;
    }
    packets
}

/// The sum of 16-bit words with what was summed before, in ones' complement.
fn sum(bytes: &[u8], before: u32) -> u16 {
    let mut total = u64::from(before);
    for pair in bytes.chunks(2) {
        let word = [pair[0], pair.get(1).copied().unwrap_or(0)];
        total += u64::from(u16::from_be_bytes(word));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).expect("it is folded")
}

fn number(bytes: &[u8], at: usize) -> usize {
    u16::from_be_bytes(array(bytes, at)).into()
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes[at..at + N].try_into().expect("as long as asked for")
}

/// The kind of link whose frames have a header in front.
const ETHERNET: u32 = 1;
