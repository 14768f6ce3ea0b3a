//! Virtual time, and chance that repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::Environment;
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

/// The moment at which virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "virtual time counts from it and never asks again"
)]
pub(crate) fn start() -> Instant {
    Instant::now()
}

/// Numbers from a seed (the generator that is called split-mix).
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The same seed gives the same numbers.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// The next byte.
    pub(crate) const fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// The next number below `limit`.
    pub(crate) const fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.next() % limit }
    }
}

const fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The wall clock, standing still: the tests' certificates are valid then.
#[derive(Debug)]
struct WallClock;

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        // The certificates of `tests/data/pki` were made before, and live for a hundred years.
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            1_900_000_000,
        )))
    }
}

/// Randomness that repeats, for everything but the key exchange inside of TLS.
#[derive(Debug)]
struct Repeating(AtomicU64);

impl SecureRandom for Repeating {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        for chunk in bytes.chunks_mut(8) {
            let step = 0x9e37_79b9_7f4a_7c15;
            let state = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
            let number = mix(state).to_be_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
        Ok(())
    }
}

/// What a machine lives in, made from a seed.
pub(crate) fn environment(seed: u64) -> Environment {
    let random: &'static Repeating = Box::leak(Box::new(Repeating(AtomicU64::new(seed))));
    Environment {
        provider: Arc::new(CryptoProvider {
            secure_random: random,
            ..rustls::crypto::ring::default_provider()
        }),
        wall_clock: Arc::new(WallClock),
        clock_trust: None,
    }
}
