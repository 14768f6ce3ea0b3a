//! How large packets may be on their way to the server and back: it is asked to answer a packet of a size by another.

use std::time::{Duration, Instant};

use crate::event::PathLimit;

/// A search for the largest packets that pass. Without an answer to small ones nothing is concluded: not every server
/// knows the question.
#[derive(Debug, Default)]
pub(super) struct PathProbe {
    /// Ascending; the last one is that of a full packet of the tunnel.
    sizes: Vec<Size>,
    search: Option<Search>,
    peer_behaviour: PeerBehaviour,
}

/// One size that is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes of the IP packet on the way.
    pub(super) packet: u16,
    /// Bytes of the payload that makes such a packet.
    pub(super) payload: u16,
}

impl From<Size> for PathLimit {
    fn from(Size { packet, payload }: Size) -> Self {
        Self { packet, payload }
    }
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a question of this size, and ask for an answer of as much; `extra` for a server that counts more than there
    /// is around a payload.
    Ask {
        /// The size.
        size: Size,
        /// To be added to the size of the answer.
        extra: u16,
    },
    /// The search is over.
    Done(Verdict),
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Full packets pass.
    AllPass,
    /// Packets pass up to this size, and larger ones do not.
    Limit(Size),
    /// The server does not answer such questions.
    NoAnswer,
}

#[derive(Debug)]
struct Search {
    /// Index of the size that is tried.
    trying: usize,
    asked: u8,
    asked_at: Instant,
    next_at: Instant,
    /// All questions of this search.
    questions: u8,
    /// Index of the largest size that was answered.
    passes: Option<usize>,
    /// Index of the smallest size above it that was not.
    silent: Option<usize>,
}

/// How the server answers, as far as its answers show it.
#[derive(Debug, Clone, Copy)]
struct PeerBehaviour {
    /// How much shorter its first answer was than asked for.
    extra: Option<u16>,
    /// How much shorter the second one was, when that was added; `None`: there was none, or no need of it.
    lacking: Option<u16>,
    /// How long to wait for one.
    patience: Duration,
}

impl Default for PeerBehaviour {
    fn default() -> Self {
        Self {
            extra: None,
            lacking: None,
            patience: Duration::from_secs(1),
        }
    }
}

impl PeerBehaviour {
    /// Learns from an answer that is `short` of what was asked for. `true`: it is to be asked again, for that as well.
    fn learn(&mut self, short: u16) -> bool {
        let short = if short > MOST_EXTRA { 0 } else { short };
        match (self.extra, self.lacking) {
            (None, _) => {
                self.extra = Some(short);
                self.lacking = (short == 0).then_some(0);
                short > 0
            }
            (Some(_), None) => {
                self.lacking = Some(short);
                false
            }
            (Some(_), Some(_)) => false,
        }
    }
}

impl PathProbe {
    /// A probe for these sizes, ascending.
    pub(super) fn new(sizes: Vec<Size>) -> Self {
        Self {
            sizes,
            ..Self::default()
        }
    }

    /// Begins to search, or begins again: the path may be another one.
    pub(super) fn begin(&mut self, now: Instant) {
        self.search = self.sizes.len().checked_sub(1).map(|last| Search {
            trying: last,
            asked: 0,
            asked_at: now,
            next_at: now + QUIET,
            questions: 0,
            passes: None,
            silent: None,
        });
    }

    /// When to ask [`PathProbe::step`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.search.as_ref().map(|search| search.next_at)
    }

    /// What is due at `now`.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        let search = self.search.as_mut().filter(|it| it.next_at <= now)?;
        let last = self.sizes.len().saturating_sub(1);
        let found = if search.passes == Some(last) {
            Some(Verdict::AllPass)
        } else if search.questions >= MOST_QUESTIONS {
            Some(Verdict::NoAnswer)
        } else if search.asked >= TRIES {
            search.go_on(&self.sizes)
        } else {
            None
        };
        if let Some(verdict) = found {
            self.search = None;
            return Some(Step::Done(verdict));
        }
        search.asked += 1;
        search.questions += 1;
        search.asked_at = now;
        search.next_at = now + self.peer_behaviour.patience;
        Some(Step::Ask {
            size: *self.sizes.get(search.trying)?,
            extra: self.peer_behaviour.extra.unwrap_or(0),
        })
    }

    /// An answer with a payload of so many bytes came in. A step may be due.
    pub(super) fn heard(&mut self, now: Instant, payload: usize) {
        let (Some(search), Ok(payload)) = (&mut self.search, u16::try_from(payload)) else {
            return;
        };
        let Some(asked) = self.sizes.get(search.trying).map(|size| size.payload) else {
            return;
        };
        if search.asked == 1 {
            let there_and_back = now.saturating_duration_since(search.asked_at);
            self.peer_behaviour.patience = (there_and_back * 4).clamp(SHORTEST, LONGEST);
        }
        if self.peer_behaviour.learn(asked.saturating_sub(payload)) {
            search.asked = 0;
            search.next_at = now;
            return;
        }
        let payload = payload.saturating_add(self.peer_behaviour.lacking.unwrap_or(0));
        let passes = self.sizes.iter().rposition(|size| size.payload <= payload);
        if passes > search.passes {
            search.passes = passes;
            search.silent = search.silent.filter(|silent| Some(*silent) > passes);
            search.try_next(self.sizes.len());
            search.next_at = now;
        }
    }
}

