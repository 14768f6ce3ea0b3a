//! Cuts a super-packet from the TUN device into the packets that go through the tunnel.

use std::ops::Range;

use super::checksum;
use super::packet::{
    self, IPV4_HEADER, IPV6_HEADER, IpVersion, TCP, UDP, UDP_HEADER, flag, pseudo_header_sum, put,
    take,
};
use super::vnet::{Gso, VnetHeader};

/// A packet from the device on its way to be cut. Ask [`Segments::next_length`], give [`Segments::write_next`] that
/// much room, until there is no next.
#[derive(Debug)]
pub struct Segments<'a> {
    packet: &'a [u8],
    plan: Plan,
    /// Payload bytes (or, uncut, packet bytes) written so far.
    done: usize,
    count: u16,
}

#[derive(Debug, Clone, Copy)]
enum Plan {
    Cut(Cut),
    Whole { checksum_at: Option<(usize, usize)> },
}

#[derive(Debug, Clone, Copy)]
struct Cut {
    version: IpVersion,
    protocol: u8,
    transport: usize,
    headers: usize,
    segment_size: usize,
    /// The identification of the first segment (IPv4).
    id: u16,
    /// The sequence number of the first segment (TCP).
    sequence: u32,
    /// The byte with the data offset, and the flags of the whole (TCP).
    offset_flags: [u8; 2],
    /// The sum over what is the same in the IP header of all segments (IPv4).
    ip_sum: u64,
    /// The same of the transport header, and of the pseudo header.
    transport_sum: u64,
}

/// The device handed over something that contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the device's packet contradicts its header")]
pub struct BadSuperPacket;

impl<'a> Segments<'a> {
    /// Looks at a packet and the header that the device put in front of it.
    ///
    /// # Errors
    ///
    /// [`BadSuperPacket`] if the two do not fit together.
    pub fn new(header: &VnetHeader, packet: &'a [u8]) -> Result<Self, BadSuperPacket> {
        let plan = match header.gso {
            Gso::None => Plan::Whole {
                checksum_at: checksum_place(header, packet.len())?,
            },
            Gso::TcpV4 | Gso::TcpV6 | Gso::Udp => {
                Plan::Cut(plan_cut(header, packet).ok_or(BadSuperPacket)?)
            }
        };
        Ok(Self {
            packet,
            plan,
            done: 0,
            count: 0,
        })
    }

    /// A packet as it is, from a device without offload.
    #[must_use]
    pub const fn whole(packet: &'a [u8]) -> Self {
        Self {
            packet,
            plan: Plan::Whole { checksum_at: None },
            done: 0,
            count: 0,
        }
    }

    /// The length of the next packet; `None` after the last.
    #[inline]
    #[must_use]
    pub fn next_length(&self) -> Option<usize> {
        match &self.plan {
            Plan::Cut(cut) => {
                let left = self.packet.len() - cut.headers - self.done;
                (left > 0).then(|| cut.headers + left.min(cut.segment_size))
            }
            Plan::Whole { .. } => (self.done == 0).then_some(self.packet.len()),
        }
    }

    /// Writes the next packet to `out`, whose length is the one that [`Segments::next_length`] told. `None` after the
    /// last, or if `out` has another length.
    #[inline]
    pub fn write_next(&mut self, out: &mut [u8]) -> Option<()> {
        if self.next_length()? != out.len() {
            return None;
        }
        match self.plan {
            Plan::Cut(cut) => self.write_segment(&cut, out),
            Plan::Whole { checksum_at } => {
                out.copy_from_slice(self.packet);
                self.done = out.len().max(1);
                if let Some((start, at)) = checksum_at {
                    complete_checksum(out, start, at);
                }
                Some(())
            }
        }
    }

    fn write_segment(&mut self, cut: &Cut, out: &mut [u8]) -> Option<()> {
        let length = u16::try_from(out.len()).ok()?;
        let segment_length = u16::try_from(out.len() - cut.transport).ok()?;
        let (headers, payload) = out.split_at_mut_checked(cut.headers)?;
        let from = cut.headers + self.done;
        let text = self.packet.get(from..from + payload.len())?;
        let last = from + payload.len() == self.packet.len();
        headers.copy_from_slice(self.packet.get(..cut.headers)?);
        cut.set_ip(headers, length, cut.id.wrapping_add(self.count));
        let transport = headers.get_mut(cut.transport..)?;
        let changing = if cut.protocol == TCP {
            self.set_tcp(cut, transport, last)
        } else {
            put(transport, 4, segment_length.to_be_bytes());
            checksum::word(segment_length)
        };
        let total =
            cut.transport_sum + changing + checksum::word(segment_length) + checksum::sum(text);
        if cut.protocol == TCP {
            put(transport, packet::TCP_CHECKSUM, checksum::finish(total));
        } else {
            put(transport, packet::UDP_CHECKSUM, checksum::finish_udp(total));
        }
        payload.copy_from_slice(text);
        self.done += payload.len();
        self.count = self.count.wrapping_add(1);
        Some(())
    }

