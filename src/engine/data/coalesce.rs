//! Joins opened packets of one flow into super-packets for the TUN device, without ever reordering a flow.
//!
//! Packets stay where they are. A group is a first packet and the payloads that follow it; its headers are put right
//! in place, and whoever writes it to the device gathers the pieces.

use std::ops::Range;

use super::flow::{Candidate, Join, candidate, continues, same_flow};
use super::packet::{IpVersion, TCP, flag, pseudo_header_sum, put, set_ip_length};
use super::vnet::{Gso, VnetHeader};
use super::{checksum, packet};

/// Joins the packets of one batch. Push them in the order of their arrival, finish, write the groups in their order.
#[derive(Debug)]
pub struct Coalescer {
    join: Join,
    groups: Vec<Group>,
    pieces: Vec<Piece>,
}

/// Packets that go to the device in one piece.
#[derive(Debug)]
struct Group {
    /// The first packet, whole.
    first: Range<usize>,
    /// The first packet's headers; `None` if nothing may follow it.
    candidate: Option<Candidate>,
    /// Whether more may follow.
    open: bool,
    /// Whether the last packet pushes (TCP).
    push: bool,
    /// The next packet's sequence number (TCP).
    next_sequence: u32,
    /// Bytes in all.
    length: usize,
    /// Packets in all.
    count: u16,
    /// The second packet's payload, if there is one.
    head: Option<usize>,
    /// The last packet's.
    tail: Option<usize>,
    vnet: VnetHeader,
}

/// One payload behind the first packet.
#[derive(Debug)]
struct Piece {
    payload: Range<usize>,
    next: Option<usize>,
}

/// A finished group, to be written in one piece.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    group: &'a Group,
    pieces: &'a [Piece],
}

impl Joined<'_> {
    /// The header for a device with offload.
    #[must_use]
    pub const fn vnet(&self) -> [u8; VnetHeader::LEN] {
        self.group.vnet.encode()
    }

    /// Where the pieces lie: the first packet, then payloads.
    pub fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let mut next = self.group.head;
        let rest = std::iter::from_fn(move || {
            let piece = self.pieces.get(next?)?;
            next = piece.next;
            Some(piece.payload.clone())
        });
        std::iter::once(self.group.first.clone()).chain(rest)
    }

    /// How many packets these are.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.group.count
    }

    /// How many bytes these are, without the header for the device.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.group.length
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.group.length == 0
    }
}

impl Coalescer {
    /// For batches of at most `packets` packets.
    #[must_use]
    pub fn new(join: Join, packets: usize) -> Self {
        Self {
            join,
            groups: Vec::with_capacity(packets),
            pieces: Vec::with_capacity(packets),
        }
    }

    /// What is joined from here on.
    pub const fn set_join(&mut self, join: Join) {
        self.join = join;
    }

    /// Whether the batch takes no more packets.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.groups.len() == self.groups.capacity() || self.pieces.len() == self.pieces.capacity()
    }

    /// Takes the next packet, which lies at `packet` in `arena`. A full batch takes nothing: write and clear it first.
    pub fn push(&mut self, arena: &[u8], packet: Range<usize>) {
        if self.is_full() {
            return;
        }
        let Some(bytes) = arena.get(packet.clone()) else {
            return;
        };
        let candidate = candidate(self.join, bytes);
        match &candidate {
            // Whatever this is, it may belong to any flow: none goes on across it.
            None => self.newest().for_each(|group| group.open = false),
            Some(candidate) => {
                if self.append(arena, &packet, bytes, candidate) {
                    return;
                }
            }
        }
        self.groups.push(Group::of(packet, candidate));
    }

    /// Puts the headers of all groups right. After this the groups may be written.
    pub fn finish(&mut self, arena: &mut [u8]) {
        for group in &mut self.groups {
            if group.count > 1 {
                group.finish(arena);
            }
        }
    }

    /// The groups in their order.
    pub fn groups(&self) -> impl Iterator<Item = Joined<'_>> {
        self.groups.iter().map(|group| Joined {
            group,
            pieces: &self.pieces,
        })
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Forgets the batch.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.pieces.clear();
    }

    /// The groups that a packet may still join. Older ones are as good as closed, which bounds the search.
    fn newest(&mut self) -> impl DoubleEndedIterator<Item = &mut Group> {
        let oldest = self.groups.len().saturating_sub(SEARCHED);
        self.groups.iter_mut().skip(oldest)
    }

    /// Joins the packet to the newest group of its flow, or closes that.
    fn append(
        &mut self,
        arena: &[u8],
        packet: &Range<usize>,
        bytes: &[u8],
        candidate: &Candidate,
    ) -> bool {
        let piece = self.pieces.len();
        let Some(group) = self
            .newest()
            .rev()
            .find(|group| group.is_of(arena, candidate, bytes))
        else {
            return false;
        };
        if !group.takes(arena, candidate, bytes) {
            group.open = false;
            return false;
        }
        let before = group.add(candidate, piece);
        if let Some(before) = before.and_then(|before| self.pieces.get_mut(before)) {
            before.next = Some(piece);
        }
        self.pieces.push(Piece {
            payload: packet.start + candidate.headers..packet.start + candidate.length(),
            next: None,
        });
        true
    }
}

