//! `DataPlane`: install, switch and drop keys; seal and open packets in place.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::fragment::{self, Joiner, Piece};
use super::framing::{self, Content, EXIT, Meaning, PING};
use super::inflate::Inflater;
use super::keepalive::Keepalive;
use super::key::{DataKey, KeyError};
use super::mss::outer_headers;
use super::setup::DataSetup;
use super::slot::Slot;
use super::stats::{DropReason, Stats};
use crate::settings::{CompressionPolicy, PacketLimit};
use crate::wire::data::DataHead;

/// What the data channel has to say to whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A limit of the key in use comes near: renegotiate. Said once per key.
    KeyNearlyUsedUp {
        /// The key.
        key_id: u8,
    },
    /// The answer to [`DataPlane::load_request`] came in.
    LoadHeard {
        /// The length of its payload, which the peer chose.
        payload: usize,
    },
    /// An authentic packet came under a key that does not send yet: the peer has it, so it may be switched to. Said
    /// once per key.
    NewerKeyHeard {
        /// The key.
        key_id: u8,
    },
    /// The peer sent an exit notification.
    PeerExited,
    /// Nothing authentic was heard for this long. Said once, until something is heard.
    PeerLost {
        /// The limit.
        silence: Duration,
    },
    /// Nothing was sent for the ping interval: send [`DataPlane::ping`].
    PingDue,
}

/// The data channel of one connection.
///
/// Install a key, switch to it, seal and open. After a call that may have changed something (`open`, a deadline), ask
/// [`DataPlane::poll`] until it says `None`.
#[derive(Debug)]
pub struct DataPlane {
    setup: DataSetup,
    slots: [Option<Box<Slot>>; KEY_IDS],
    sending: Option<u8>,
    keepalive: Keepalive,
    /// For compressed packets, if they are let in.
    inflater: Option<Inflater>,
    /// How many packets were refused because they were compressed.
    compressed: u64,
    /// For payloads in pieces, if `fragment` is in use.
    joiner: Option<Box<Joiner>>,
    fragment: Option<PacketLimit>,
    /// A packet that does not lie where it came in, and that nobody has taken.
    aside: Aside,
    stats: Stats,
    /// What passes on the path to the peer, in bytes of whole IP packets, if that is less than what the profile expects.
    path_limit: Option<u16>,
    peer_exited: bool,
    load_heard: Option<usize>,
    newer_key: Option<u8>,
    used_up: Option<u8>,
    message: [u8; MESSAGE_ROOM],
}

/// Where a packet lies that is not where it came in.
#[derive(Debug)]
enum Aside {
    /// So many bytes of what was decompressed.
    Inflated(usize),
    /// This part of a payload that came in pieces.
    Joined(Vec<u8>, Range<usize>),
    Nothing,
}

impl DataPlane {
    /// A channel without keys; silence counts from `now`.
    #[must_use]
    pub fn new(setup: DataSetup, now: Instant) -> Self {
        Self {
            compressed: 0,
            inflater: match setup.compression {
                CompressionPolicy::Asymmetric => Some(Inflater::new(
                    usize::from(setup.tun_mtu_max.max(setup.tun_mtu)) + INFLATE_MARGIN,
                )),
                CompressionPolicy::No => None,
            },
            joiner: None,
            fragment: None,
            aside: Aside::Nothing,
            setup,
            slots: std::array::from_fn(|_| None),
            sending: None,
            keepalive: Keepalive::new(now),
            stats: Stats::default(),
            path_limit: None,
            peer_exited: false,
            load_heard: None,
            newer_key: None,
            used_up: None,
            message: [0; MESSAGE_ROOM],
        }
    }

    /// Installs a key for opening. A key of the same id is replaced.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the parts contradict each other.
    pub fn install(&mut self, key: &DataKey) -> Result<(), KeyError> {
        let mut slot = Slot::new(&self.setup, key)?;
        if self.fragment.is_some() {
            slot.use_fragments();
        }
        slot.set_mss(&self.setup, self.longest_payload(&slot));
        self.drop_key(key.key_id);
        *self
            .slots
            .get_mut(usize::from(key.key_id))
            .ok_or(KeyError::KeyId(key.key_id))? = Some(Box::new(slot));
        Ok(())
    }

