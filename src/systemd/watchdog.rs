//! WATCHDOG=1 only while everything turns that a session needs.

use std::future::Future;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{sleep, timeout};
use tracing::warn;

/// The service manager's watchdog over this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchdog {
    limit: Duration,
}

impl Default for Watchdog {
    /// One that nobody minds: what it is fed is not looked at.
    fn default() -> Self {
        Self {
            limit: LONGEST_INTERVAL * 3,
        }
    }
}

impl Watchdog {
    /// The watchdog, if the service manager keeps one for this process.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let mut micros = 0;
        sd_notify::watchdog_enabled(false, &mut micros).then(|| Self {
            limit: Duration::from_micros(micros),
        })
    }

    /// Feeds the watchdog as long as `probe` finds everything turning: it is asked three times within the limit, and
    /// must be done with `true` before it is asked again. Never ends.
    pub async fn feed_while<P>(self, probe: impl FnMut() -> P)
    where
        P: Future<Output = bool>,
    {
        self.feed_by(probe, || {
            drop(sd_notify::notify(false, &[NotifyState::Watchdog]));
        })
        .await;
    }

    async fn feed_by<P>(self, mut probe: impl FnMut() -> P, mut feed: impl FnMut())
    where
        P: Future<Output = bool>,
    {
        let interval = (self.limit / 3).min(LONGEST_INTERVAL);
        loop {
            match timeout(interval, probe()).await {
                Ok(true) => feed(),
                Ok(false) | Err(_) => warn!("something does not turn; the watchdog is not fed"),
            }
            sleep(interval).await;
        }
    }
}

/// Whoever waits for the start of the unit is told as often that it goes on.
const LONGEST_INTERVAL: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    /// How often it is fed within the limit; a few times are enough.
    fn fed_within<P: Future<Output = bool>>(limit: Duration, probe: impl Fn() -> P) -> u32 {
        let fed = Cell::new(0);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let watchdog = Watchdog {
            limit: Duration::from_millis(15),
        };
        runtime.block_on(async {
            let often = poll_fn(|_| {
                if fed.get() < 3 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            });
            tokio::select! {
                () = watchdog.feed_by(probe, || fed.set(fed.get() + 1)) => panic!("it never ends"),
                () = often => {}
                () = sleep(limit) => {}
            }
        });
        fed.get()
    }

    #[test]
    fn it_is_fed_while_everything_turns() {
        assert!(fed_within(Duration::from_secs(60), async || true) > 2);
    }

    #[test]
    fn it_is_not_fed_when_something_hangs_or_says_no() {
        let hanging = async || std::future::pending().await;
        assert_eq!(fed_within(Duration::from_millis(60), hanging), 0);
        assert_eq!(fed_within(Duration::from_millis(60), async || false), 0);
    }
}
