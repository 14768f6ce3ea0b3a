//! Ping to be sent, peer to be heard, peer lost.

use std::time::{Duration, Instant};

/// The two timers of a tunnel. Setting them back is all that happens per packet.
#[derive(Debug)]
pub(super) struct Keepalive {
    ping: Option<Duration>,
    silence: Option<Duration>,
    sent: Instant,
    heard: Instant,
    lost: bool,
}

impl Keepalive {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            ping: None,
            silence: None,
            sent: now,
            heard: now,
            lost: false,
        }
    }

    pub(super) fn set(&mut self, now: Instant, ping: Option<Duration>, silence: Option<Duration>) {
        *self = Self {
            ping: ping.filter(|interval| !interval.is_zero()),
            silence: silence.filter(|limit| !limit.is_zero()),
            ..Self::new(now)
        };
    }

    #[inline]
    pub(super) const fn sent(&mut self, now: Instant) {
        self.sent = now;
    }

    #[inline]
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.lost = false;
    }

    pub(super) const fn heard_at(&self) -> Instant {
        self.heard
    }

    /// Whether a ping is due at `now`; the interval begins anew.
    pub(super) fn take_ping(&mut self, now: Instant) -> bool {
        let due = self.ping_at().is_some_and(|at| at <= now);
        if due {
            self.sent = now;
        }
        due
    }

    /// The limit, if it has passed in silence; said once.
    pub(super) fn take_lost(&mut self, now: Instant) -> Option<Duration> {
        if self.lost_at()? > now {
            return None;
        }
        self.lost = true;
        self.silence
    }

    pub(super) fn ping_at(&self) -> Option<Instant> {
        self.ping.map(|interval| self.sent + interval)
    }

    pub(super) fn lost_at(&self) -> Option<Instant> {
        let at = self.silence.map(|limit| self.heard + limit);
        at.filter(|_| !self.lost)
    }
}