    /// Seals with this key from here on. Without such a key nothing changes.
    pub fn switch_to(&mut self, key_id: u8) {
        if let Some(slot) = slot_mut(&mut self.slots, key_id) {
            slot.known_to_peer = true;
            self.sending = Some(key_id);
        }
    }

    /// Forgets a key.
    pub fn drop_key(&mut self, key_id: u8) {
        if let Some(slot) = self.slots.get_mut(usize::from(key_id)) {
            *slot = None;
        }
        for said in [&mut self.sending, &mut self.newer_key, &mut self.used_up] {
            *said = said.filter(|id| *id != key_id);
        }
    }

    /// The key that seals, if any.
    #[must_use]
    pub const fn sending_key(&self) -> Option<u8> {
        self.sending
    }

    /// Sets both intervals, `None` for never, and begins to count at `now`.
    pub fn set_keepalive(
        &mut self,
        now: Instant,
        ping: Option<Duration>,
        ping_restart: Option<Duration>,
    ) {
        self.keepalive.set(now, ping, ping_restart);
    }

    /// Sets the MTU of the TUN device.
    pub fn set_tun_mtu(&mut self, tun_mtu: u16) {
        self.setup.tun_mtu = tun_mtu;
        self.set_mss();
    }

    /// Fits TCP into IP packets of at most so many bytes, unless it is not to be clamped at all; `None`: as the setup says.
    pub fn limit_packets(&mut self, packet: Option<u16>) {
        self.path_limit = packet;
        self.set_mss();
    }

    fn set_mss(&mut self) {
        let mut slots = std::mem::take(&mut self.slots);
        for slot in slots.iter_mut().flatten() {
            slot.set_mss(&self.setup, self.longest_payload(slot));
        }
        self.slots = slots;
    }

    fn longest_payload(&self, slot: &Slot) -> Option<usize> {
        let kind = slot.kind(&self.setup);
        let path = self
            .path_limit
            .and_then(|packet| kind.largest_within(usize::from(packet)));
        let fragment = self.fragment.and_then(|limit| kind.largest_whole(limit));
        path.into_iter().chain(fragment).min()
    }

    /// Both sides put the header of `fragment` in front of each payload, and cut what makes packets above the limit. For
    /// keys that are installed from here on.
    pub fn use_fragments(&mut self, limit: PacketLimit) {
        let longest = usize::from(self.setup.tun_mtu_max.max(self.setup.tun_mtu)) + INFLATE_MARGIN;
        self.fragment = Some(limit);
        self.joiner = Some(Box::new(Joiner::new(longest)));
    }

    /// The longest payload that need not be cut. `None` without a key, or where nothing is ever cut.
    #[must_use]
    pub fn largest_whole(&self) -> Option<usize> {
        let slot = self.slots.get(usize::from(self.sending?))?.as_deref()?;
        slot.kind(&self.setup).largest_whole(self.fragment?)
    }

    /// The longest payload that makes an IP packet of at most `packet` bytes. `None` without a key, or if there is no room.
    #[must_use]
    pub fn largest_within(&self, packet: u16) -> Option<usize> {
        let slot = self.slots.get(usize::from(self.sending?))?.as_deref()?;
        slot.kind(&self.setup).largest_within(usize::from(packet))
    }

    /// Something authentic was heard beside data packets: the peer is alive.
    pub const fn note_heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    /// When the peer was heard last.
    #[must_use]
    pub const fn heard_at(&self) -> Instant {
        self.keepalive.heard_at()
    }

