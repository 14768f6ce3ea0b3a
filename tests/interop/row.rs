//! One row of the table: a feature, and how it is tried with a server.

use std::fmt;

use super::cell::Cell;
use super::release::Release;

/// What came of trying a feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is not what the documents say.
    Failed(String),
    /// This release of the server has no such thing.
    NotApplicable,
    /// It works.
    Ok,
    /// It is refused, with the words that the documents promise.
    Refused,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(_) => "FAILED",
            Self::NotApplicable => "n.a.",
            Self::Ok => "ok",
            Self::Refused => "refused",
        })
    }
}

/// A feature and its trial.
pub(crate) struct Row {
    /// The part of the table it belongs to.
    pub(crate) topic: &'static str,
    feature: String,
    /// Pitfalls with real servers that it covers, by number.
    quirks: &'static [u8],
    exists_in: fn(Release) -> bool,
    trial: Trial,
}

type Trial = Box<dyn Fn(&Cell<'_>) -> Outcome + Send + Sync>;

impl Row {
    /// A feature that works or not, by a trial that says what came of it.
    pub(crate) fn new(
        feature: impl Into<String>,
        trial: impl Fn(&Cell<'_>) -> Outcome + Send + Sync + 'static,
    ) -> Self {
        Self {
            topic: "",
            feature: feature.into(),
            quirks: &[],
            exists_in: |_| true,
            trial: Box::new(trial),
        }
    }

    /// A feature that must work; the trial panics if it does not.
    pub(crate) fn works(
        feature: impl Into<String>,
        trial: impl Fn(&Cell<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self::new(feature, move |cell| {
            trial(cell);
            Outcome::Ok
        })
    }

    /// Something that must be refused; the trial panics if it is not, or by other words.
    pub(crate) fn refused(
        feature: impl Into<String>,
        trial: impl Fn(&Cell<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self::new(feature, move |cell| {
            trial(cell);
            Outcome::Refused
        })
    }

    /// In this part of the table.
    pub(crate) const fn under(mut self, topic: &'static str) -> Self {
        self.topic = topic;
        self
    }

    /// Which pitfalls it covers.
    pub(crate) fn quirks(mut self, numbers: &'static [u8]) -> Self {
        self.quirks = numbers;
        self
    }

    /// Which releases have it at all.
    pub(crate) fn only(mut self, exists_in: fn(Release) -> bool) -> Self {
        self.exists_in = exists_in;
        self
    }

    /// Its first column.
    pub(crate) fn title(&self) -> String {
        let numbers: Vec<String> = self.quirks.iter().map(|q| format!("#{q}")).collect();
        if numbers.is_empty() {
            self.feature.clone()
        } else {
            format!("{} ({})", self.feature, numbers.join(", "))
        }
    }

    /// Tries it.
    pub(crate) fn try_with(&self, cell: &Cell<'_>) -> Outcome {
        if (self.exists_in)(cell.release) {
            (self.trial)(cell)
        } else {
            Outcome::NotApplicable
        }
    }

    /// Whether there is anything to try.
    pub(crate) fn exists_in(&self, release: Release) -> bool {
        (self.exists_in)(release)
    }
}
