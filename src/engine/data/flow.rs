//! What makes a packet one of a flow, and the next one of it.

use super::checksum;
use super::packet::{
    self, IPV4_HEADER, IpVersion, Outline, TCP, UDP, UDP_HEADER, flag, pseudo_header_sum, take,
};

/// What the device takes in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Single packets only.
    Nothing,
    /// TCP.
    Tcp,
    /// TCP and UDP.
    TcpAndUdp,
}

/// What the headers of a TCP or UDP packet say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) outline: Outline,
    /// Length of all headers in bytes.
    pub(super) headers: usize,
    /// Length of the payload in bytes.
    pub(super) payload: usize,
    /// Whether the packet may be joined with others at all.
    pub(super) joinable: bool,
    /// The sequence number (TCP), else 0.
    pub(super) sequence: u32,
    /// The packet pushes (TCP): nothing may follow.
    pub(super) push: bool,
}

impl Candidate {
    pub(super) const fn length(&self) -> usize {
        self.headers + self.payload
    }

    /// The sequence number of what follows.
    pub(super) fn next_sequence(&self) -> u32 {
        if self.outline.protocol == TCP {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "a packet has at most 64 KiB"
            )]
            self.sequence.wrapping_add(self.payload as u32)
        } else {
            0
        }
    }
}

/// Reads a packet's headers. `None`: it cannot be told which flow this is.
#[inline]
pub(super) fn candidate(join: Join, bytes: &[u8]) -> Option<Candidate> {
    let outline = packet::outline(bytes)?;
    if outline.fragment || outline.length > bytes.len() {
        return None;
    }
    match outline.protocol {
        TCP => tcp(join, bytes, outline),
        UDP => udp(join, bytes, outline),
        _ => None,
    }
}

fn tcp(join: Join, bytes: &[u8], outline: Outline) -> Option<Candidate> {
    let headers = outline.transport + packet::tcp_header_length(bytes, outline.transport)?;
    let payload = outline.length.checked_sub(headers)?;
    let flags = *bytes.get(outline.transport + 13)?;
    let joinable = join != Join::Nothing
        && payload > 0
        && flags & !flag::PSH == flag::ACK
        && plain_ip(&outline, bytes)
        && checksum_holds(&outline, bytes);
    Some(Candidate {
        outline,
        headers,
        payload,
        joinable,
        sequence: u32::from_be_bytes(take(bytes, outline.transport + 4)?),
        push: flags & flag::PSH != 0,
    })
}

fn udp(join: Join, bytes: &[u8], outline: Outline) -> Option<Candidate> {
    let headers = outline.transport + UDP_HEADER;
    let payload = outline.length.checked_sub(headers)?;
    let length: [u8; 2] = take(bytes, outline.transport + 4)?;
    let checksum: [u8; 2] = take(bytes, outline.transport + packet::UDP_CHECKSUM)?;
    let joinable = join == Join::TcpAndUdp
        && payload > 0
        && usize::from(u16::from_be_bytes(length)) == UDP_HEADER + payload
        && checksum != [0, 0]
        && plain_ip(&outline, bytes)
        && checksum_holds(&outline, bytes);
    Some(Candidate {
        outline,
        headers,
        payload,
        joinable,
        sequence: 0,
        push: false,
    })
}

/// No options, nothing behind the packet, and an IPv4 header whose own checksum is right: joining writes a new one.
fn plain_ip(outline: &Outline, bytes: &[u8]) -> bool {
    outline.length == bytes.len()
        && match outline.version {
            IpVersion::V4 => {
                outline.transport == IPV4_HEADER
                    && bytes
                        .get(..IPV4_HEADER)
                        .is_some_and(|header| checksum::fold(checksum::sum(header)) == [0xff, 0xff])
            }
            IpVersion::V6 => true,
        }
}

/// Whether the transport checksum is right. A joined packet's is made anew, which must not hide damage.
fn checksum_holds(outline: &Outline, bytes: &[u8]) -> bool {
    let (Some(segment), Ok(length)) = (
        bytes.get(outline.transport..),
        u16::try_from(bytes.len() - outline.transport),
    ) else {
        return false;
    };
    let pseudo = pseudo_header_sum(outline.version, bytes, outline.protocol, length);
    checksum::fold(pseudo + checksum::sum(segment)) == [0xff, 0xff]
}

/// Whether both packets are between the same two ports.
#[inline]
pub(super) fn same_flow(one: &Candidate, first: &[u8], other: &Candidate, second: &[u8]) -> bool {
    let addresses = match one.outline.version {
        IpVersion::V4 => 12..20,
        IpVersion::V6 => 8..40,
    };
    let ports = |candidate: &Candidate, bytes: &[u8]| take::<4>(bytes, candidate.outline.transport);
    one.outline.version == other.outline.version
        && one.outline.protocol == other.outline.protocol
        && ports(one, first) == ports(other, second)
        && first.get(addresses.clone()) == second.get(addresses)
}

/// Whether the second packet's headers are those that cutting a joined packet would give it, sequence number and
/// lengths apart; `count` packets lie between the two.
pub(super) fn continues(
    one: &Candidate,
    first: &[u8],
    other: &Candidate,
    second: &[u8],
    count: u16,
) -> bool {
    one.headers == other.headers
        && same_ip(one, first, second, count)
        && same_tcp(one, first, second)
}

fn same_ip(one: &Candidate, first: &[u8], second: &[u8], count: u16) -> bool {
    match one.outline.version {
        IpVersion::V4 => {
            // Version, traffic class; flags and offset; time to live and protocol.
            let same = first.get(..2) == second.get(..2) && first.get(6..10) == second.get(6..10);
            let id = |bytes: &[u8]| take(bytes, 4).map(u16::from_be_bytes);
            let expected = id(first).map(|id| id.wrapping_add(count));
            let dont_fragment = first.get(6).is_some_and(|byte| byte & 0x40 != 0);
            // Without fragmentation the identification means nothing (RFC 6864), and is zero or counted.
            same && (id(second) == expected || (dont_fragment && id(second) == id(first)))
        }
        // Version, traffic class, flow label; next header and hop limit.
        IpVersion::V6 => first.get(..4) == second.get(..4) && first.get(6..8) == second.get(6..8),
    }
}

fn same_tcp(one: &Candidate, first: &[u8], second: &[u8]) -> bool {
    if one.outline.protocol != TCP {
        return true;
    }
    let at = one.outline.transport;
    let same = |range: std::ops::Range<usize>| first.get(range.clone()) == second.get(range);
    // Acknowledgement and data offset; window; urgent pointer and options. The flags were looked at before.
    same(at + 8..at + 13) && same(at + 14..at + 16) && same(at + 18..one.headers)
}
