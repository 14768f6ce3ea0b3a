//! Packets that are not the server's, or came twice: told to the log in numbers, ever more seldom while they go on.

use std::time::{Duration, Instant};

use openvpn_engine::data::{DropReason, Stats};

/// How many were told of, and when to tell again at the earliest.
#[derive(Debug)]
pub(crate) struct Unauthenticated {
    told: u64,
    quiet_until: Instant,
    pause: Duration,
}

/// What is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Notice {
    /// How many came since the last time.
    pub(crate) packets: u64,
    /// Why most of all of them were dropped.
    pub(crate) most: DropReason,
}

impl Unauthenticated {
    pub(crate) const fn new(now: Instant) -> Self {
        Self {
            told: 0,
            quiet_until: now,
            pause: SHORTEST_PAUSE,
        }
    }

    /// What is to be told of these counters: nothing of a few, which every network makes.
    pub(crate) fn notice(&mut self, now: Instant, sum: &Stats) -> Option<Notice> {
        if now < self.quiet_until {
            return None;
        }
        let dropped = |reason: &DropReason| sum.dropped(*reason);
        let all: u64 = FOREIGN.iter().map(dropped).sum();
        let packets = all - self.told;
        let most = FOREIGN.into_iter().max_by_key(dropped)?;
        if packets < FEW {
            self.told = all;
            self.quiet_until = now + SHORTEST_PAUSE;
            self.pause = SHORTEST_PAUSE;
            return None;
        }
        self.told = all;
        self.quiet_until = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Some(Notice { packets, most })
    }
}

/// Why a packet is dropped that somebody else has sent, or sends again.
const FOREIGN: [DropReason; 7] = [
    DropReason::Buffer,
    DropReason::Control,
    DropReason::Decrypt,
    DropReason::Hmac,
    DropReason::Replay,
    DropReason::ReplayBacktrack,
    DropReason::ReplayInvalid,
];
/// So few within a pause are not worth a word.
const FEW: u64 = 100;
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn a_flood_of_a_day_is_told_of_in_a_few_lines() {
        let begin = start();
        let mut unauthenticated = Unauthenticated::new(begin);
        let mut stats = Stats::default();
        let mut told = Vec::new();
        let seconds = 24 * 60 * 60;
        for second in 0..seconds {
            stats.drop_many(DropReason::Decrypt, 1000);
            stats.drop(DropReason::Replay);
            let now = begin + Duration::from_secs(second);
            told.extend(unauthenticated.notice(now, &stats));
        }
        assert!(told.len() < 40, "{}", told.len());
        assert!(told.iter().all(|it| it.most == DropReason::Decrypt));
        let packets: u64 = told.iter().map(|it| it.packets).sum();
        assert!(packets > (seconds - 3600) * 1001);
    }

    #[test]
    fn a_few_are_not_worth_a_word() {
        let begin = start();
        let mut unauthenticated = Unauthenticated::new(begin);
        let mut stats = Stats::default();
        for second in 0..3600 {
            stats.drop(DropReason::ReplayBacktrack);
            let now = begin + Duration::from_secs(second);
            assert_eq!(unauthenticated.notice(now, &stats), None);
        }
    }

    #[test]
    fn after_a_quiet_time_the_next_flood_is_told_of_at_once() {
        let begin = start();
        let mut unauthenticated = Unauthenticated::new(begin);
        let mut stats = Stats::default();
        let mut at = |seconds, packets| {
            stats.drop_many(DropReason::Control, packets);
            unauthenticated.notice(begin + Duration::from_secs(seconds), &stats)
        };
        assert!(at(1, 100).is_some());
        assert!(at(20, 100).is_some());
        assert_eq!(at(60, 0), None);
        assert_eq!(
            at(70, 100),
            Some(Notice {
                packets: 100,
                most: DropReason::Control
            })
        );
        assert!(at(80, 100).is_some(), "and the pauses begin anew");
    }
}
