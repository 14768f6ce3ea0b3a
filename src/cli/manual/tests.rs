//! The manual pages and completions: they render without a warning, and nothing is left out.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::cli::Cli;
use crate::cli::manual::commands::all;
use crate::cli::manual::completions::script;
use crate::cli::manual::{Page, page};
use crate::systemd::{credentials, exit};
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use openvpn_engine::profile::OVERRIDES;
use openvpn_engine::profile::roff;
use openvpn_engine::profile::table;

const PAGES: [&str; 3] = [
    "openvpn3-backend.8",
    "openvpn3-backend@.service.8",
    "openvpn3-backend.profile.5",
];
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

fn in_a_file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("manual-{}-{name}", std::process::id()));
    fs::write(&path, text).expect("a file can be written");
    path
}

/// Runs a tool; says so if it is not there.
fn tool(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {:?}: {error}", command.get_program());
            None
        }
    }
}

#[test]
fn every_page_renders_without_a_warning() {
    for name in PAGES {
        let file = in_a_file(name, &page(Page::from_str(name, false).expect("a page")));
        let rendered = tool(
            Command::new("man")
                .env("LC_ALL", "C.UTF-8")
                .env("MANROFFSEQ", "")
                .env("MANWIDTH", "80")
                .args(["--warnings", "--encoding=UTF-8", "--local-file"])
                .arg(&file),
        );
        if let Some(rendered) = rendered {
            let warnings = String::from_utf8_lossy(&rendered.stderr);
            assert!(rendered.status.success(), "{name}: {warnings}");
            assert_eq!(warnings, "", "{name}");
        }
        fs::remove_file(file).expect("the file is there");
    }
}

#[test]
fn the_page_of_the_program_names_every_command_option_status_and_override() {
    let page = page(Page::Program);
    for (name, command) in all(&Cli::command()) {
        let heading = format!(".SS {} ", roff(&name));
        assert!(page.contains(&heading), "{heading}");
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            if let Some(long) = argument.get_long() {
                assert!(page.contains(&roff(&format!("--{long}"))), "{long}");
            }
        }
    }
    for status in exit::ALL {
        let row = format!(".B {}\n{}\n", status.code, roff(status.meaning));
        assert!(page.contains(&row), "{row}");
    }
    for (key, ..) in OVERRIDES {
        assert!(page.contains(&roff(key)), "{key}");
    }
}

#[test]
fn the_page_of_the_units_names_every_credential() {
    let page = page(Page::Unit);
    for (name, _) in credentials::ANSWERS {
        assert!(page.contains(&format!(".B {}\n", roff(name))), "{name}");
    }
}

#[test]
fn the_page_of_profiles_names_every_option() {
    let page = page(Page::Profile);
    for row in table::rows() {
        assert!(
            page.contains(&format!(".B {}\n", roff(row.name))),
            "{}",
            row.name
        );
    }
}

#[test]
fn the_completions_of_every_shell_can_be_read_by_it_and_know_every_command() {
    for shell in SHELLS {
        let script = script(Shell::from_str(shell, false).expect("a shell"));
        for command in Cli::command()
            .get_subcommands()
            .filter(|c| !c.is_hide_set())
        {
            assert!(script.contains(command.get_name()), "{shell}");
        }
        let file = in_a_file(shell, &script);
        if let Some(read) = tool(Command::new(shell).arg("-n").arg(&file)) {
            assert!(read.status.success(), "{shell}: {read:?}");
        }
        fs::remove_file(file).expect("the file is there");
    }
}
