//! Sealed packets on their way to the socket: one arena, filled from the front and sent in runs.

use std::ops::Range;

use openvpn_engine::proxy::Header;
use openvpn_engine::tcp;

/// Packets that wait for the socket. They leave in order.
#[derive(Debug)]
pub(crate) struct Outbound {
    arena: Box<[u8]>,
    end: usize,
    prefix: Prefix,
    runs: Vec<Run>,
    /// The first run that is not sent.
    next: usize,
    /// How many runs, the last ones, are kept back for what may be added: one or none.
    held: usize,
}

/// What stands in front of each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Its length in two bytes (TCP).
    Length,
    /// Nothing (UDP).
    None,
    /// What a SOCKS5 proxy needs to pass it on (UDP).
    Socks(Header),
}

/// Packets of equal length, one behind the other; the last may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The length of each packet but the last.
    pub(crate) segment: usize,
    pub(crate) count: usize,
}

impl Outbound {
    pub(crate) fn new(prefix: Prefix) -> Self {
        Self {
            arena: vec![0; ARENA].into_boxed_slice(),
            end: 0,
            prefix,
            runs: Vec::with_capacity(RUNS),
            next: 0,
            held: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.next == self.runs.len()
    }

    /// Whether it is time to send before more is added.
    pub(crate) fn is_full(&self) -> bool {
        let unsent = self.runs.get(self.next..).unwrap_or_default();
        let start = unsent.first().map_or(self.end, |run| run.start);
        self.end - start >= SEND_AT || unsent.len() >= RUNS_SEND_AT || self.end >= HOLD_UNTIL
    }

    /// With `more` to be added soon, the last run is kept back if it is one message that is not full; else nothing is.
    pub(crate) fn hold(&mut self, more: bool) {
        let grows = |run: &Run| self.prefix != Prefix::Length && run.is_open();
        let holds = more && self.end < HOLD_UNTIL && self.runs.last().is_some_and(grows);
        self.held = usize::from(holds);
    }

    /// The arena, and where in it the payload of the next packet goes so that nothing is left between it and the
    /// packet before. `None`: no room.
    pub(crate) fn place(
        &mut self,
        (front, back): (usize, usize),
        length: usize,
    ) -> Option<(&mut [u8], Range<usize>)> {
        let start = self.end + self.prefix.len() + front;
        let payload = start..start + length;
        let fits = payload.end + back <= ARENA - CONTROL_RESERVE && self.runs.len() < RUNS;
        fits.then_some((&mut self.arena, payload))
    }

    /// Adds the packet that was sealed at the place given before.
    pub(crate) fn add(&mut self, packet: Range<usize>) {
        let start = match self.prefix {
            Prefix::None => packet.start,
            Prefix::Socks(header) => {
                let start = packet.start.saturating_sub(header.bytes().len());
                if let Some(place) = self.arena.get_mut(start..packet.start) {
                    place.copy_from_slice(header.bytes());
                }
                start
            }
            Prefix::Length => {
                let start = packet.start.saturating_sub(tcp::PREFIX_LEN);
                let length = tcp::prefix(packet.len()).unwrap_or_default();
                if let Some(place) = self.arena.get_mut(start..packet.start) {
                    place.copy_from_slice(&length);
                }
                start
            }
        };
        let frame = start..packet.end;
        self.end = frame.end;
        let unsent = self.next < self.runs.len();
        let last = self.runs.last_mut().filter(|_| unsent);
        match last.filter(|run| run.takes(self.prefix, &frame)) {
            Some(run) => run.add(&frame),
            None => self.runs.push(Run {
                start: frame.start,
                end: frame.end,
                segment: frame.len(),
                count: 1,
            }),
        }
    }

    /// Adds a whole packet behind all others. `false`: not even the reserve has room for it.
    pub(crate) fn add_copy(&mut self, packet: &[u8]) -> bool {
        let start = self.end + self.prefix.len();
        let place = start..start + packet.len();
        let Some(bytes) = self.arena.get_mut(place.clone()) else {
            return false;
        };
        bytes.copy_from_slice(packet);
        self.add(place);
        true
    }

    /// The runs that are to be sent.
    pub(crate) fn waiting(&self) -> &[Run] {
        let end = self.runs.len().saturating_sub(self.held);
        self.runs.get(self.next..end).unwrap_or_default()
    }

    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        self.arena.get(range).unwrap_or_default()
    }