    /// Opens a data packet where it lies. The answer is where in `packet` the tunnelled IP packet is; `None`: dropped
    /// and counted, or no traffic (ping and the like), or a compressed packet: then [`DataPlane::take_inflated`] has it.
    pub fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        self.aside = Aside::Nothing;
        match self.try_open(now, packet) {
            Ok(payload) => payload,
            Err(reason) => {
                self.stats.drop(reason);
                None
            }
        }
    }

    /// The IP packet that the packet opened last held in compressed form, or was the last piece of. Each is given once.
    pub fn take_inflated(&mut self) -> Option<&mut [u8]> {
        match std::mem::replace(&mut self.aside, Aside::Nothing) {
            Aside::Inflated(length) => self.inflater.as_mut()?.inflated(length),
            Aside::Joined(bytes, place) => self.joiner.as_mut()?.lend(bytes).get_mut(place),
            Aside::Nothing => None,
        }
    }

    /// How many packets were refused because they were compressed, and no option allows that.
    #[must_use]
    pub const fn compressed(&self) -> u64 {
        self.compressed
    }

    /// How many bytes [`DataPlane::seal`] needs in front of a payload (exactly) and behind it (at most).
    #[must_use]
    pub fn seal_room(&self) -> (usize, usize) {
        self.sending
            .and_then(|key_id| self.slots.get(usize::from(key_id))?.as_ref())
            .map_or((0, 0), |slot| slot.room())
    }

    /// Seals the IP packet at `payload` in `buffer` where it lies. The answer is where in `buffer` the finished packet
    /// is; `None`: dropped and counted.
    pub fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        let length = payload.len();
        match self.try_seal(buffer, payload) {
            Ok(packet) => {
                self.stats.tun_read.add(length);
                self.keepalive.sent(now);
                Some(packet)
            }
            Err(reason) => {
                self.stats.drop(reason);
                None
            }
        }
    }

    /// A sealed keepalive packet. `None` without a key.
    pub fn ping(&mut self, now: Instant) -> Option<&[u8]> {
        self.seal_message(now, &PING)
    }

    /// A sealed exit notification for a server that knows no better way. `None` without a key.
    pub fn exit_message(&mut self, now: Instant) -> Option<&[u8]> {
        self.seal_message(now, &EXIT)
    }

    /// A sealed question for a packet of as many bytes as an IP packet of `packet` bytes has behind its headers; the
    /// question has a payload of `payload` bytes itself. `None` without a key.
    pub fn load_request(&mut self, now: Instant, packet: u16, payload: u16) -> Option<Vec<u8>> {
        let around = outer_headers(&self.setup) + usize::from(self.setup.socks_header);
        let wanted = u16::try_from(usize::from(packet).checked_sub(around)?).ok()?;
        let text = framing::load_request(wanted, usize::from(payload));
        let (front, back) = self.seal_room();
        let mut buffer = vec![0; front + text.len() + back];
        let place = front..front + text.len();
        buffer.get_mut(place.clone())?.copy_from_slice(&text);
        let sealed = self.try_seal(&mut buffer, place).ok()?;
        self.keepalive.sent(now);
        buffer.get(sealed).map(<[u8]>::to_vec)
    }

    /// The next thing to know; `None` if there is nothing more at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Notice> {
        if std::mem::take(&mut self.peer_exited) {
            return Some(Notice::PeerExited);
        }
        if let Some(payload) = self.load_heard.take() {
            return Some(Notice::LoadHeard { payload });
        }
        if let Some(key_id) = self.newer_key.take() {
            return Some(Notice::NewerKeyHeard { key_id });
        }
        if let Some(key_id) = self.used_up.take() {
            return Some(Notice::KeyNearlyUsedUp { key_id });
        }
        if let Some(silence) = self.keepalive.take_lost(now) {
            return Some(Notice::PeerLost { silence });
        }
        (self.sending.is_some() && self.keepalive.take_ping(now)).then_some(Notice::PingDue)
    }

    /// When to ask [`DataPlane::poll`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let ping = self.sending.and_then(|_| self.keepalive.ping_at());
        [ping, self.keepalive.lost_at()].into_iter().flatten().min()
    }

    /// Drops and tunnel traffic. What passes the socket is counted by its owner.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    fn try_open(
        &mut self,
        now: Instant,
        packet: &mut [u8],
    ) -> Result<Option<Range<usize>>, DropReason> {
        let (key_id, head) = DataHead::read(packet).ok_or(DropReason::Buffer)?;
        let slot = slot_mut(&mut self.slots, key_id).ok_or(DropReason::KeyState)?;
        let opened = slot.open(packet, head);
        if self.sending == Some(key_id) && slot.take_nearly_used_up() {
            self.used_up = Some(key_id);
        }
        let framed = opened?;
        self.keepalive.heard(now);
        if !slot.known_to_peer {
            slot.known_to_peer = true;
            self.newer_key = Some(key_id);
        }
        let framed = match &mut self.joiner {
            None => framed,
            Some(joiner) => {
                let payload = packet.get(framed.clone()).ok_or(DropReason::Buffer)?;
                match joiner.take(now, payload)? {
                    Piece::Whole => framed.start + fragment::HEADER..framed.end,
                    Piece::Part => return Ok(None),
                    Piece::Joined(whole) => return self.take_joined(key_id, whole),
                }
            }
        };
        self.take_payload(key_id, packet, framed)
    }

    #[cold]
    fn take_joined(
        &mut self,
        key_id: u8,
        mut whole: Vec<u8>,
    ) -> Result<Option<Range<usize>>, DropReason> {
        let framed = 0..whole.len();
        if let Some(place) = self.take_payload(key_id, &mut whole, framed)? {
            self.aside = Aside::Joined(whole, place);
        }
        Ok(None)
    }

    /// Takes an opened payload; the answer is where in `packet` the IP packet is, if it is there.
    #[inline]
    fn take_payload(
        &mut self,
        key_id: u8,
        packet: &mut [u8],
        framed: Range<usize>,
    ) -> Result<Option<Range<usize>>, DropReason> {
        let slot = slot_mut(&mut self.slots, key_id).ok_or(DropReason::KeyState)?;
        let (bytes, place) = match slot.unframe(packet, framed)? {
            Content::Plain(payload) => {
                let bytes = packet.get_mut(payload.clone()).ok_or(DropReason::Buffer)?;
                (bytes, Some(payload))
            }
            Content::Compressed(algorithm, block) => {
                let Some(inflater) = &mut self.inflater else {
                    self.compressed += 1;
                    return Err(DropReason::Compress);
                };
                let block = packet.get(block).ok_or(DropReason::Buffer)?;
                (inflater.inflate(algorithm, block)?, None)
            }
        };
        match framing::meaning(bytes)? {
            Meaning::Packet => {}
            Meaning::Ignored => return Ok(None),
            Meaning::Load => {
                self.load_heard = Some(bytes.len());
                return Ok(None);
            }
            Meaning::Exit => {
                self.peer_exited = true;
                return Ok(None);
            }
        }
        if let Some(limit) = slot.mss {
            limit.clamp(bytes);
        }
        self.stats.tun_written.add(bytes.len());
        if place.is_none() {
            self.aside = Aside::Inflated(bytes.len());
        }
        Ok(place)
    }

    #[inline]
    fn try_seal(
        &mut self,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let key_id = self.sending.ok_or(DropReason::KeyState)?;
        let slot = slot_mut(&mut self.slots, key_id).ok_or(DropReason::KeyState)?;
        if let Some(limit) = slot.mss {
            limit.clamp(buffer.get_mut(payload.clone()).ok_or(DropReason::Buffer)?);
        }
        let packet = slot.seal(buffer, payload);
        if slot.take_nearly_used_up() {
            self.used_up = Some(key_id);
        }
        packet
    }

    fn seal_message(&mut self, now: Instant, text: &[u8]) -> Option<&[u8]> {
        let (front, _) = self.seal_room();
        let payload = front..front + text.len();
        let mut message = self.message;
        message.get_mut(payload.clone())?.copy_from_slice(text);
        let packet = self.try_seal(&mut message, payload).ok()?;
        self.message = message;
        self.keepalive.sent(now);
        self.message.get(packet)
    }
}

fn slot_mut(slots: &mut [Option<Box<Slot>>; KEY_IDS], key_id: u8) -> Option<&mut Slot> {
    slots.get_mut(usize::from(key_id))?.as_deref_mut()
}

/// How much longer than the device's MTU a decompressed packet may be.
const INFLATE_MARGIN: usize = 100;
/// A key id has three bits.
const KEY_IDS: usize = 8;
/// Room for the longest message with everything around it: 17 bytes, a digest of 64, and headers.
const MESSAGE_ROOM: usize = 160;

#[cfg(test)]
#[path = "plane_tests.rs"]
pub(super) mod tests;
