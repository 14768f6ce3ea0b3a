//! `ProfileError`: file, line, column, directive, reason; and `Note`, its harmless sister.

use std::fmt;

use thiserror::Error;

/// Where in a profile something is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The name the profile was given when it was read; empty for pushed options.
    pub file: String,
    /// The line, from 1; 0 when it is not about one line.
    pub line: usize,
    /// The column, from 1; 0 when it is about the whole line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.line > 0 && self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        Ok(())
    }
}

/// Why a profile cannot be used. A profile with several mistakes gives one of these for each.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{place}: {}{reason}{}", named(.directive), hint(.right))]
pub struct ProfileError {
    /// Where.
    pub place: Place,
    /// The directive; empty when it is not about one.
    pub directive: String,
    /// What is wrong.
    pub reason: String,
    /// What would be right; may be empty.
    pub right: String,
}

/// Something that works differently from what one might expect, but works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Where; the default place for pushed options.
    pub place: Place,
    /// The directive.
    pub directive: String,
    /// What happens in place of what was written.
    pub text: String,
    /// Nobody needs to act on it: what was written has no use here.
    pub minor: bool,
}

impl Note {
    /// So many at a time are worth a record each; a server could cause a hundred thousand.
    pub const MOST: usize = 100;

    /// Those to be shown, and how many are left out.
    #[must_use]
    pub fn foremost(notes: &[Self]) -> (&[Self], usize) {
        let (shown, rest) = notes.split_at(notes.len().min(Self::MOST));
        (shown, rest.len())
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.place != Place::default() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}{}", named(&self.directive), self.text)
    }
}

fn named(directive: &str) -> String {
    if directive.is_empty() {
        String::new()
    } else {
        format!("{directive}: ")
    }
}

fn hint(right: &str) -> String {
    if right.is_empty() {
        String::new()
    } else {
        format!(" ({right})")
    }
}
