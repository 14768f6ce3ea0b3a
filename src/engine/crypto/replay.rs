//! The sliding window: every packet id at most once.

use std::time::{Duration, Instant};

/// How far behind the newest id another one may be, at most.
pub const WIDEST: u32 = 2048;

/// One bit for each id of the last [`WIDEST`], and as many again: the ring is a power of two, and a word is cleared
/// as a whole when the newest id enters it.
const WORDS: usize = 64;

/// Accepts each id at most once, and none that is too far behind the newest. Id 0 is never accepted.
///
/// The data channel uses it for packet ids of 32 bits and for counters of 48 bits.
#[derive(Debug, Clone)]
pub struct ReplayWindow {
    newest: u64,
    width: u64,
    seen: [u64; WORDS],
}

impl Default for ReplayWindow {
    fn default() -> Self {
        Self::new(WIDEST)
    }
}

impl ReplayWindow {
    /// A window that accepts the newest id and the `width - 1` before it; the width is held within 1 and [`WIDEST`].
    #[must_use]
    pub fn new(width: u32) -> Self {
        Self {
            newest: 0,
            width: u64::from(width.clamp(1, WIDEST)),
            seen: [0; WORDS],
        }
    }

    /// The highest id accepted so far; 0 if none was.
    #[must_use]
    pub const fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether `id` would be accepted. Asked before the packet is authenticated, so that replays cost nothing.
    #[inline]
    #[must_use]
    pub const fn is_new(&self, id: u64) -> bool {
        if id > self.newest {
            return true;
        }
        let (word, bit) = place(id);
        id != 0 && self.newest - id < self.width && self.seen[word] & bit == 0
    }

    /// Marks `id` as seen; `false` if it must not be used. Called once the packet is authenticated.
    #[inline]
    pub fn accept(&mut self, id: u64) -> bool {
        if !self.is_new(id) {
            return false;
        }
        if id > self.newest {
            self.clear_up_to(id);
            self.newest = id;
        }
        let (word, bit) = place(id);
        self.seen[word] |= bit;
        true
    }

    /// Clears the words between the newest id's and that of `id`, each at most once.
    fn clear_up_to(&mut self, id: u64) {
        let from = self.newest / 64;
        let steps = (id / 64 - from).min(WORDS as u64);
        for step in 1..=steps {
            let (word, _) = place((from + step).wrapping_mul(64));
            self.seen[word] = 0;
        }
    }
}

/// Replay protection of the control channel: an id with the sender's time in seconds.
///
/// A later time begins a new window, an earlier one is refused. The first packet may carry any id. When nothing came
/// for 30 s, ids behind the newest are refused.
#[derive(Debug, Clone, Default)]
pub struct TimedReplayWindow {
    sender_time: u32,
    floor: u64,
    last_heard: Option<Instant>,
    window: ReplayWindow,
}

impl TimedReplayWindow {
    /// Marks the pair as seen at `now`; `false` if the packet must be dropped.
    pub fn accept(&mut self, now: Instant, id: u32, sender_time: u32) -> bool {
        let id = u64::from(id);
        if id == 0 || sender_time < self.sender_time {
            return false;
        }
        if sender_time > self.sender_time {
            *self = Self {
                sender_time,
                ..Self::default()
            };
        }
        let quiet = |heard| now.saturating_duration_since(heard) >= BACKTRACK;
        if self.last_heard.is_some_and(quiet) {
            self.floor = self.window.newest();
        }
        let accepted = id > self.floor && self.window.accept(id);
        if accepted {
            self.last_heard = Some(now);
        }
        accepted
    }
}

/// How long after the last packet an older one may still come in.
const BACKTRACK: Duration = Duration::from_secs(30);

/// Where the bit of `id` is.
#[inline]
const fn place(id: u64) -> (usize, u64) {
    ((id / 64 % WORDS as u64) as usize, 1 << (id % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::start;

    #[test]
    fn ids_are_accepted_out_of_order_but_once() {
        let mut window = ReplayWindow::default();
        for id in [1, 3, 2, 5000, 2953, 4999] {
            assert!(window.accept(id), "{id}");
            assert!(!window.accept(id), "{id} again");
        }
        assert!(!window.accept(2952), "one beyond the window");
        assert!(!window.accept(0), "zero is no id");
    }

    #[test]
    fn a_narrow_window_refuses_what_a_wide_one_accepts() {
        let mut window = ReplayWindow::new(64);
        assert!(window.accept(100));
        assert!(!window.accept(36));
        assert!(window.accept(37));
        let mut window = ReplayWindow::new(0);
        assert!(window.accept(2));
        assert!(!window.accept(1));
    }

    #[test]
    fn the_highest_ids_do_not_overflow() {
        let mut window = ReplayWindow::default();
        assert!(window.accept(u64::MAX));
        assert!(window.accept(u64::MAX - 2047));
        assert!(!window.accept(u64::MAX - 2048));
        assert!(!window.accept(u64::MAX));
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set_of_all_ids_seen(
            ids in proptest::collection::vec(prop_oneof![0_u64..300, 1900_u64..2400, 0_u64..20_000], 0..600),
            width in 1_u32..=2048,
        ) {
            let mut window = ReplayWindow::new(width);
            let mut seen = BTreeSet::new();
            for id in ids {
                let newest = seen.last().copied().unwrap_or(0);
                let expected = id > 0 && !seen.contains(&id) && id + u64::from(width) > newest;
                prop_assert_eq!(window.is_new(id), expected);
                prop_assert_eq!(window.accept(id), expected);
                if expected {
                    seen.insert(id);
                }
            }
        }
    }

    #[test]
    fn a_later_time_begins_a_window_and_an_earlier_one_is_refused() {
        let now = start();
        let mut window = TimedReplayWindow::default();
        assert!(window.accept(now, 0x0f00_0001, 1000));
        assert!(!window.accept(now, 0x0f00_0001, 1000));
        assert!(window.accept(now, 1, 1001));
        assert!(!window.accept(now, 0x0f00_0002, 1000));
        assert!(!window.accept(now, 0, 1002));
        assert!(window.accept(now, 2, 1001));
    }

    #[test]
    fn after_a_silence_older_ids_are_refused() {
        let now = start();
        let mut window = TimedReplayWindow::default();
        assert!(window.accept(now, 10, 1));
        assert!(window.accept(now + Duration::from_secs(29), 8, 1));
        assert!(!window.accept(now + Duration::from_secs(59), 9, 1));
        assert!(window.accept(now + Duration::from_secs(59), 11, 1));
    }
}
