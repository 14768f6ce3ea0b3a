//! Session ids, resets, windows and wrapping: an ordered byte stream each way.
//!
//! A [`Channel`] lives as long as a connection. For each key id it has a lane: TLS bytes are given to
//! [`Channel::write`] and come out of the peer's [`Channel::read`] complete and in order, whatever the network does.
//!
//! - Inputs: [`Channel::receive`] takes a packet, [`Channel::write`] bytes, [`Channel::open_key_state`] begins another key,
//!   [`Channel::expect_key_state`] says which key the peer may begin, [`Channel::close_key_state`] forgets one.
//! - Outputs: after any input, and when [`Channel::deadline`] has passed, call [`Channel::poll_transmit`] until it
//!   gives nothing. Write what TLS has to say *before* that: acknowledgements then travel with it.
//!
//! A client's channel begins by itself with the hard reset of key 0. The peer's answer is [`Received::Opened`]: from
//! then on TLS may begin on that key. The same goes for each later key.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use super::recv_window::{Receipt, RecvWindow};
use super::send_window::SendWindow;
use super::wrap::{Opened, Side, WrapError, Wrapper};
use crate::config::{Transport, Wrapping};
use crate::secret::Secret;
use crate::wire::control::{AckList, Acks, ControlBody, EarlyNegotiation, Message, SessionId};
use crate::wire::head::{KeyId, Opcode, PacketHead};
use crate::wire::reader::Malformed;

/// What a channel is made of.
#[derive(Debug, Clone)]
pub struct ChannelSetup {
    /// Which end this is.
    pub side: Side,
    /// How packets are protected.
    pub wrapping: Arc<Wrapping>,
    /// On TCP nothing is sent twice.
    pub transport: Transport,
    /// Whether packets travel over IPv6, whose headers are longer.
    pub ipv6: bool,
    /// The largest packet with IP and UDP headers, in bytes; held within 154 and 2048.
    pub packet_size: u16,
    /// When a message is sent again for the first time.
    pub tls_timeout: Duration,
    /// Our own, random for each connection attempt.
    pub session_id: SessionId,
}

/// The lower half of the control channel of one connection.
#[derive(Debug)]
pub struct Channel {
    side: Side,
    wrapper: Wrapper,
    transport: Transport,
    /// The largest packet without IP and UDP headers.
    packet_max: usize,
    tls_timeout: Duration,
    session_id: SessionId,
    /// Learnt from the peer's hard reset.
    peer_session_id: Option<SessionId>,
    key_states: BTreeMap<KeyId, KeyState>,
    /// The key that the peer may begin.
    expected: Option<KeyId>,
    /// The server keeps no state before message 1, which must bring the client key once more.
    resend_client_key: bool,
    /// Whether eight acknowledgements may go without protection; SoftEther drops packets with more than four.
    long_acks: bool,
}

/// What a packet brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// The peer's reset for this key: TLS may begin, and there may be something to read already.
    Opened {
        /// The key.
        key_id: KeyId,
        /// Whether the lane is there because of this packet.
        by_peer: bool,
    },
    /// There is more to [`Channel::read`] for this key.
    Readable {
        /// The key.
        key_id: KeyId,
    },
    /// Acknowledgements, repetitions or a message ahead of its turn.
    Nothing {
        /// The key.
        key_id: KeyId,
    },
}

/// Why a packet was dropped; to be counted. See [`Rejected::is_fatal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Rejected {
    /// A reset that is no message 0, a message 0 that is no reset, or a packet that only clients send.
    #[error("a control packet is out of place")]
    Misplaced,
    /// What the server says in its reset cannot be read.
    #[error("the server's early negotiation is malformed: {0}")]
    EarlyNegotiation(Malformed),
    /// It acknowledges messages of somebody else.
    #[error("a control packet is for another session")]
    ForAnother,
    /// It is ahead of what we are ready for.
    #[error("a control message is too far ahead")]
    TooFar,
    /// It belongs to a key that does not exist.
    #[error("a control packet has an unknown key id")]
    UnknownKey,
    /// It comes from another session than the one we talk to.
    #[error("a control packet is from another session")]
    UnknownSession,
    /// It is malformed, forged or a replay.
    #[error(transparent)]
    Wrapping(#[from] WrapError),
}

