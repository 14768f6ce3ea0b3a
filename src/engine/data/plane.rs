//! `DataPlane`: install, switch and drop keys; seal and open packets in place.

use std::ops::Range;
use std::time::{Duration, Instant};

use rustls::crypto::SecureRandom;

use super::framing::{self, Content, EXIT, Meaning, PING};
use super::inflate::Inflater;
use super::keepalive::Keepalive;
use super::key::{DataKey, KeyError};
use super::slot::{Slot, head_of};
use super::stats::{DropReason, Stats};
use crate::engine::settings::{CompressionPolicy, MssFix, Transport};

/// What the data channel needs to know beside its keys.
#[derive(Debug, Clone)]
pub struct DataSetup {
    /// Whether compressed packets are let in.
    pub compression: CompressionPolicy,
    /// How TCP's segment size is clamped.
    pub mssfix: MssFix,
    /// Whether packets travel over IPv6 (counts for `mssfix`).
    pub outer_ipv6: bool,
    /// For the initialisation vectors of the old ciphers.
    pub random: &'static dyn SecureRandom,
    /// After how many bytes of one key to renegotiate.
    pub reneg_bytes: Option<u64>,
    /// After how many packets of one key to renegotiate.
    pub reneg_packets: Option<u64>,
    /// How far behind the newest packet one may be, in packets.
    pub replay_window: u32,
    /// The SOCKS5 header in front of each datagram, in bytes (counts for `mssfix`).
    pub socks_header: u8,
    /// UDP or TCP (counts for `mssfix`).
    pub transport: Transport,
    /// MTU of the TUN device.
    pub tun_mtu: u16,
    /// The highest MTU that it may get: longer packets do not come out of decompression.
    pub tun_mtu_max: u16,
}

/// What the data channel has to say to whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A limit of the key in use comes near: renegotiate. Said once per key.
    KeyNearlyUsedUp {
        /// The key.
        key_id: u8,
    },
    /// An authentic packet came under a key that does not send yet: the peer has it, so it may be switched to. Said
    /// once per key.
    NewerKeyHeard {
        /// The key.
        key_id: u8,
    },
    /// The peer said goodbye.
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
    /// The length of a decompressed packet that nobody has taken; 0: none.
    inflated: usize,
    stats: Stats,
    peer_exited: bool,
    newer_key: Option<u8>,
    used_up: Option<u8>,
    message: [u8; MESSAGE_ROOM],
}

impl DataPlane {
    /// A channel without keys; silence counts from `now`.
    #[must_use]
    pub fn new(setup: DataSetup, now: Instant) -> Self {
        Self {
            inflater: match setup.compression {
                CompressionPolicy::Asymmetric => Some(Inflater::new(
                    usize::from(setup.tun_mtu_max.max(setup.tun_mtu)) + INFLATE_MARGIN,
                )),
                CompressionPolicy::No => None,
            },
            inflated: 0,
            setup,
            slots: std::array::from_fn(|_| None),
            sending: None,
            keepalive: Keepalive::new(now),
            stats: Stats::default(),
            peer_exited: false,
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
        let slot = Slot::new(&self.setup, key)?;
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
        for slot in self.slots.iter_mut().flatten() {
            slot.set_mss(&self.setup);
        }
    }

    /// Something authentic was heard beside data packets: the peer is alive.
    pub const fn note_heard(&mut self, now: Instant) {
        self.keepalive.heard(now);
    }

    /// Opens a data packet where it lies. The answer is where in `packet` the tunnelled IP packet is; `None`: dropped
    /// and counted, or no traffic (ping and the like), or a compressed packet: then [`DataPlane::take_inflated`] has it.
    pub fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        self.inflated = 0;
        match self.try_open(now, packet) {
            Ok(payload) => payload,
            Err(reason) => {
                self.stats.drop(reason);
                None
            }
        }
    }

    /// The IP packet that the packet opened last held in compressed form. Each is given once.
    pub fn take_inflated(&mut self) -> Option<&mut [u8]> {
        let length = std::mem::take(&mut self.inflated);
        if length == 0 {
            return None;
        }
        self.inflater.as_mut()?.inflated(length)
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

    /// A sealed goodbye for a server that knows no better way. `None` without a key.
    pub fn exit_message(&mut self, now: Instant) -> Option<&[u8]> {
        self.seal_message(now, &EXIT)
    }

    /// The next thing to know; `None` if there is nothing more at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Notice> {
        if std::mem::take(&mut self.peer_exited) {
            return Some(Notice::PeerExited);
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
        let (key_id, head) = head_of(packet).ok_or(DropReason::Buffer)?;
        let slot = slot_mut(&mut self.slots, key_id).ok_or(DropReason::KeyState)?;
        let opened = slot.open(packet, head);
        if slot.take_nearly_used_up() && self.sending == Some(key_id) {
            self.used_up = Some(key_id);
        }
        let framed = opened?;
        self.keepalive.heard(now);
        if !slot.known_to_peer {
            slot.known_to_peer = true;
            self.newer_key = Some(key_id);
        }
        let (bytes, place) = match slot.unframe(packet, framed)? {
            Content::Plain(payload) => {
                let bytes = packet.get_mut(payload.clone()).ok_or(DropReason::Buffer)?;
                (bytes, Some(payload))
            }
            Content::Compressed(algorithm, block) => {
                let inflater = self.inflater.as_mut().ok_or(DropReason::Compress)?;
                let block = packet.get(block).ok_or(DropReason::Buffer)?;
                (inflater.inflate(algorithm, block)?, None)
            }
        };
        match framing::meaning(bytes)? {
            Meaning::Packet => {}
            Meaning::Ignored => return Ok(None),
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
            self.inflated = bytes.len();
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
