//! How long to wait before the next attempt.

use std::time::Duration;

use rustls::crypto::SecureRandom;

/// The profile's limits for waiting, and how often it went wrong so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    max: Duration,
    rounds_max: Option<u32>,
    failures: u32,
}

impl Backoff {
    /// `base` between attempts, growing to `max`; after `rounds_max` tries of every remote it is enough.
    #[must_use]
    pub fn new(base: Duration, max: Duration, rounds_max: Option<u32>) -> Self {
        Self {
            base: base.max(SHORTEST),
            max: max.max(base).max(SHORTEST),
            rounds_max,
            failures: 0,
        }
    }

    /// Counts a failed attempt.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Counts a failed attempt, unless another address of the same remote is still to be tried.
    pub fn failed_at(&mut self, has_untried_address: bool) {
        if !has_untried_address {
            self.failed();
        }
    }

    /// Forgets what went wrong: a connection stood.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How many attempts went wrong since one went well.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether each of `remotes` has been tried as often as the profile allows.
    #[must_use]
    pub fn is_exhausted(&self, remotes: usize) -> bool {
        self.rounds_max
            .is_some_and(|max| self.rounds(remotes) >= max)
    }

    /// How long to wait now: `base`, doubled with each round after the fourth, up to the maximum; a quarter more or
    /// less, so that many clients of one server do not come back together.
    #[must_use]
    pub fn delay(&self, remotes: usize, random: &dyn SecureRandom) -> Duration {
        let doublings = self.rounds(remotes).saturating_sub(PATIENT_ROUNDS).min(15);
        let wait = self.base.saturating_mul(1 << doublings).min(self.max);
        let spread = wait / 2;
        wait - spread / 2 + spread.mul_f64(fraction(random))
    }

    fn rounds(&self, remotes: usize) -> u32 {
        self.failures / u32::try_from(remotes.max(1)).unwrap_or(u32::MAX)
    }
}

/// A number from 0 up to but not including 1. Without randomness it is one half.
fn fraction(random: &dyn SecureRandom) -> f64 {
    let mut bytes = [0; 4];
    match random.fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_be_bytes(bytes)) / (f64::from(u32::MAX) + 1.0),
        Err(_) => 0.5,
    }
}

/// A number below `limit`, as even as a remainder of 32 bits is.
#[must_use]
pub fn number_below(limit: usize, random: &dyn SecureRandom) -> usize {
    let mut bytes = [0; 4];
    if limit == 0 || random.fill(&mut bytes).is_err() {
        return 0;
    }
    usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(0) % limit
}

/// Rounds before the waiting time begins to double.
const PATIENT_ROUNDS: u32 = 4;
/// Never hammer a server.
const SHORTEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use rustls::crypto::GetRandomFailed;

    use super::*;

    /// Always the same byte.
    #[derive(Debug)]
    struct Loaded(u8);

    impl SecureRandom for Loaded {
        fn fill(&self, buf: &mut [u8]) -> Result<(), GetRandomFailed> {
            buf.fill(self.0);
            Ok(())
        }
    }

    fn after(failures: u32, remotes: usize, random: u8) -> Duration {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300), None);
        backoff.failures = failures;
        backoff.delay(remotes, &Loaded(random))
    }

    #[test]
    fn it_waits_about_a_second_at_first() {
        assert_eq!(after(1, 1, 0), Duration::from_millis(750));
        assert_eq!(after(1, 1, 0x80).as_millis(), 1000);
        assert!(after(1, 1, 0xff) < Duration::from_millis(1251));
    }

    #[test]
    fn it_doubles_after_four_rounds_of_all_remotes_up_to_the_maximum() {
        assert_eq!(after(4, 1, 0), Duration::from_millis(750));
        assert_eq!(after(5, 1, 0), Duration::from_millis(1500));
        assert_eq!(after(9, 2, 0), Duration::from_millis(750));
        assert_eq!(after(10, 2, 0), Duration::from_millis(1500));
        assert_eq!(after(200, 1, 0), Duration::from_secs(225));
        assert!(after(u32::MAX, 1, 0xff) <= Duration::from_secs(375));
    }

    #[test]
    fn the_limit_counts_rounds_not_attempts() {
        let mut backoff = Backoff::new(Duration::ZERO, Duration::ZERO, Some(2));
        for _ in 0..5 {
            assert!(!backoff.is_exhausted(3));
            backoff.failed();
        }
        assert!(!backoff.is_exhausted(3));
        backoff.failed();
        assert!(backoff.is_exhausted(3));
        backoff.succeeded();
        assert!(!backoff.is_exhausted(3));
    }
}