impl Rejected {
    /// Whether the connection is over: always if early negotiation fails, and on TCP, where nobody can insert
    /// packets and none gets lost, also if a packet is forged, a replay or for somebody else.
    #[must_use]
    pub const fn is_fatal(&self, transport: Transport) -> bool {
        match self {
            Self::EarlyNegotiation(_) => true,
            Self::ForAnother | Self::Wrapping(_) => matches!(transport, Transport::Tcp),
            Self::Misplaced | Self::TooFar | Self::UnknownKey | Self::UnknownSession => false,
        }
    }
}

impl From<Malformed> for Rejected {
    fn from(malformed: Malformed) -> Self {
        Self::Wrapping(WrapError::Malformed(malformed))
    }
}

impl Channel {
    /// Begins a connection. A client's hard reset is ready to be sent at `now`.
    #[must_use]
    pub fn new(setup: ChannelSetup, now: Instant) -> Self {
        let headers = ip_overhead(setup.transport, setup.ipv6);
        let packet_max =
            usize::from(setup.packet_size.clamp(SMALLEST_PACKET, LARGEST_PACKET)) - headers;
        let mut channel = Self {
            side: setup.side,
            wrapper: Wrapper::new(setup.wrapping, setup.side),
            transport: setup.transport,
            packet_max,
            tls_timeout: setup.tls_timeout,
            session_id: setup.session_id,
            peer_session_id: None,
            key_states: BTreeMap::new(),
            expected: None,
            resend_client_key: false,
            long_acks: false,
        };
        match setup.side {
            Side::Client => {
                let reset = if channel.wrapper.has_client_key() {
                    Opcode::HardResetClientV3
                } else {
                    Opcode::HardResetClientV2
                };
                channel.begin_key_state(now, KeyId::FIRST, reset, Vec::new());
            }
            #[cfg(any(test, fuzzing))]
            Side::Server => channel.expected = Some(KeyId::FIRST),
        }
        channel
    }

    /// Takes a packet of the control channel.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: the packet was dropped, nothing has changed.
    pub fn receive(&mut self, now: Instant, packet: &[u8]) -> Result<Received, Rejected> {
        let opened = self.wrapper.open(now, packet)?;
        let body = ControlBody::decode(opened.head.opcode, &opened.body)?;
        self.check_session(&opened, &body)?;
        let key_id = opened.head.key_id;
        let by_peer = self.admit(now, opened.head, &body)?;
        self.peer_session_id = Some(opened.session_id);
        let Some(key_state) = self.key_states.get_mut(&key_id) else {
            return Err(Rejected::UnknownKey);
        };
        for message_id in body.acks.iter().flat_map(|acks| acks.ids.iter()) {
            key_state.send.acknowledge(now, *message_id);
        }
        let Some(message) = body.message else {
            return Ok(Received::Nothing { key_id });
        };
        let was_untouched = key_state.receive.is_untouched();
        let payload = if opened.head.opcode.is_reset() {
            &[]
        } else {
            message.payload
        };
        match key_state.receive.receive(message.message_id, payload) {
            Receipt::Delivered if was_untouched => {
                key_state.send.hasten(now);
                Ok(Received::Opened { key_id, by_peer })
            }
            Receipt::Delivered => Ok(Received::Readable { key_id }),
            Receipt::Repeated | Receipt::Stored => Ok(Received::Nothing { key_id }),
            Receipt::TooFar => Err(Rejected::TooFar),
        }
    }

    /// Adds bytes to what is to be sent for a key; `false` if there is no such lane.
    pub fn write(&mut self, key_id: KeyId, bytes: &[u8]) -> bool {
        match self.key_states.get_mut(&key_id) {
            Some(key_state) => {
                key_state.unsent.extend(bytes);
                true
            }
            None => false,
        }
    }

    /// Has the peer acknowledge once more what it has of a key; see [`SendWindow::ask_again`].
    pub fn ask_again(&mut self, now: Instant, key_id: KeyId) {
        if let Some(key_state) = self.key_states.get_mut(&key_id) {
            key_state.send.ask_again(now);
        }
    }

    /// All bytes that came for a key since the last time; empty if there is nothing, or no such lane.
    pub fn read(&mut self, key_id: KeyId) -> Vec<u8> {
        self.key_states
            .get_mut(&key_id)
            .map(|key_state| key_state.receive.read())
            .unwrap_or_default()
    }

    /// The next packet to be sent at `now`, finished; `None` if there is nothing more to do before the
    /// [`Channel::deadline`]. `wall_seconds` is the time since 1970.
    pub fn poll_transmit(&mut self, now: Instant, wall_seconds: u32) -> Option<Vec<u8>> {
        let key_ids: Vec<KeyId> = self.key_states.keys().copied().collect();
        key_ids
            .into_iter()
            .find_map(|key_id| self.poll_key_state(now, wall_seconds, key_id))
    }

