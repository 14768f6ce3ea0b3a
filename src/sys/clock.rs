//! The one caller of `Instant::now`: time that goes on while the machine sleeps.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A clock whose `Instant`s are carried forward by `CLOCK_BOOTTIME`: after a suspend, deadlines that passed during the
/// sleep have passed.
#[derive(Debug, Clone)]
pub struct Clock {
    base: Instant,
    base_boottime: Duration,
}

impl Clock {
    /// A clock that agrees with `Instant` at this moment.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one caller")]
        let base = Instant::now();
        Self {
            base,
            base_boottime: boottime(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.base + boottime().saturating_sub(self.base_boottime)
    }

    /// Sleeps until the time is `until`; for ever without one. The timer of the runtime stands still while the machine
    /// sleeps, so that the clock is looked at now and then. Needs a running tokio runtime; may be dropped at any time.
    pub async fn reach(&self, until: Option<Instant>) {
        let Some(until) = until else {
            return std::future::pending().await;
        };
        loop {
            let left = until.saturating_duration_since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }
}

/// How long a passed time may go unnoticed after the machine woke up.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

fn boottime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(
        time.tv_sec.try_into().unwrap_or(0),
        time.tv_nsec.try_into().unwrap_or(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::start();
        let first = clock.now();
        assert!(clock.now() >= first);
    }
}