    /// The next `count` runs are done with.
    pub(crate) fn done(&mut self, count: usize) {
        self.next = self.runs.len().min(self.next + count);
        if self.is_empty() {
            self.clear();
        }
    }

    /// The next `bytes` bytes are done with (a stream takes what it likes).
    pub(crate) fn done_bytes(&mut self, mut bytes: usize) {
        while let Some(run) = self.runs.get_mut(self.next) {
            let length = run.end - run.start;
            if bytes < length {
                run.start += bytes;
                break;
            }
            bytes -= length;
            self.next += 1;
        }
        if self.is_empty() {
            self.clear();
        }
    }

    /// The first `packets` packets of the next run are done with.
    pub(crate) fn done_packets(&mut self, packets: usize) {
        let Some(run) = self.runs.get_mut(self.next) else {
            return;
        };
        if packets >= run.count {
            self.done(1);
        } else {
            run.start += packets * run.segment;
            run.count -= packets;
        }
    }

    fn clear(&mut self) {
        self.end = 0;
        self.next = 0;
        self.runs.clear();
    }
}

impl Run {
    /// How many datagrams these are, each in its place.
    pub(crate) fn packets(self) -> impl Iterator<Item = Range<usize>> + Clone {
        (0..self.count).map(move |number| {
            let start = self.start + number * self.segment;
            start..(start + self.segment).min(self.end)
        })
    }

    fn takes(&self, prefix: Prefix, frame: &Range<usize>) -> bool {
        let adjacent = self.end == frame.start;
        match prefix {
            Prefix::Length => adjacent,
            Prefix::None | Prefix::Socks(_) => {
                adjacent
                    && frame.len() <= self.segment
                    && self.end - self.start == self.count * self.segment
                    && self.count < SEGMENTS
                    && frame.end - self.start <= MESSAGE
            }
        }
    }

    /// Whether one more datagram as long as the others fits into the message.
    const fn is_open(&self) -> bool {
        let length = self.end - self.start;
        length == self.count * self.segment
            && self.count < SEGMENTS
            && length + self.segment <= MESSAGE
    }

    const fn add(&mut self, frame: &Range<usize>) {
        self.end = frame.end;
        self.count += 1;
    }
}

impl Prefix {
    fn len(self) -> usize {
        match self {
            Self::Length => 2,
            Self::None => 0,
            Self::Socks(header) => header.bytes().len(),
        }
    }
}