    /// Writes what differs from segment to segment; the answer is the sum over that.
    fn set_tcp(&self, cut: &Cut, header: &mut [u8], last: bool) -> u64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a super-packet has at most 64 KiB"
        )]
        let sequence = cut.sequence.wrapping_add(self.done as u32).to_be_bytes();
        put(header, 4, sequence);
        let [offset, mut flags] = cut.offset_flags;
        if !last {
            flags &= !(flag::FIN | flag::PSH);
        }
        if self.count > 0 {
            flags &= !flag::CWR;
        }
        put(header, 13, [flags]);
        let [a, b, c, d] = sequence;
        [[a, b], [c, d], [offset, flags]]
            .into_iter()
            .map(|pair| checksum::word(u16::from_be_bytes(pair)))
            .sum()
    }
}

impl Cut {
    /// Writes what differs from segment to segment.
    fn set_ip(&self, header: &mut [u8], length: u16, id: u16) {
        match self.version {
            IpVersion::V4 => {
                put(header, 2, length.to_be_bytes());
                put(header, 4, id.to_be_bytes());
                let total = self.ip_sum + checksum::word(length) + checksum::word(id);
                put(header, 10, checksum::finish(total));
            }
            IpVersion::V6 => {
                let payload = length.saturating_sub(40);
                put(header, 4, payload.to_be_bytes());
            }
        }
    }
}

fn plan_cut(header: &VnetHeader, packet: &[u8]) -> Option<Cut> {
    let outline = packet::outline(packet)?;
    let transport = usize::from(header.checksum_start);
    let (version, protocol) = match header.gso {
        Gso::TcpV4 => (IpVersion::V4, TCP),
        Gso::TcpV6 => (IpVersion::V6, TCP),
        Gso::Udp => (outline.version, UDP),
        Gso::None => return None,
    };
    let shortest = match version {
        IpVersion::V4 => outline.transport.max(IPV4_HEADER),
        IpVersion::V6 => IPV6_HEADER,
    };
    // IPv6 may have extensions between its header and the transport's; IPv4 has its options inside.
    let misplaced = match version {
        IpVersion::V4 => transport != shortest,
        IpVersion::V6 => transport < shortest,
    };
    if outline.version != version || misplaced || header.segment_size == 0 {
        return None;
    }
    let transport_header = if protocol == TCP {
        packet::tcp_header_length(packet, transport)?
    } else {
        UDP_HEADER
    };
    let headers = transport + transport_header;
    if packet.len() <= headers {
        return None;
    }
    let sum = |range: Range<usize>| packet.get(range).map_or(0, checksum::sum);
    let constant = if protocol == TCP {
        // Without sequence number, flags, and the checksum itself.
        sum(transport..transport + 4)
            + sum(transport + 8..transport + 12)
            + sum(transport + 14..transport + 16)
            + sum(transport + 18..headers)
    } else {
        sum(transport..transport + 4)
    };
    Some(Cut {
        version,
        protocol,
        transport,
        headers,
        segment_size: usize::from(header.segment_size),
        id: u16::from_be_bytes(take(packet, 4)?),
        sequence: u32::from_be_bytes(take(packet, transport + 4)?),
        offset_flags: if protocol == TCP {
            take(packet, transport + 12)?
        } else {
            [0; 2]
        },
        // Without length, identification, and the checksum itself.
        ip_sum: sum(0..2) + sum(6..10) + sum(12..transport),
        transport_sum: constant + pseudo_header_sum(version, packet, protocol, 0),
    })
}

fn checksum_place(
    header: &VnetHeader,
    length: usize,
) -> Result<Option<(usize, usize)>, BadSuperPacket> {
    if !header.partial_checksum {
        return Ok(None);
    }
    let start = usize::from(header.checksum_start);
    let at = start + usize::from(header.checksum_offset);
    if at + 2 > length {
        return Err(BadSuperPacket);
    }
    Ok(Some((start, at)))
}

/// Adds what a partial checksum lacks: the sum over header and payload. The pseudo header's is in the field already.
fn complete_checksum(packet: &mut [u8], start: usize, at: usize) {
    let total = packet.get(start..).map_or(0, checksum::sum);
    put(packet, at, checksum::finish_udp(total));
}

#[cfg(test)]
#[path = "segment_tests.rs"]
pub(crate) mod tests;
