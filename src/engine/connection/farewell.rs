//! Saying goodbye: in the control channel, or by messages in the data channel.

use std::time::{Duration, Instant};

use super::outputs::Outputs;
use super::tunnel::Tunnel;

/// A goodbye on its way.
#[derive(Debug)]
pub(super) struct Farewell {
    /// `EXIT` was sent in the control channel.
    by_control: bool,
    /// Goodbyes yet to be sent in the data channel; they are not acknowledged.
    goodbyes_left: u8,
    next_goodbye: Instant,
    ends_at: Instant,
}

impl Farewell {
    pub(super) fn new(now: Instant, by_control: bool, goodbyes: u8) -> Self {
        Self {
            by_control,
            goodbyes_left: goodbyes.min(MOST_GOODBYES),
            next_goodbye: now,
            ends_at: now + LONGEST,
        }
    }

    /// Sends the next goodbye if it is due.
    pub(super) fn tick(&mut self, now: Instant, tunnel: &mut Tunnel, out: &mut Outputs) {
        if self.goodbyes_left == 0 || now < self.next_goodbye {
            return;
        }
        self.goodbyes_left -= 1;
        self.next_goodbye = now + PAUSE;
        if let Some(packet) = tunnel.data.exit_message(now) {
            out.transmit(packet);
        }
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self, now: Instant, all_acknowledged: bool) -> bool {
        let said = self.goodbyes_left == 0 && (!self.by_control || all_acknowledged);
        said || now >= self.ends_at
    }

    pub(super) fn deadline(&self) -> Instant {
        if self.goodbyes_left == 0 {
            self.ends_at
        } else {
            self.next_goodbye.min(self.ends_at)
        }
    }
}

/// The time for an acknowledgement; a lost `EXIT` is sent again within.
const LONGEST: Duration = Duration::from_secs(2);
/// Between two goodbyes in the data channel.
const PAUSE: Duration = Duration::from_millis(200);
const MOST_GOODBYES: u8 = 5;
