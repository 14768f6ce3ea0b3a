//! The counters on their way to the session: the sum over all attempts, once a second and when it is asked for.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tracing::{debug, warn};

use crate::tunnel::Snapshot;
use crate::tunnel::unauthenticated::Unauthenticated;
use openvpn_engine::data::{DropReason, Stats};

/// Publishes what changed, at most once a second; tells the log about drops, at most once in ten.
#[derive(Debug)]
pub(crate) struct Counters {
    sender: watch::Sender<Snapshot>,
    /// The sum over all attempts that have ended.
    ended: Stats,
    published_at: Instant,
    logged: Stats,
    logged_at: Instant,
    unauthenticated: Unauthenticated,
    touched: bool,
}

impl Counters {
    pub(crate) const fn new(sender: watch::Sender<Snapshot>, now: Instant) -> Self {
        Self {
            sender,
            ended: Stats::ZERO,
            published_at: now,
            logged: Stats::ZERO,
            logged_at: now,
            unauthenticated: Unauthenticated::new(now),
            touched: false,
        }
    }

    /// Something may have been counted.
    pub(crate) const fn touched(&mut self) {
        self.touched = true;
    }

    /// Adds the counters of an attempt that has ended.
    pub(crate) fn add(&mut self, attempt: &Stats) {
        self.ended.merge(attempt);
        self.touched = true;
    }

    /// When to ask [`Counters::publish`] again.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.touched.then(|| self.published_at + INTERVAL)
    }

    /// Whether it is time to publish.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Publishes the sum with the present attempt's counters, if it is time.
    pub(crate) fn publish(&mut self, now: Instant, present: impl FnOnce() -> Stats) {
        if !self.is_due(now) {
            return;
        }
        self.touched = false;
        self.published_at = now;
        let sum = self.sum(&present());
        self.sender.send_if_modified(|known| {
            let changed = known.stats != sum;
            known.stats = sum;
            changed
        });
        if let Some(notice) = self.unauthenticated.notice(now, &sum) {
            warn!(
                packets = notice.packets,
                most = notice.most.name(),
                "packets that are not the server's, or came twice, are dropped"
            );
        }
        if now >= self.logged_at + LOG_INTERVAL {
            self.log(&sum);
            self.logged_at = now;
        }
    }

    /// The sum with the present attempt's counters.
    fn sum(&self, present: &Stats) -> Stats {
        let mut sum = self.ended;
        sum.merge(present);
        sum
    }

    /// Answers the request with this number, and all before it.
    pub(crate) fn answer(&self, number: u64, present: &Stats) {
        let stats = self.sum(present);
        let answers = number;
        self.sender.send_replace(Snapshot { stats, answers });
    }

    /// Publishes the sum when no attempt is left.
    pub(crate) fn publish_last(&mut self) {
        self.sender.send_modify(|known| known.stats = self.ended);
    }

    fn log(&mut self, sum: &Stats) {
        for reason in DropReason::ALL {
            let dropped = sum.dropped(reason) - self.logged.dropped(reason);
            if dropped > 0 {
                debug!(
                    reason = reason.name(),
                    packets = dropped,
                    "packets were dropped"
                );
            }
        }
        self.logged = *sum;
    }
}

const INTERVAL: Duration = Duration::from_secs(1);
const LOG_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    #[test]
    fn the_sum_over_attempts_is_published_once_a_second() {
        let begin = start();
        let (sender, mut receiver) = watch::channel(Snapshot::default());
        let mut counters = Counters::new(sender, begin);
        let mut one = Stats::default();
        one.sent.add(10);
        assert_eq!(counters.deadline(), None);
        counters.add(&one);
        counters.publish(begin, || one);
        assert!(!receiver.has_changed().unwrap());
        let later = counters.deadline().unwrap();
        counters.publish(later, || one);
        assert_eq!(receiver.borrow_and_update().stats.sent.bytes, 20);
        counters.touched();
        counters.publish(later + INTERVAL, || one);
        assert!(!receiver.has_changed().unwrap(), "nothing grew");
        counters.publish_last();
        assert_eq!(receiver.borrow_and_update().stats.sent.bytes, 10);
    }
}