    /// When to call [`Channel::poll_transmit`] again, if nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.key_states
            .values()
            .filter_map(|key_state| key_state.send.deadline())
            .min()
    }

    /// Whether the peer has all that was written for a key; also true if there is no such lane.
    #[must_use]
    pub fn all_acknowledged(&self, key_id: KeyId) -> bool {
        self.key_states
            .get(&key_id)
            .is_none_or(|key_state| key_state.unsent.is_empty() && key_state.send.is_empty())
    }

    /// Whether the peer has answered the reset of this key.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn is_open(&self, key_id: KeyId) -> bool {
        self.key_states
            .get(&key_id)
            .is_some_and(|key_state| !key_state.receive.is_untouched())
    }

    /// Begins another key by a soft reset. Does nothing if it has begun already.
    pub fn open_key_state(&mut self, now: Instant, key_id: KeyId) {
        if !self.key_states.contains_key(&key_id) {
            self.begin_key_state(now, key_id, Opcode::SoftReset, Vec::new());
        }
    }

    /// From here on the peer may begin this key, and no other; `None`: no key.
    pub const fn expect_key_state(&mut self, key_id: Option<KeyId>) {
        self.expected = key_id;
    }

    /// Forgets a key with all that is underway for it.
    pub fn close_key_state(&mut self, key_id: KeyId) {
        self.key_states.remove(&key_id);
    }

    /// Protects all keys but the first by dynamic tls-crypt, with what TLS exported for it.
    pub fn install_dynamic_tls_crypt(&mut self, exported: &Secret<256>) {
        self.wrapper.install_dynamic(exported);
    }

    /// The peer is known to take eight acknowledgements in a packet (it has negotiated exporter keys).
    pub const fn allow_long_acks(&mut self) {
        self.long_acks = true;
    }

    /// Our own session id.
    #[must_use]
    pub const fn session_id(&self) -> SessionId {
        self.session_id
    }

    /// The peer's session id, once its reset came.
    #[must_use]
    pub const fn peer_session_id(&self) -> Option<SessionId> {
        self.peer_session_id
    }

    /// Whether the packet is from and for the session that we are in.
    fn check_session(&self, opened: &Opened, body: &ControlBody<'_>) -> Result<(), Rejected> {
        let from_peer = self
            .peer_session_id
            .is_none_or(|known| known == opened.session_id);
        let opens_session = self.hard_resets().contains(&opened.head.opcode);
        if !from_peer || (self.peer_session_id.is_none() && !opens_session) {
            return Err(Rejected::UnknownSession);
        }
        match body.acks {
            Some(acks) if acks.peer_session_id != self.session_id => Err(Rejected::ForAnother),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the packet's kind, key id and message id go together; makes a lane if the peer may begin one. The
    /// answer is whether it did.
    fn admit(
        &mut self,
        now: Instant,
        head: PacketHead,
        body: &ControlBody<'_>,
    ) -> Result<bool, Rejected> {
        let is_hard = head.opcode.is_reset() && head.opcode != Opcode::SoftReset;
        let wrong_way = is_hard && !self.hard_resets().contains(&head.opcode)
            || head.opcode == Opcode::ControlWkc && self.side == Side::Client;
        let wrong_key = is_hard != (head.key_id == KeyId::FIRST) && head.opcode.is_reset();
        let wrong_id = body
            .message
            .is_some_and(|message| (message.message_id == 0) != head.opcode.is_reset());
        if wrong_way || wrong_key || wrong_id {
            return Err(Rejected::Misplaced);
        }
        if self.side == Side::Client && is_hard && self.peer_session_id.is_none() {
            let payload = body.message.map_or(&[][..], |message| message.payload);
            let early = EarlyNegotiation::decode(payload).map_err(Rejected::EarlyNegotiation)?;
            self.resend_client_key = early.resend_wkc && self.wrapper.has_client_key();
        }
        if self.key_states.contains_key(&head.key_id) {
            return Ok(false);
        }
        if !head.opcode.is_reset() || self.expected != Some(head.key_id) {
            return Err(Rejected::UnknownKey);
        }
        self.expected = None;
        let answer = if is_hard {
            Opcode::HardResetServerV2
        } else {
            Opcode::SoftReset
        };
        self.begin_key_state(now, head.key_id, answer, Vec::new());
        Ok(true)
    }

    /// The resets with which the peer may open the session.
    const fn hard_resets(&self) -> &'static [Opcode] {
        match self.side {
            Side::Client => &[Opcode::HardResetServerV2],
            #[cfg(any(test, fuzzing))]
            Side::Server => &[Opcode::HardResetClientV2, Opcode::HardResetClientV3],
        }
    }

    fn begin_key_state(&mut self, now: Instant, key_id: KeyId, reset: Opcode, payload: Vec<u8>) {
        let mut send = SendWindow::new(self.transport, self.tls_timeout);
        send.push(now, reset, payload);
        let key_state = KeyState {
            send,
            receive: RecvWindow::default(),
            unsent: VecDeque::new(),
        };
        self.key_states.insert(key_id, key_state);
    }

    /// The next packet of one lane: a message with acknowledgements, or these alone.
    fn poll_key_state(
        &mut self,
        now: Instant,
        wall_seconds: u32,
        key_id: KeyId,
    ) -> Option<Vec<u8>> {
        self.cut_messages(now, key_id);
        let most_alone = self.most_acks_alone();
        let peer_session_id = self.peer_session_id;
        let key_state = self.key_states.get_mut(&key_id)?;
        let acks = |ids: AckList| {
            let peer_session_id = peer_session_id?;
            (!ids.is_empty()).then_some(Acks {
                ids,
                peer_session_id,
            })
        };
        let owes = key_state.receive.owes_acks();
        let (opcode, body) = match key_state.send.take_due(now) {
            Some(due) => {
                let acks = acks(key_state.receive.take_acks(MOST_ACKS_WITH_MESSAGE));
                let message = Some(Message {
                    message_id: due.message_id,
                    payload: &due.payload,
                });
                (due.opcode, ControlBody { acks, message })
            }
            None if owes => {
                let acks = acks(key_state.receive.take_acks(most_alone));
                (
                    Opcode::Ack,
                    ControlBody {
                        acks,
                        message: None,
                    },
                )
            }
            None => return None,
        };
        let head = PacketHead { opcode, key_id };
        Some(
            self.wrapper
                .seal(wall_seconds, head, self.session_id, &body),
        )
    }

    /// Cuts what is to be sent into messages, as far as the window has room.
    fn cut_messages(&mut self, now: Instant, key_id: KeyId) {
        while let Some(key_state) = self.key_states.get_mut(&key_id) {
            let brings_client_key =
                self.resend_client_key && key_id == KeyId::FIRST && key_state.send.next_id() == 1;
            let ack_must_go = brings_client_key && key_state.receive.owes_acks();
            if !key_state.send.has_room() || (key_state.unsent.is_empty() && !ack_must_go) {
                return;
            }
            let opcode = if brings_client_key {
                Opcode::ControlWkc
            } else {
                Opcode::Control
            };
            let overhead = self.wrapper.overhead(PacketHead { opcode, key_id }) + BODY_OVERHEAD;
            let room = self.packet_max.saturating_sub(overhead);
            // A packet too small for the client key takes nothing else; every other one takes a little at least.
            let room = if brings_client_key {
                room
            } else {
                room.max(SMALLEST_PAYLOAD)
            };
            let len = room.min(key_state.unsent.len());
            let payload = key_state.unsent.drain(..len).collect();
            key_state.send.push(now, opcode, payload);
        }
    }

    /// How many acknowledgements go into a packet of their own.
    fn most_acks_alone(&self) -> usize {
        let short = self.side == Side::Client && self.wrapper.is_none() && !self.long_acks;
        if short {
            MOST_ACKS_WITH_MESSAGE
        } else {
            AckList::MAX
        }
    }
}

/// One key's share of the channel.
#[derive(Debug)]
struct KeyState {
    send: SendWindow,
    receive: RecvWindow,
    /// Written, but not cut into messages.
    unsent: VecDeque<u8>,
}

const fn ip_overhead(transport: Transport, ipv6: bool) -> usize {
    let ip = if ipv6 { 40 } else { 20 };
    match transport {
        // The length prefix belongs to the packet, as far as space is concerned.
        Transport::Tcp => ip + 20 + 2,
        Transport::Udp => ip + 8,
    }
}

const SMALLEST_PACKET: u16 = 154;
const LARGEST_PACKET: u16 = 2048;
const SMALLEST_PAYLOAD: usize = 16;
const MOST_ACKS_WITH_MESSAGE: usize = 4;
/// Session id, four acknowledgements with their count and session id, message id.
const BODY_OVERHEAD: usize = 8 + 1 + 4 * MOST_ACKS_WITH_MESSAGE + 8 + 4;

#[cfg(test)]
mod tests;
