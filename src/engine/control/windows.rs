//! How long negotiations, keys and logins may take, by the profile and by what the server pushed.

use std::time::Duration;

use crate::config::Timing;
use crate::profile::pushed::PushedOptions;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// A negotiation, until both halves are exchanged.
    pub hand: Duration,
    /// An old key, counted from the beginning of the negotiation that replaces it.
    pub transition: Duration,
    /// A key, until we renegotiate by ourselves; `None`: forever.
    pub renegotiate: Option<Duration>,
    /// How long the old key goes on sealing, counted from the beginning of the negotiation.
    pub become_primary: Option<Duration>,
}

impl Windows {
    /// What the profile says.
    #[must_use]
    pub const fn new(timing: &Timing) -> Self {
        Self {
            hand: timing.hand_window,
            transition: timing.tran_window,
            renegotiate: timing.reneg,
            become_primary: timing.become_primary,
        }
    }

    /// What the profile and the server say.
    #[must_use]
    pub fn with_pushed(mut self, pushed: &PushedOptions) -> Self {
        let some = |time: Option<Duration>| time.filter(|time| !time.is_zero());
        self.hand = some(pushed.hand_window).unwrap_or(self.hand);
        self.transition = some(pushed.tran_window).unwrap_or(self.transition);
        self.become_primary = some(pushed.become_primary).or(self.become_primary);
        if pushed.reneg.is_some() {
            self.renegotiate = some(pushed.reneg);
        }
        self
    }

    /// How long a renegotiated key waits before it seals: time for the server to finish an authentication that it
    /// postpones.
    #[must_use]
    pub fn until_primary(&self) -> Duration {
        let half = self.renegotiate.map_or(Duration::MAX, |time| time / 2);
        self.become_primary.unwrap_or_else(|| half.min(self.hand))
    }

    /// The longest time that a postponed login is waited for.
    #[must_use]
    pub fn longest_login(&self) -> Duration {
        let half = self.renegotiate.unwrap_or(LONGEST_RENEGOTIATION) / 2;
        half.max(self.hand)
    }
}

/// For the limit of a postponed login where we never renegotiate.
const LONGEST_RENEGOTIATION: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_waits_no_longer_than_half_its_life() {
        let mut windows = Windows::new(&Timing::default());
        assert_eq!(windows.until_primary(), Duration::from_secs(60));
        windows.renegotiate = Some(Duration::from_secs(10));
        assert_eq!(windows.until_primary(), Duration::from_secs(5));
        windows.become_primary = Some(Duration::from_secs(2));
        assert_eq!(windows.until_primary(), Duration::from_secs(2));
    }

    #[test]
    fn the_server_may_change_them_and_switch_renegotiation_off() {
        let windows = Windows::new(&Timing::default());
        let pushed = PushedOptions {
            reneg: Some(Duration::from_secs(0)),
            hand_window: Some(Duration::from_secs(30)),
            tran_window: Some(Duration::from_secs(0)),
            ..PushedOptions::default()
        };
        let windows = windows.with_pushed(&pushed);
        assert_eq!(windows.renegotiate, None);
        assert_eq!(windows.hand, Duration::from_secs(30));
        assert_eq!(windows.transition, Duration::from_secs(3600));
        assert_eq!(windows.until_primary(), Duration::from_secs(30));
    }
}
