//! `DataPlane`: install, switch and drop keys; seal and open packets in place.

use std::ops::Range;
use std::time::{Duration, Instant};

use rustls::crypto::SecureRandom;

use super::key::{DataKey, KeyError};
use super::stats::Stats;
use crate::engine::config::{CompressionPolicy, MssFix, Transport};

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
    /// Data travels with a SOCKS5 UDP header in front (counts for `mssfix`).
    pub socks_udp: bool,
    /// UDP or TCP (counts for `mssfix`).
    pub transport: Transport,
    /// MTU of the TUN device.
    pub tun_mtu: u16,
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
    stats: Stats,
}

impl DataPlane {
    /// A channel without keys; silence counts from `now`.
    #[must_use]
    pub fn new(setup: DataSetup, _now: Instant) -> Self {
        Self {
            setup,
            stats: Stats::default(),
        }
    }

    /// Installs a key for opening. A key of the same id is replaced.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the parts contradict each other.
    pub fn install(&mut self, _now: Instant, _key: DataKey) -> Result<(), KeyError> {
        Ok(())
    }

    /// Seals with this key from here on. Without such a key nothing changes.
    pub fn switch_to(&mut self, _key_id: u8) {}

    /// Forgets a key.
    pub fn drop_key(&mut self, _key_id: u8) {}

    /// The key that seals, if any.
    #[must_use]
    pub fn sending_key(&self) -> Option<u8> {
        None
    }

    /// Sets both intervals, `None` for never, and begins to count at `now`.
    pub fn set_keepalive(
        &mut self,
        _now: Instant,
        _ping: Option<Duration>,
        _ping_restart: Option<Duration>,
    ) {
    }

    /// Sets the MTU of the TUN device.
    pub fn set_tun_mtu(&mut self, tun_mtu: u16) {
        self.setup.tun_mtu = tun_mtu;
    }

    /// Something authentic was heard beside data packets: the peer is alive.
    pub fn note_heard(&mut self, _now: Instant) {}

    /// Opens a data packet where it lies. The answer is where in `packet` the tunnelled IP packet is; `None`: dropped
    /// and counted, or no traffic (ping and the like).
    pub fn open(&mut self, _now: Instant, _packet: &mut [u8]) -> Option<Range<usize>> {
        None
    }

    /// How many bytes [`DataPlane::seal`] needs in front of a payload (exactly) and behind it (at most).
    #[must_use]
    pub fn seal_room(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Seals the IP packet at `payload` in `buffer` where it lies. The answer is where in `buffer` the finished packet
    /// is; `None`: dropped and counted.
    pub fn seal(
        &mut self,
        _now: Instant,
        _buffer: &mut [u8],
        _payload: Range<usize>,
    ) -> Option<Range<usize>> {
        None
    }

    /// A sealed keepalive packet. `None` without a key.
    pub fn ping(&mut self, _now: Instant) -> Option<&[u8]> {
        None
    }

    /// A sealed goodbye for a server that knows no better way. `None` without a key.
    pub fn exit_message(&mut self, _now: Instant) -> Option<&[u8]> {
        None
    }

    /// The next thing to know; `None` if there is nothing more at `now`.
    pub fn poll(&mut self, _now: Instant) -> Option<Notice> {
        None
    }

    /// When to ask [`DataPlane::poll`] at the latest.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Drops and tunnel traffic. What passes the socket is counted by its owner.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }
}
