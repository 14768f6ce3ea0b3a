//! Whether the server still knows us: asked after a sleep, because its own timers did not sleep.

use std::time::{Duration, Instant};

/// Asks a few times in a row, and concludes from silence; but not while no way leads to the server.
#[derive(Debug, Default)]
pub(super) struct LivenessCheck {
    state: State,
    /// No way leads to the server.
    is_cut_off: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the server for a sign of life.
    Ask,
    /// It does not answer: this is the end.
    GiveUp {
        /// For how long it was asked.
        silence: Duration,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// The server is asked.
    Asking { since: Instant, ask_at: Instant },
    #[default]
    Sure,
    /// It will be asked when there is a way to it.
    Waiting,
}

impl LivenessCheck {
    /// The machine woke up.
    pub(super) fn begin(&mut self, now: Instant) {
        self.state = State::Waiting;
        self.resume(now);
    }

    /// No way leads to the server any more: that it is silent means nothing.
    pub(super) fn cut_off(&mut self) {
        self.is_cut_off = true;
        if let State::Asking { .. } = self.state {
            self.state = State::Waiting;
        }
    }

    /// The way is another one, or there is one again: who was asked on the old one need not have heard it.
    pub(super) fn path_changed(&mut self, now: Instant) {
        self.is_cut_off = false;
        if self.state != State::Sure {
            self.state = State::Waiting;
            self.resume(now);
        }
    }

    /// What is due at `now`, where the server was heard last at `heard_at`.
    pub(super) fn step(&mut self, now: Instant, heard_at: Instant) -> Option<Step> {
        let State::Asking { since, ask_at } = self.state else {
            return None;
        };
        if heard_at > since {
            self.state = State::Sure;
            return None;
        }
        if now >= since + PATIENCE {
            self.state = State::Sure;
            return Some(Step::GiveUp { silence: PATIENCE });
        }
        if now < ask_at {
            return None;
        }
        self.state = State::Asking {
            since,
            ask_at: now + INTERVAL,
        };
        Some(Step::Ask)
    }

    /// When to ask [`LivenessCheck::step`] again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Asking { since, ask_at } => Some(ask_at.min(since + PATIENCE)),
            State::Sure | State::Waiting => None,
        }
    }

    fn resume(&mut self, now: Instant) {
        if !self.is_cut_off {
            self.state = State::Asking {
                since: now,
                ask_at: now,
            };
        }
    }
}

/// Long enough for any network that works, and for a few questions that get lost.
const PATIENCE: Duration = Duration::from_secs(5);
const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const SECOND: Duration = Duration::from_secs(1);
    const GIVE_UP: Step = Step::GiveUp { silence: PATIENCE };

    /// The steps until nothing is due any more, and when.
    fn walk(
        liveness_check: &mut LivenessCheck,
        begin: Instant,
        heard_at: Instant,
    ) -> Vec<(Duration, Step)> {
        let mut steps = Vec::new();
        while let Some(at) = liveness_check.deadline() {
            steps.extend(
                liveness_check
                    .step(at, heard_at)
                    .map(|step| (at - begin, step)),
            );
        }
        steps
    }

    #[test]
    fn a_silent_server_is_asked_a_few_times_and_given_up() {
        let begin = start();
        let mut liveness_check = LivenessCheck::default();
        liveness_check.begin(begin);
        let mut expected: Vec<_> = (0..5).map(|second| (SECOND * second, Step::Ask)).collect();
        expected.push((PATIENCE, GIVE_UP));
        assert_eq!(walk(&mut liveness_check, begin, begin), expected);
    }

    #[test]
    fn a_server_that_was_heard_is_asked_no_more() {
        let begin = start();
        let mut liveness_check = LivenessCheck::default();
        liveness_check.begin(begin);
        assert_eq!(liveness_check.step(begin, begin), Some(Step::Ask));
        assert_eq!(walk(&mut liveness_check, begin, begin + SECOND / 10), []);
    }

    #[test]
    fn silence_means_nothing_while_no_way_leads_to_the_server() {
        let begin = start();
        let mut liveness_check = LivenessCheck::default();
        liveness_check.cut_off();
        liveness_check.begin(begin);
        assert_eq!(liveness_check.deadline(), None);
        liveness_check.path_changed(begin + 60 * SECOND);
        assert_eq!(
            liveness_check.step(begin + 60 * SECOND, begin),
            Some(Step::Ask)
        );
        liveness_check.cut_off();
        assert_eq!(liveness_check.deadline(), None);
        liveness_check.path_changed(begin + 90 * SECOND);
        let steps = walk(&mut liveness_check, begin, begin);
        assert_eq!(steps.last(), Some(&(95 * SECOND, GIVE_UP)));
    }

    #[test]
    fn another_way_alone_raises_no_doubt() {
        let mut liveness_check = LivenessCheck::default();
        liveness_check.cut_off();
        liveness_check.path_changed(start());
        assert_eq!(liveness_check.deadline(), None);
    }
}
