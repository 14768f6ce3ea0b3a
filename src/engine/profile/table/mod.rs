//! `OptionRow`: name, arity, scope, treatment; one row per directive.

mod connection;
mod differences;
mod foreign;
mod network;
mod tls;
mod unsupported;

use std::ops::RangeInclusive;

pub use differences::{DIFFERENCES, Difference};

/// One directive of the configuration language.
#[derive(Debug, Clone)]
pub struct OptionRow {
    /// The name.
    pub name: &'static str,
    /// How many arguments it takes.
    pub args: RangeInclusive<usize>,
    /// Where it may stand.
    pub scope: Scope,
    /// Whether its content may be written between `<name>` and `</name>`.
    pub inline: bool,
    /// What this client does with it.
    pub treatment: Treatment,
    /// What it is for, in one sentence; empty where the treatment says it all.
    pub help: &'static str,
}

/// What this client does with a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It does what it says.
    Honour,
    /// Nothing is done, and a note says so.
    Ignore(&'static str),
    /// What it asks for happens anyway; no note.
    Implied(&'static str),
    /// The profile is not used.
    Refuse(&'static str),
}

/// Where a directive may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope(u8);

impl Scope {
    /// On a line of the profile.
    pub const PROFILE: Self = Self(1);
    /// Within `<connection>`.
    pub const CONNECTION: Self = Self(2);
    /// In a `PUSH_REPLY`.
    pub const PUSHED: Self = Self(4);
    /// In a `PUSH_UPDATE`.
    pub const UPDATE: Self = Self(8);

    /// Both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is within.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// The row of a directive.
#[must_use]
pub fn find(name: &str) -> Option<&'static OptionRow> {
    TABLES.iter().find_map(|rows| {
        rows.binary_search_by(|row| row.name.cmp(name))
            .ok()
            .and_then(|at| rows.get(at))
    })
}

/// The name nearest to one that does not exist, if any is near.
#[must_use]
pub fn closest(name: &str) -> Option<&'static str> {
    const NEAR: usize = 2;
    // Of a short word nearly every letter would be another.
    let near = NEAR.min(name.chars().count() / 3);
    TABLES
        .iter()
        .copied()
        .flatten()
        .filter(|row| !matches!(row.treatment, Treatment::Refuse(_)))
        .filter(|row| row.name.len().abs_diff(name.len()) <= near)
        .map(|row| (distance(name, row.name), row.name))
        .filter(|(far, _)| *far <= near)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be changed, added or removed to make one text of the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (above, b) in row.iter().skip(1).zip(&to) {
            left = (diagonal + usize::from(a != *b))
                .min(left + 1)
                .min(above + 1);
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

/// All rows, sorted by name.
#[must_use]
pub fn rows() -> Vec<&'static OptionRow> {
    let mut rows: Vec<_> = TABLES.iter().copied().flatten().collect();
    rows.sort_by_key(|row| row.name);
    rows
}

static TABLES: [&[OptionRow]; 5] = [
    connection::ROWS,
    foreign::ROWS,
    network::ROWS,
    tls::ROWS,
    unsupported::ROWS,
];

/// Profile only.
const P: Scope = Scope::PROFILE;
/// Profile and `<connection>`.
const PC: Scope = P.and(Scope::CONNECTION);
/// Profile, `<connection>` and push.
const PCR: Scope = PC.and(R);
/// Profile, `<connection>`, push and its update.
const PCRU: Scope = PC.and(RU);
/// Profile and push.
const PR: Scope = P.and(R);
/// Profile, push and its update.
const PRU: Scope = P.and(RU);
/// Push only.
const R: Scope = Scope::PUSHED;
/// Push and its update only.
const RU: Scope = R.and(Scope::UPDATE);

const ANY: usize = usize::MAX;

const fn honour(
    name: &'static str,
    args: RangeInclusive<usize>,
    scope: Scope,
    help: &'static str,
) -> OptionRow {
    OptionRow {
        name,
        args,
        scope,
        inline: false,
        treatment: Treatment::Honour,
        help,
    }
}

/// Honoured, and its content may be inline.
const fn inline(
    name: &'static str,
    args: RangeInclusive<usize>,
    scope: Scope,
    help: &'static str,
) -> OptionRow {
    OptionRow {
        name,
        args,
        scope,
        inline: true,
        treatment: Treatment::Honour,
        help,
    }
}

const fn other(name: &'static str, scope: Scope, treatment: Treatment) -> OptionRow {
    OptionRow {
        name,
        args: 0..=ANY,
        scope,
        inline: true,
        treatment,
        help: "",
    }
}

const fn ignore(name: &'static str, scope: Scope, why: &'static str) -> OptionRow {
    other(name, scope, Treatment::Ignore(why))
}

const fn implied(name: &'static str, scope: Scope, why: &'static str) -> OptionRow {
    other(name, scope, Treatment::Implied(why))
}

const fn refuse(name: &'static str, why: &'static str) -> OptionRow {
    other(name, PC, Treatment::Refuse(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_sorted() {
        for rows in TABLES {
            for pair in rows.windows(2) {
                assert!(
                    pair[0].name < pair[1].name,
                    "{} before {}",
                    pair[0].name,
                    pair[1].name
                );
            }
        }
    }

    #[test]
    fn no_directive_has_two_rows() {
        let rows = rows();
        for pair in rows.windows(2) {
            assert_ne!(pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn every_row_can_be_found() {
        for row in rows() {
            assert_eq!(find(row.name).map(|found| found.name), Some(row.name));
        }
        assert!(find("no-such-option").is_none());
    }

    #[test]
    fn every_honoured_row_says_what_it_is_for() {
        for row in rows() {
            assert_eq!(
                row.help.is_empty(),
                row.treatment != Treatment::Honour,
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_typing_error_finds_its_option() {
        assert_eq!(closest("remote-cert-tsl"), Some("remote-cert-tls"));
        assert_eq!(closest("keepalve"), Some("keepalive"));
        assert_eq!(closest("prot"), Some("proto"));
        assert_eq!(closest("something-else"), None);
        assert_eq!(
            (closest("seq"), closest("ab"), closest("")),
            (None, None, None)
        );
        assert_eq!((distance("kitten", "sitting"), distance("", "abc")), (3, 3));
    }

    #[test]
    fn every_option_that_openvpn_names_for_clients_and_servers_is_known() {
        let missing: Vec<&str> = include_str!("known.txt")
            .split_whitespace()
            .filter(|name| find(name).is_none())
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}
