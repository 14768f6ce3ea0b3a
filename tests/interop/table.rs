//! The table as text, and in `packaging/doc/interoperability.md`.

use std::fmt;
use std::path::{Path, PathBuf};

use super::release::Release;
use super::row::{Outcome, Row};
use super::run::Outcomes;

/// Rows, columns and what is in the cells.
pub(crate) struct Table<'a> {
    rows: &'a [&'a Row],
    releases: &'a [Release],
    outcomes: &'a Outcomes,
}

impl<'a> Table<'a> {
    /// A table of what came out.
    pub(crate) const fn new(
        rows: &'a [&'a Row],
        releases: &'a [Release],
        outcomes: &'a Outcomes,
    ) -> Self {
        Self {
            rows,
            releases,
            outcomes,
        }
    }

    /// Prints what went wrong; `true`: nothing did.
    pub(crate) fn report_failures(&self) -> bool {
        let mut fine = true;
        for ((row, column), outcome) in self.outcomes {
            if let Outcome::Failed(why) = outcome {
                fine = false;
                let (title, release) = (self.rows[*row].title(), self.releases[*column]);
                println!("== {title}, {release}: {why}\n");
            }
        }
        fine
    }

    /// Whether the document holds this table; says so if it does not.
    pub(crate) fn is_in_document(&self) -> bool {
        let text = std::fs::read_to_string(document()).unwrap_or_default();
        let fits =
            parts(&text).is_some_and(|(_, table, _)| table.trim() == self.to_string().trim());
        if !fits {
            println!(
                "the document's table is another one: `tests/interop/run --write-table` writes this one"
            );
        }
        fits
    }

    /// Puts this table into the document; `false`: there is no place for it.
    pub(crate) fn write_table(&self) -> bool {
        let text = std::fs::read_to_string(document()).unwrap_or_default();
        let Some((before, _, after)) = parts(&text) else {
            println!(
                "packaging/doc/interoperability.md has no place for the table: {BEGIN} and {END}"
            );
            return false;
        };
        let text = format!("{before}{BEGIN}\n{self}{END}{after}");
        std::fs::write(document(), text).is_ok()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles: Vec<String> = self.rows.iter().map(|row| row.title()).collect();
        let width = titles.iter().map(|title| title.chars().count()).max();
        let width = width.unwrap_or(0);
        let mut topic = "";
        for (row, title) in titles.iter().enumerate() {
            if self.rows[row].topic != topic {
                topic = self.rows[row].topic;
                write!(f, "\n| {topic:width$} |")?;
                for release in self.releases {
                    write!(f, " {release} |")?;
                }
                write!(f, "\n|{:-<1$}|", "", width + 2)?;
                for release in self.releases {
                    write!(f, "{:-<1$}|", "", release.to_string().len() + 2)?;
                }
                writeln!(f)?;
            }
            write!(f, "| {title:width$} |")?;
            for (column, release) in self.releases.iter().enumerate() {
                let outcome = self.outcomes.get(&(row, column));
                let text = outcome.map_or_else(String::new, ToString::to_string);
                write!(f, " {text:0$} |", release.to_string().len())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// What is before the table, the table, and what is after it.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (table, after) = rest.split_once(END)?;
    Some((before, table, after))
}

fn document() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/doc/interoperability.md")
}

const BEGIN: &str = "<!-- interop:begin -->";
const END: &str = "<!-- interop:end -->";
