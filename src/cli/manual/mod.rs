//! The manual pages and the completions of shells, made from the tables that the program itself works by.

pub mod commands;
mod completions;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use crate::control::status_report;
use crate::daemon::standalone::profile_lookup;
use crate::systemd::{credentials, exit};
use openvpn_engine::profile::{document, roff};
use openvpn_engine::session::FAILURES;

/// Arguments of `manual`.
#[derive(Debug, Args)]
pub struct ManualArgs {
    /// The page, by the name of its file.
    #[arg(value_enum)]
    pub page: Page,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A page of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// The program.
    #[value(name = "openvpn3-backend.8")]
    Program,
    /// The units.
    #[value(name = "openvpn3-backend@.service.8")]
    Unit,
    /// The language of profiles.
    #[value(name = "openvpn3-backend.profile.5")]
    Profile,
}

/// `manual`: writes a page.
#[must_use]
pub fn manual(args: &ManualArgs) -> ExitCode {
    written(page(args.page).as_bytes())
}

/// `completions`: writes a shell's completions.
#[must_use]
pub fn completions(args: &CompletionsArgs) -> ExitCode {
    written(completions::script(args.shell).as_bytes())
}

/// A page, in the language of `man(7)`.
#[must_use]
pub fn page(page: Page) -> String {
    let source = match page {
        Page::Program => include_str!("../../../packaging/man/openvpn3-backend.8.in"),
        Page::Unit => include_str!("../../../packaging/man/openvpn3-backend@.service.8.in"),
        Page::Profile => include_str!("../../../packaging/man/openvpn3-backend.profile.5.in"),
    };
    let mut text = String::with_capacity(source.len() * 2);
    for line in source.lines() {
        match line {
            "@COMMANDS@" => text.push_str(&commands::described()),
            "@CREDENTIALS@" => text.push_str(&table(credentials::ANSWERS)),
            "@FACTS@" => text.push_str(&status_report()),
            "@FAILURES@" => text.push_str(&failures()),
            "@EXIT@" => text.push_str(&exit_statuses()),
            "@OPTIONS@" => text.push_str(&document::options_roff()),
            "@OVERRIDES@" => text.push_str(&document::overrides_roff()),
            "@PLACES@" => text.push_str(&places()),
            "@SYNOPSIS@" => text.push_str(&commands::synopsis()),
            line => {
                text.push_str(&line.replace("@VERSION@", env!("CARGO_PKG_VERSION")));
                text.push('\n');
            }
        }
    }
    text
}

fn table(rows: &[(&str, &str)]) -> String {
    rows.iter()
        .map(|(term, meaning)| format!(".TP\n.B {}\n{}\n", roff(term), roff(meaning)))
        .collect()
}

fn status_report() -> String {
    status_report::TABLE
        .iter()
        .map(|(name, kind, meaning)| {
            format!(
                ".TP\n.BR {} \" ({})\"\n{}\n",
                roff(name),
                kind,
                roff(meaning)
            )
        })
        .collect()
}

fn exit_statuses() -> String {
    exit::ALL
        .iter()
        .map(|status| format!(".TP\n.B {}\n{}\n", status.code, roff(status.meaning)))
        .collect()
}

fn failures() -> String {
    FAILURES
        .iter()
        .map(|row| {
            format!(
                ".TP\n.B {}\nScope: {}. Ends the session: {}. Exit status {}.\n",
                roff(row.words),
                row.scope,
                roff(&row.ends()),
                exit::status_of(row.class).code
            )
        })
        .collect()
}

fn places() -> String {
    profile_lookup::places(Path::new("/"), "NAME")
        .iter()
        .map(|place| format!("{}\n", roff(&place.display().to_string())))
        .collect()
}

fn written(bytes: &[u8]) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

pub(crate) const NAME: &str = "openvpn3-backend";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_page_has_an_empty_line_or_a_place_that_was_not_filled() {
        for which in Page::value_variants() {
            for line in page(*which).lines() {
                assert!(!line.is_empty(), "{which:?}");
                assert!(!line.starts_with('@'), "{which:?}: {line}");
            }
        }
    }
}

#[cfg(test)]
mod document_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod page_tests;