impl Group {
    fn of(packet: Range<usize>, candidate: Option<Candidate>) -> Self {
        Self {
            length: packet.len(),
            first: packet,
            open: candidate
                .as_ref()
                .is_some_and(|candidate| candidate.joinable && !candidate.push),
            push: false,
            next_sequence: candidate.as_ref().map_or(0, Candidate::next_sequence),
            candidate,
            count: 1,
            head: None,
            tail: None,
            vnet: VnetHeader::default(),
        }
    }

    fn is_of(&self, arena: &[u8], candidate: &Candidate, bytes: &[u8]) -> bool {
        match (&self.candidate, arena.get(self.first.clone())) {
            (Some(mine), Some(first)) => same_flow(mine, first, candidate, bytes),
            _ => false,
        }
    }

    fn takes(&self, arena: &[u8], candidate: &Candidate, bytes: &[u8]) -> bool {
        let (Some(mine), Some(first)) = (&self.candidate, arena.get(self.first.clone())) else {
            return false;
        };
        self.open
            && candidate.joinable
            && candidate.payload <= mine.payload
            && candidate.sequence == self.next_sequence
            && self.length + candidate.payload <= LONGEST
            && usize::from(self.count) < PACKETS_MAX
            && continues(mine, first, candidate, bytes, self.count)
    }

    /// Takes the packet in; the answer is the piece that it follows.
    fn add(&mut self, candidate: &Candidate, piece: usize) -> Option<usize> {
        let full = self
            .candidate
            .as_ref()
            .is_some_and(|mine| mine.payload == candidate.payload);
        self.open = full && !candidate.push;
        self.push = candidate.push;
        self.next_sequence = candidate.next_sequence();
        self.length += candidate.payload;
        self.count += 1;
        self.head = self.head.or(Some(piece));
        self.tail.replace(piece)
    }

    /// Makes the first packet's headers those of the whole.
    fn finish(&mut self, arena: &mut [u8]) {
        let Some(candidate) = &self.candidate else {
            return;
        };
        let Some(first) = arena.get_mut(self.first.clone()) else {
            return;
        };
        let Some(headers) = first.get_mut(..candidate.headers) else {
            return;
        };
        let transport = candidate.outline.transport;
        let version = candidate.outline.version;
        let (Ok(length), Ok(segment_length)) = (
            u16::try_from(self.length),
            u16::try_from(self.length - transport),
        ) else {
            return;
        };
        set_ip_length(version, headers, length, None);
        let pseudo =
            pseudo_header_sum(version, headers, candidate.outline.protocol, segment_length);
        let partial = checksum::fold(pseudo);
        let checksum_offset = if candidate.outline.protocol == TCP {
            if self.push {
                let flags = headers.get(transport + 13).copied().unwrap_or(flag::ACK);
                put(headers, transport + 13, [flags | flag::PSH]);
            }
            put(headers, transport + packet::TCP_CHECKSUM, partial);
            packet::TCP_CHECKSUM
        } else {
            put(headers, transport + 4, segment_length.to_be_bytes());
            put(headers, transport + packet::UDP_CHECKSUM, partial);
            packet::UDP_CHECKSUM
        };
        self.vnet = VnetHeader {
            partial_checksum: true,
            gso: match (candidate.outline.protocol, version) {
                (TCP, IpVersion::V4) => Gso::TcpV4,
                (TCP, IpVersion::V6) => Gso::TcpV6,
                _ => Gso::Udp,
            },
            header_length: small(candidate.headers),
            segment_size: small(candidate.payload),
            checksum_start: small(transport),
            checksum_offset: small(checksum_offset),
        };
    }
}

/// A length within one packet, as the device's header has it.
fn small(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// How many packets are joined at most, and so of how many pieces a group is.
pub const PACKETS_MAX: usize = 128;
/// The longest super-packet: what IPv4's length field says, also for IPv6.
const LONGEST: usize = 65_535;
/// How many groups are searched for the packet's flow, the newest first.
const SEARCHED: usize = 16;

#[cfg(test)]
#[path = "coalesce_tests.rs"]
mod tests;
