//! How much passes per second, by samples of the counters.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use openvpn_engine::data::Stats;

/// The last samples.
#[derive(Debug, Default)]
pub struct Rates {
    samples: VecDeque<(Instant, Stats)>,
}

/// Bytes per second on the path to the server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rate {
    /// Received.
    pub received: u64,
    /// Sent.
    pub sent: u64,
}

impl Rates {
    /// Takes a sample.
    pub fn sample(&mut self, now: Instant, stats: Stats) {
        // The last of those that are too old stays: there is always one to compare with.
        while self.samples.len() > 1 && self.age(1, now).is_some_and(|age| age >= WINDOW) {
            self.samples.pop_front();
        }
        let recent = self.samples.back().is_some_and(|(at, _)| now < *at + APART);
        if !recent {
            self.samples.push_back((now, stats));
        }
    }

    /// The rate from the oldest sample on; `None` before there is one.
    #[must_use]
    pub fn rate(&self, now: Instant, stats: &Stats) -> Option<Rate> {
        let (at, before) = self.samples.front()?;
        let millis = u64::try_from(now.saturating_duration_since(*at).as_millis()).ok()?;
        let per_second = |now: u64, before: u64| {
            (millis > 0).then(|| now.saturating_sub(before).saturating_mul(1000) / millis)
        };
        Some(Rate {
            received: per_second(stats.received.bytes, before.received.bytes)?,
            sent: per_second(stats.sent.bytes, before.sent.bytes)?,
        })
    }

    fn age(&self, number: usize, now: Instant) -> Option<Duration> {
        let (at, _) = self.samples.get(number)?;
        Some(now.saturating_duration_since(*at))
    }
}

/// Samples older than this do not count if there is a newer one as old.
const WINDOW: Duration = Duration::from_secs(10);
/// Samples are at least this far apart.
const APART: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock::Clock;

    fn stats(received: usize) -> Stats {
        let mut stats = Stats::default();
        stats.received.add(received);
        stats
    }

    #[test]
    fn the_rate_is_that_of_the_last_seconds() {
        let start = Clock::start().now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rates = Rates::default();
        assert_eq!(rates.rate(start, &stats(0)), None);
        rates.sample(start, stats(0));
        assert_eq!(
            rates.rate(at(2), &stats(3000)).map(|it| it.received),
            Some(1500)
        );
        rates.sample(at(100), stats(9000));
        rates.sample(at(110), stats(9000));
        rates.sample(at(120), stats(9000));
        assert_eq!(
            rates.rate(at(121), &stats(9000)).map(|it| it.received),
            Some(0)
        );
    }
}
