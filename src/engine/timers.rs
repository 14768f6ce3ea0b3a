//! A table of named deadlines; [`Timers::next`] gives the earliest with its name.

use std::time::{Duration, Instant};

/// Deadlines by name. A handful of them, so a sorted structure would gain nothing.
#[derive(Debug, Default)]
pub struct Timers {
    deadlines: Vec<(&'static str, Instant)>,
}

impl Timers {
    /// Sets or moves the deadline `name`.
    pub fn set(&mut self, name: &'static str, at: Instant) {
        match self.deadlines.iter_mut().find(|(known, _)| *known == name) {
            Some((_, deadline)) => *deadline = at,
            None => self.deadlines.push((name, at)),
        }
    }

    /// Sets or moves the deadline `name`, unless it would be beyond the end of time.
    pub fn set_after(&mut self, name: &'static str, from: Instant, after: Duration) {
        match from.checked_add(after) {
            Some(at) => self.set(name, at),
            None => self.clear(name),
        }
    }

    /// Forgets the deadline `name`.
    pub fn clear(&mut self, name: &'static str) {
        self.deadlines.retain(|(known, _)| *known != name);
    }

    /// When `name` falls due, if it is set.
    #[must_use]
    pub fn get(&self, name: &'static str) -> Option<Instant> {
        self.deadlines
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, at)| *at)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<(&'static str, Instant)> {
        self.deadlines.iter().min_by_key(|(_, at)| *at).copied()
    }

    /// Takes out one deadline that has passed at `now`, the earliest first.
    pub fn take_due(&mut self, now: Instant) -> Option<&'static str> {
        let (name, at) = self.next()?;
        if at > now {
            return None;
        }
        self.clear(name);
        Some(name)
    }
}