impl Search {
    /// Nothing came back of the size that is tried.
    fn go_on(&mut self, sizes: &[Size]) -> Option<Verdict> {
        let confirmed = self.silent == Some(self.trying);
        match self.passes {
            None if self.trying == 0 => return Some(Verdict::NoAnswer),
            Some(passes) if confirmed && self.trying == passes + 1 => {
                return sizes.get(passes).copied().map(Verdict::Limit);
            }
            None | Some(_) => self.silent = Some(self.trying),
        }
        self.try_next(sizes.len());
        None
    }

    /// The full size first, then the smallest, then between what passes and what does not, and last what does not again.
    fn try_next(&mut self, sizes: usize) {
        self.asked = 0;
        self.trying = match (self.passes, self.silent) {
            (None, _) => 0,
            (Some(_), None) => sizes.saturating_sub(1),
            (Some(passes), Some(silent)) => passes + (silent - passes).div_ceil(2),
        };
    }
}

/// From the beginning of a search to the first question: other things happen then.
const QUIET: Duration = Duration::from_secs(1);
const SHORTEST: Duration = Duration::from_millis(300);
const LONGEST: Duration = Duration::from_secs(2);
/// Questions of one size; a lost packet is no limit.
const TRIES: u8 = 3;
const MOST_QUESTIONS: u8 = 80;
/// Old servers count headers that are never there.
const MOST_EXTRA: u16 = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    /// Bytes around a payload.
    const AROUND: u16 = 52;

    fn probe() -> PathProbe {
        let sizes = (576..=1552).step_by(4).map(|packet| Size {
            packet,
            payload: packet - AROUND,
        });
        PathProbe::new(sizes.collect())
    }

    /// A path and the server behind it.
    struct Path {
        limit: u16,
        /// How much shorter than asked for the answers are.
        short: u16,
        answers: bool,
        /// Every n-th packet is lost.
        loses: usize,
    }

    const GOOD: Path = Path {
        limit: 1552,
        short: 0,
        answers: true,
        loses: usize::MAX,
    };

    /// The verdict, how many questions it took, and how long.
    fn search(probe: &mut PathProbe, path: &Path) -> (Verdict, usize, Duration) {
        probe.begin(start());
        let mut now = start();
        let mut questions = 0;
        loop {
            now = probe.deadline().expect("a search goes on").max(now);
            match probe.step(now) {
                None => {}
                Some(Step::Done(verdict)) => {
                    assert_eq!(probe.deadline(), None);
                    return (verdict, questions, now - start());
                }
                Some(Step::Ask { size, extra }) => {
                    questions += 1;
                    let lost = questions % path.loses == 0;
                    let answer = size.packet + extra - path.short;
                    if !lost && path.answers && size.packet.max(answer) <= path.limit {
                        now += Duration::from_millis(20);
                        probe.heard(now, usize::from(answer - AROUND));
                    }
                }
            }
        }
    }

    #[test]
    fn where_all_passes_one_question_is_enough() {
        let (verdict, questions, _) = search(&mut probe(), &GOOD);
        assert_eq!((verdict, questions), (Verdict::AllPass, 1));
    }

    #[test]
    fn the_limit_is_found_to_the_step_below_it() {
        for limit in (576..1552).step_by(7) {
            let (verdict, questions, time) = search(&mut probe(), &Path { limit, ..GOOD });
            let packet = limit / 4 * 4;
            let payload = packet - AROUND;
            assert_eq!(verdict, Verdict::Limit(Size { packet, payload }));
            assert!(questions < 40 && time < Duration::from_secs(15), "{time:?}");
        }
    }

    #[test]
    fn a_server_that_answers_nothing_proves_nothing() {
        let silent = Path {
            answers: false,
            ..GOOD
        };
        let (verdict, questions, _) = search(&mut probe(), &silent);
        assert_eq!((verdict, questions), (Verdict::NoAnswer, 6));
    }

    #[test]
    fn a_lost_packet_is_no_limit() {
        for loses in 2..5 {
            let (verdict, ..) = search(&mut probe(), &Path { loses, ..GOOD });
            assert_eq!(verdict, Verdict::AllPass);
            let narrow = Path {
                limit: 1400,
                loses,
                ..GOOD
            };
            let (verdict, ..) = search(&mut probe(), &narrow);
            assert!(matches!(verdict, Verdict::Limit(Size { packet: 1400, .. })));
        }
    }

    #[test]
    fn servers_that_answer_less_than_asked_for_are_asked_for_more() {
        let (verdict, questions, _) = search(&mut probe(), &Path { short: 44, ..GOOD });
        assert_eq!((verdict, questions), (Verdict::AllPass, 2));
        let narrow = Path {
            limit: 1300,
            short: 44,
            ..GOOD
        };
        let (verdict, ..) = search(&mut probe(), &narrow);
        assert!(matches!(verdict, Verdict::Limit(Size { packet: 1300, .. })));
    }

    #[test]
    fn a_path_that_changed_is_searched_again() {
        let mut probe = probe();
        let narrow = Path {
            limit: 1200,
            ..GOOD
        };
        assert!(matches!(search(&mut probe, &narrow).0, Verdict::Limit(_)));
        assert_eq!(search(&mut probe, &GOOD).0, Verdict::AllPass);
    }

    #[test]
    fn without_sizes_nothing_is_searched() {
        let mut probe = PathProbe::default();
        probe.begin(start());
        assert_eq!(probe.deadline(), None);
    }
}
