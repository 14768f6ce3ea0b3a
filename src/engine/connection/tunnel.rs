//! The data channel of an established connection, with the limits that end it.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::agree::{Agreed, interval, tun_mtu};
use crate::engine::config::ConnectionConfig;
use crate::engine::crypto::static_key::{KeyDirection, StaticKey};
use crate::engine::data::key::DataKey;
use crate::engine::data::plane::{DataPlane, DataSetup};
use crate::engine::error::ConnectionError;
use crate::engine::profile::pushed::PushedOptions;

/// What is there once the server's options are.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) data: DataPlane,
    pub(super) options: PushedOptions,
    agreed: Agreed,
    activity: Option<Activity>,
    session_limit: Option<(Instant, Duration)>,
}

impl Tunnel {
    /// A data channel as agreed on, without keys yet.
    pub(super) fn new(
        now: Instant,
        config: &ConnectionConfig,
        agreed: Agreed,
        setup: DataSetup,
        options: PushedOptions,
    ) -> Self {
        let limit = interval(options.session_timeout, config.timing.session_timeout);
        let mut tunnel = Self {
            data: DataPlane::new(setup, now),
            activity: Activity::new(now, config, &options),
            session_limit: limit.and_then(|limit| Some((now.checked_add(limit)?, limit))),
            options,
            agreed,
        };
        tunnel.set_keepalive(now, config);
        tunnel
    }

    /// Installs a key for opening.
    pub(super) fn install(&mut self, key_id: u8, block: StaticKey) -> Result<(), ConnectionError> {
        let key = DataKey {
            key_id,
            cipher: self.agreed.cipher,
            format: self.agreed.format,
            block,
            direction: KeyDirection::Normal,
            peer_id: self.agreed.peer_id,
            framing: self.agreed.framing,
        };
        self.data
            .install(&key)
            .map_err(|error| ConnectionError::PeerIncompatible(error.to_string()))
    }

    /// Opens a data packet where it lies.
    pub(super) fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        let inner = self.data.open(now, packet)?;
        self.note_traffic(now, inner.len());
        Some(inner)
    }

    /// The packet that came compressed.
    pub(super) fn take_inflated(&mut self, now: Instant) -> Option<&mut [u8]> {
        let inner = self.data.take_inflated()?;
        if let Some(activity) = &mut self.activity {
            activity.note(now, inner.len() as u64);
        }
        Some(inner)
    }

    /// Seals an IP packet where it lies.
    pub(super) fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        let bytes = payload.len();
        let packet = self.data.seal(now, buffer, payload)?;
        self.note_traffic(now, bytes);
        Some(packet)
    }

    /// Puts changed options in force. They are those of `PUSH_UPDATE`: neither keys nor cipher can change.
    pub(super) fn update(
        &mut self,
        now: Instant,
        config: &ConnectionConfig,
        options: PushedOptions,
    ) {
        self.data.set_tun_mtu(tun_mtu(&config.data, &options));
        let keepalive =
            |options: &PushedOptions| (options.ping, options.ping_restart, options.ping_exit);
        let changed = keepalive(&self.options) != keepalive(&options);
        self.options = options;
        if changed {
            self.set_keepalive(now, config);
        }
    }

    /// The limit that is reached at `now`, if any.
    pub(super) fn check_limits(&self, now: Instant) -> Result<(), ConnectionError> {
        if let Some((at, limit)) = self.session_limit {
            if now >= at {
                return Err(ConnectionError::SessionTimeout {
                    seconds: limit.as_secs(),
                });
            }
        }
        match &self.activity {
            Some(activity) if activity.is_over(now) => Err(ConnectionError::Inactive {
                seconds: activity.limit.as_secs(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// When something is to be done, and what.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let named = |at: Option<Instant>, name| at.map(|at| (at, name));
        [
            named(self.data.deadline(), "keepalive"),
            named(self.session_limit.map(|(at, _)| at), "session timeout"),
            named(
                self.activity.as_ref().and_then(Activity::deadline),
                "inactivity",
            ),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn set_keepalive(&mut self, now: Instant, config: &ConnectionConfig) {
        let ping = interval(self.options.ping, config.timing.ping);
        let silence = self.options.ping_exit.or(self.options.ping_restart);
        let silence = interval(silence, config.timing.ping_restart);
        self.data.set_keepalive(now, ping, silence);
    }

    fn note_traffic(&mut self, now: Instant, bytes: usize) {
        if let Some(activity) = &mut self.activity {
            activity.note(now, bytes as u64);
        }
    }
}

/// Watches for `inactive`.
#[derive(Debug)]
struct Activity {
    limit: Duration,
    /// So many bytes count as activity.
    enough: u64,
    bytes: u64,
    since: Instant,
}

impl Activity {
    fn new(now: Instant, config: &ConnectionConfig, options: &PushedOptions) -> Option<Self> {
        let (limit, enough) = options.inactive.or(config.timing.inactive)?;
        (!limit.is_zero()).then_some(Self {
            limit,
            enough,
            bytes: 0,
            since: now,
        })
    }

    const fn note(&mut self, now: Instant, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes >= self.enough {
            self.bytes = 0;
            self.since = now;
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.since.checked_add(self.limit)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| now >= at)
    }
}
