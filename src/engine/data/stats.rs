//! Counters: what passed, and why packets were dropped.

/// Why a packet was dropped. The names are those of the statistics interface where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DropReason {
    /// Too short, too long, or without the room it needs.
    Buffer,
    /// A compressed packet where none may be.
    Compress,
    /// A control packet or message that makes no sense where it came.
    Control,
    /// The tag or the padding is wrong: not from our peer, or damaged.
    Decrypt,
    /// The HMAC of an old cipher is wrong.
    Hmac,
    /// No key is installed under the packet's key id, or none to send with.
    KeyState,
    /// The key's limit is reached; a renegotiation came too late.
    KeyLimit,
    /// The socket's queue was full: more came than we could take.
    NetworkQueue,
    /// The socket refused to send.
    NetworkSend,
    /// The packet is older than the replay window.
    ReplayBacktrack,
    /// The packet id is zero.
    ReplayInvalid,
    /// The packet id was seen before.
    Replay,
    /// The stream's queue is full.
    TcpOverflow,
    /// The packet is larger than the path takes.
    TooLarge,
    /// Not an IP packet.
    TunFraming,
    /// The device's queue was full: more was to be sent than we could take.
    TunQueue,
    /// The device refused to read.
    TunRead,
    /// The device refused to write.
    TunWrite,
}

impl DropReason {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 18] = [
        Self::Buffer,
        Self::Compress,
        Self::Control,
        Self::Decrypt,
        Self::Hmac,
        Self::KeyState,
        Self::KeyLimit,
        Self::NetworkQueue,
        Self::NetworkSend,
        Self::ReplayBacktrack,
        Self::ReplayInvalid,
        Self::Replay,
        Self::TcpOverflow,
        Self::TooLarge,
        Self::TunFraming,
        Self::TunQueue,
        Self::TunRead,
        Self::TunWrite,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buffer => "BUFFER_ERROR",
            Self::Compress => "COMPRESS_ERROR",
            Self::Control => "CC_ERROR",
            Self::Decrypt => "DECRYPT_ERROR",
            Self::Hmac => "HMAC_ERROR",
            Self::KeyState => "KEY_STATE_ERROR",
            Self::KeyLimit => "KEY_LIMIT_ERROR",
            Self::NetworkQueue => "NETWORK_OVERFLOW",
            Self::NetworkSend => "NETWORK_SEND_ERROR",
            Self::ReplayBacktrack => "PKTID_BACKTRACK",
            Self::ReplayInvalid => "PKTID_INVALID",
            Self::Replay => "PKTID_REPLAY",
            Self::TcpOverflow => "TCP_OVERFLOW",
            Self::TooLarge => "TRANSPORT_TOO_LARGE",
            Self::TunFraming => "TUN_FRAMING_ERROR",
            Self::TunQueue => "TUN_OVERFLOW",
            Self::TunRead => "TUN_READ_ERROR",
            Self::TunWrite => "TUN_WRITE_ERROR",
        }
    }
}

/// What passed in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
}

impl Traffic {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        bytes: 0,
        packets: 0,
    };

    /// Counts one packet.
    pub const fn add(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.packets += 1;
    }
}

/// All counters. They only grow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Read from the socket, control packets included.
    pub received: Traffic,
    /// Written to the socket, control packets included.
    pub sent: Traffic,
    /// Read from the device: the tunnel's outgoing traffic.
    pub tun_read: Traffic,
    /// Written to the device.
    pub tun_written: Traffic,
    drops: [u64; DropReason::ALL.len()],
}

impl Stats {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        received: Traffic::ZERO,
        sent: Traffic::ZERO,
        tun_read: Traffic::ZERO,
        tun_written: Traffic::ZERO,
        drops: [0; DropReason::ALL.len()],
    };

    /// Counts a dropped packet.
    pub const fn drop(&mut self, reason: DropReason) {
        self.drop_many(reason, 1);
    }

    /// Counts as many dropped packets.
    pub const fn drop_many(&mut self, reason: DropReason, packets: u64) {
        self.drops[reason as usize] += packets;
    }

    /// How many packets were dropped for this reason.
    #[must_use]
    pub const fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Adds another set of counters.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.received, other.received),
            (&mut self.sent, other.sent),
            (&mut self.tun_read, other.tun_read),
            (&mut self.tun_written, other.tun_written),
        ] {
            mine.bytes += theirs.bytes;
            mine.packets += theirs.packets;
        }
        for (mine, theirs) in self.drops.iter_mut().zip(other.drops) {
            *mine += theirs;
        }
    }

    /// Every counter by its name, traffic first, zeros included.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("BYTES_IN", self.received.bytes),
            ("BYTES_OUT", self.sent.bytes),
            ("PACKETS_IN", self.received.packets),
            ("PACKETS_OUT", self.sent.packets),
            ("TUN_BYTES_IN", self.tun_read.bytes),
            ("TUN_BYTES_OUT", self.tun_written.bytes),
            ("TUN_PACKETS_IN", self.tun_read.packets),
            ("TUN_PACKETS_OUT", self.tun_written.packets),
        ]
        .into_iter()
        .chain(
            DropReason::ALL
                .into_iter()
                .map(|reason| (reason.name(), self.dropped(reason))),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_counter_and_a_name_of_its_own() {
        let mut names = std::collections::BTreeSet::new();
        for (position, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, position);
            assert!(names.insert(reason.name()));
            let mut stats = Stats::default();
            stats.drop(reason);
            let grown: Vec<_> = stats.named().filter(|(_, value)| *value > 0).collect();
            assert_eq!(grown, [(reason.name(), 1)]);
        }
    }

    #[test]
    fn merging_adds_every_counter() {
        let mut one = Stats::default();
        one.received.add(10);
        one.drop(DropReason::Replay);
        let mut sum = one;
        sum.merge(&one);
        assert_eq!(
            sum.received,
            Traffic {
                bytes: 20,
                packets: 2
            }
        );
        assert_eq!(sum.dropped(DropReason::Replay), 2);
    }
}
