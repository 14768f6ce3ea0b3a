//! The exit notification: in the control channel, or by messages in the data channel.

use std::time::{Duration, Instant};

use super::data_channel::Tunnel;
use super::outputs::Outputs;

/// an exit notification on its way.
#[derive(Debug)]
pub(super) struct ExitNotification {
    manner: Manner,
    /// Exit notifications yet to be sent in the data channel; they are not acknowledged.
    notifications_left: u8,
    next_notification: Instant,
    ends_at: Instant,
}

/// Where the exit notification is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// In both channels: whether the control channel carries anything is not known.
    Both,
    /// `EXIT` was sent in the control channel; the data channel says it too if no acknowledgement comes. OpenVPN before
    /// 2.6.11 forgets a client at once and acknowledges nothing.
    Control,
    /// In the data channel alone.
    Data,
}

impl ExitNotification {
    pub(super) fn new(now: Instant, manner: Manner, exit_notifications: u8) -> Self {
        let pause = match manner {
            Manner::Control => PAUSE,
            Manner::Both | Manner::Data => Duration::ZERO,
        };
        Self {
            manner,
            notifications_left: exit_notifications.min(MOST_GOODBYES),
            next_notification: now + pause,
            ends_at: now + LONGEST,
        }
    }

    /// Sends the next exit notification if it is due.
    pub(super) fn tick(&mut self, now: Instant, tunnel: &mut Tunnel, out: &mut Outputs) {
        if self.notifications_left == 0 || now < self.next_notification {
            return;
        }
        self.notifications_left -= 1;
        self.next_notification = now + PAUSE;
        if let Some(packet) = tunnel.data.exit_message(now) {
            out.transmit(packet);
        }
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_over(&self, now: Instant, all_acknowledged: bool) -> bool {
        let said = match self.manner {
            Manner::Both => self.notifications_left == 0 && all_acknowledged,
            Manner::Control => all_acknowledged,
            Manner::Data => self.notifications_left == 0,
        };
        said || now >= self.ends_at
    }

    pub(super) fn deadline(&self) -> Instant {
        if self.notifications_left == 0 {
            self.ends_at
        } else {
            self.next_notification.min(self.ends_at)
        }
    }
}

/// The time for an acknowledgement. Whoever stops a session waits for it.
const LONGEST: Duration = Duration::from_millis(600);
/// Between two exit notifications in the data channel.
const PAUSE: Duration = Duration::from_millis(120);
const MOST_GOODBYES: u8 = 5;
