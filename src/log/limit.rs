//! So many records of a kind and no more: a flood of one kind neither fills the journal nor hides the others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};

use crate::sys::clock::Clock;

/// Counts records by the line of ours that they come from.
#[derive(Debug)]
pub(crate) struct Limit {
    clock: Clock,
    kinds: Mutex<Kinds>,
}

/// Records that were held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeldBack {
    /// The message of the last one.
    pub(crate) message: String,
    /// How many there were.
    pub(crate) count: u64,
}

/// What is to be done when a record comes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CheckReport {
    /// It is to be written.
    pub(crate) passes: bool,
    /// To be told first.
    pub(crate) held_back: Vec<HeldBack>,
}

impl Default for Limit {
    fn default() -> Self {
        Self {
            clock: Clock::start(),
            kinds: Mutex::default(),
        }
    }
}

impl Limit {
    /// Judges a record with this message. Errors always pass, of which each session has one, and so does what only those
    /// see who ask for it.
    pub(crate) fn judge(&self, about: &Metadata<'_>, message: &str) -> CheckReport {
        let kind = [Level::INFO, Level::WARN]
            .contains(about.level())
            .then(|| about.name());
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.judge(self.clock.now(), kind, message)
    }
}

#[derive(Debug, Default)]
struct Kinds(BTreeMap<&'static str, Kind>);

/// Records of one kind.
#[derive(Debug)]
struct Kind {
    since: Instant,
    written: u32,
    held_back: HeldBack,
}

impl Kinds {
    /// `kind` is `None` for what always passes.
    fn judge(&mut self, now: Instant, kind: Option<&'static str>, message: &str) -> CheckReport {
        let held_back = self.over(now);
        let passes = kind.is_none_or(|kind| {
            let kind = self.0.entry(kind).or_insert_with(|| Kind {
                since: now,
                written: 0,
                held_back: HeldBack {
                    message: String::new(),
                    count: 0,
                },
            });
            let passes = kind.written < MOST;
            if passes {
                kind.written += 1;
            } else {
                kind.held_back.count += 1;
                message.clone_into(&mut kind.held_back.message);
            }
            passes
        });
        CheckReport { passes, held_back }
    }

    /// What was held back of those kinds whose time is over; they begin anew.
    fn over(&mut self, now: Instant) -> Vec<HeldBack> {
        let mut held_back = Vec::new();
        self.0.retain(|_, kind| {
            let lasts = now < kind.since + INTERVAL;
            if !lasts && kind.held_back.count > 0 {
                held_back.push(kind.held_back.clone());
            }
            lasts
        });
        held_back
    }
}

/// So many of a kind are written within the interval: more than any session that is well has to say.
const MOST: u32 = 50;
const INTERVAL: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn of_a_flood_the_first_ones_are_written_and_then_their_number() {
        let begin = start();
        let mut kinds = Kinds::default();
        let mut flood = |kind| {
            let judge = |_| kinds.judge(begin, Some(kind), "the server says");
            (0..100_000).map(judge).filter(|it| it.passes).count()
        };
        assert_eq!(flood("one"), 50);
        assert_eq!(flood("another"), 50, "it is counted by itself");

        let next = kinds.judge(begin + INTERVAL, Some("a third"), "connected");
        let held_back = HeldBack {
            message: "the server says".to_owned(),
            count: 99_950,
        };
        assert!(next.passes);
        assert_eq!(next.held_back, [held_back.clone(), held_back]);
        let next = kinds.judge(begin + INTERVAL, Some("one"), "the server says");
        assert!(next.passes, "it begins anew");
        assert_eq!(next.held_back, []);
    }

    #[test]
    fn what_happens_now_and_then_is_always_written() {
        let mut now = start();
        let mut kinds = Kinds::default();
        for _ in 0..1000 {
            now += Duration::from_secs(10);
            let judged = kinds.judge(now, Some("trying again"), "trying again");
            assert!(judged.passes);
            assert_eq!(judged.held_back, []);
        }
    }

    #[test]
    fn errors_always_pass() {
        let begin = start();
        let mut kinds = Kinds::default();
        for _ in 0..1000 {
            assert!(kinds.judge(begin, None, "the session cannot go on").passes);
        }
    }
}
