//! The words after the program's name.

use super::release::Release;
use super::row::Row;

/// What is wanted.
#[derive(Debug)]
pub(crate) struct Arguments {
    /// Only names are printed.
    pub(crate) list: bool,
    /// So many cells at once.
    pub(crate) jobs: usize,
    /// The table becomes the one of the document.
    pub(crate) write_table: bool,
    words: Vec<String>,
    releases: Vec<Release>,
}

impl Arguments {
    /// Those of this process. What only cargo's own test programs know is passed over.
    pub(crate) fn read() -> Self {
        let mut this = Self {
            list: false,
            jobs: 4,
            write_table: false,
            words: Vec::new(),
            releases: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => this.list = true,
                "--write-table" => this.write_table = true,
                "--jobs" => {
                    let number = arguments.next().and_then(|text| text.parse().ok());
                    this.jobs = number.unwrap_or(this.jobs);
                }
                "--release" => {
                    let name = arguments.next().unwrap_or_default();
                    let named = Release::ALL.into_iter().find(|known| known.suite() == name);
                    this.releases.extend(named);
                }
                word if !word.starts_with('-') => this.words.push(word.to_lowercase()),
                _ => {}
            }
        }
        this
    }

    /// Whether a row is wanted.
    pub(crate) fn chose(&self, row: &Row) -> bool {
        let title = row.title().to_lowercase();
        self.words.is_empty() || self.words.iter().any(|word| title.contains(word))
    }

    /// The releases that are wanted.
    pub(crate) fn releases(&self) -> Vec<Release> {
        if self.releases.is_empty() {
            Release::ALL.to_vec()
        } else {
            self.releases.clone()
        }
    }

    /// Whether nothing is left out.
    pub(crate) fn is_everything(&self) -> bool {
        self.words.is_empty() && self.releases.is_empty()
    }
}
