//! A link that loses, delays, reorders and duplicates, by a seed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::clock::Chance;

/// How bad a link is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Quality {
    /// How many of a hundred packets are lost.
    pub(crate) loss: u64,
    /// How many of a hundred packets arrive twice.
    pub(crate) duplication: u64,
    /// How long a packet is on its way at least, in milliseconds.
    pub(crate) delay: u64,
    /// How much longer at most; packets overtake each other then.
    pub(crate) jitter: u64,
}

impl Quality {
    /// Nothing is lost, and all stays in order.
    pub(crate) const PERFECT: Self = Self {
        loss: 0,
        duplication: 0,
        delay: 20,
        jitter: 0,
    };

    /// Nothing arrives.
    pub(crate) const DEAD: Self = Self {
        loss: 100,
        ..Self::PERFECT
    };

    /// Three of ten packets are lost, one of ten arrives twice, and they overtake each other.
    pub(crate) const BAD: Self = Self {
        loss: 30,
        duplication: 10,
        delay: 10,
        jitter: 200,
    };
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToClient,
    ToServer,
}

/// Packets on their way.
#[derive(Debug)]
pub(crate) struct Link {
    /// May be changed at any time.
    pub(crate) quality: Quality,
    /// One of so many packets to the client has a bit flipped; 0: none.
    pub(crate) damage_one_in: u64,
    chance: Chance,
    in_flight: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    sent: u64,
}

impl Link {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            damage_one_in: 0,
            chance: Chance::new(seed),
            in_flight: BTreeMap::new(),
            sent: 0,
        }
    }

    pub(crate) fn send(&mut self, now: Instant, way: Way, packet: &[u8]) {
        let copies = 1 + u64::from(self.chance.below(100) < self.quality.duplication);
        for _ in 0..copies {
            if self.chance.below(100) < self.quality.loss {
                continue;
            }
            let delay = self.quality.delay + self.chance.below(self.quality.jitter);
            let mut packet = packet.to_vec();
            if way == Way::ToClient
                && self.damage_one_in > 0
                && self.chance.below(self.damage_one_in) == 0
            {
                self.damage(&mut packet);
            }
            self.sent += 1;
            self.in_flight.insert(
                (now + Duration::from_millis(delay), self.sent),
                (way, packet),
            );
        }
    }

    fn damage(&mut self, packet: &mut [u8]) {
        let position = self.chance.below(packet.len() as u64);
        if let Some(byte) = usize::try_from(position)
            .ok()
            .and_then(|position| packet.get_mut(position))
        {
            *byte ^= 1 << self.chance.below(8);
        }
    }

    /// Nothing arrives any more, not even what is on its way.
    pub(crate) fn cut(&mut self) {
        self.quality = Quality::DEAD;
        self.in_flight.clear();
    }

    /// When the next packet arrives.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the next packet that has arrived at `now`.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<(Way, Vec<u8>)> {
        let first = self.in_flight.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