/// Holds the packets of the largest super-packet behind what may wait before it.
const ARENA: usize = 512 * 1024;
/// When so many bytes wait they are sent before more is added: what was just written is still in the cache.
const SEND_AT: usize = 48 * 1024;
/// Up to here a run is kept back for what may be added to it. A super-packet is a little longer than one message, and
/// its end would be a message by itself each time, which costs nearly as much as a full one.
const HOLD_UNTIL: usize = 192 * 1024;
/// Room that data leaves for control packets, which a stream must not lose.
const CONTROL_RESERVE: usize = 64 * 1024;
/// How many runs may wait.
const RUNS: usize = 1024;
/// When so many runs wait they are sent before more is added.
const RUNS_SEND_AT: usize = 32;
/// How many datagrams the oldest kernels cut one message into.
const SEGMENTS: usize = 64;
/// The longest message of several datagrams, over IPv4.
const MESSAGE: usize = 65_507;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(outbound: &mut Outbound, length: usize) {
        let (_, payload) = outbound.place((24, 0), length - 24).unwrap();
        outbound.add(payload.start - 24..payload.end);
    }

    #[test]
    fn equal_datagrams_make_a_run_that_a_shorter_one_ends() {
        let mut outbound = Outbound::new(Prefix::None);
        for length in [100, 100, 60, 60, 100] {
            add(&mut outbound, length);
        }
        let runs: Vec<_> = outbound
            .waiting()
            .iter()
            .map(|run| (run.segment, run.count))
            .collect();
        assert_eq!(runs, [(100, 3), (60, 1), (100, 1)]);
        let packets: Vec<_> = outbound.waiting()[0]
            .packets()
            .map(|packet| packet.len())
            .collect();
        assert_eq!(packets, [100, 100, 60]);
        outbound.done_packets(1);
        assert_eq!(outbound.waiting()[0].packets().next(), Some(100..200));
        outbound.done(3);
        assert!(outbound.is_empty());
    }

    #[test]
    fn a_header_for_the_proxy_stands_in_front_of_each_datagram() {
        let header = Header::to(([192, 0, 2, 1], 1194).into());
        let mut outbound = Outbound::new(Prefix::Socks(header));
        for length in [100, 100, 60] {
            add(&mut outbound, length);
        }
        let [run] = outbound.waiting() else {
            panic!("one run of datagrams");
        };
        let lengths: Vec<_> = run.packets().map(|packet| packet.len()).collect();
        assert_eq!(lengths, [110, 110, 70]);
        for packet in run.packets() {
            assert!(outbound.bytes(packet).starts_with(header.bytes()));
        }
    }

    #[test]
    fn a_run_stays_within_one_message() {
        let mut outbound = Outbound::new(Prefix::None);
        for _ in 0..100 {
            add(&mut outbound, 1400);
        }
        assert!(outbound.is_full());
        let counts: Vec<_> = outbound.waiting().iter().map(|run| run.count).collect();
        assert_eq!(counts, [46, 46, 8]);
    }

    #[test]
    fn the_end_of_a_super_packet_is_kept_back_for_the_next_one() {
        let mut outbound = Outbound::new(Prefix::None);
        let counts = |outbound: &Outbound| -> Vec<usize> {
            let runs = outbound.waiting().iter();
            runs.map(|run| run.count).collect()
        };
        for _ in 0..2 {
            (0..46).for_each(|_| add(&mut outbound, 1464));
            assert!(outbound.is_full());
            outbound.hold(true);
            assert_eq!(counts(&outbound), [44]);
            outbound.done(1);
            assert!(!outbound.is_full());
        }
        outbound.hold(false);
        assert_eq!(counts(&outbound), [4]);
        outbound.done(1);
        assert!(outbound.is_empty());
        add(&mut outbound, 100);
        add(&mut outbound, 60);
        outbound.hold(true);
        assert_eq!(counts(&outbound), [2], "nothing may follow");
    }

    #[test]
    fn a_stream_takes_bytes_and_keeps_their_order() {
        let mut outbound = Outbound::new(Prefix::Length);
        add(&mut outbound, 30);
        assert!(outbound.add_copy(b"control"));
        let [run] = outbound.waiting() else {
            panic!("one run of bytes");
        };
        assert_eq!(run.end, 32 + 9);
        assert_eq!(outbound.bytes(32..41), b"\0\x07control");
        outbound.done_bytes(33);
        assert_eq!(outbound.waiting()[0].start, 33);
        outbound.done_bytes(8);
        assert!(outbound.is_empty());
    }

    #[test]
    fn data_leaves_room_for_control_packets() {
        let mut outbound = Outbound::new(Prefix::Length);
        while let Some((_, payload)) = outbound.place((24, 0), 1400) {
            outbound.add(payload.start - 24..payload.end);
        }
        assert!(outbound.add_copy(&[0; 2048]));
    }
}
