//! The command line as a part of the manual.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::cli::manual::NAME;
use openvpn_engine::profile::roff;

/// One line for each command that is meant for people.
pub(crate) fn synopsis() -> String {
    let mut text = String::new();
    for command in Cli::command()
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        if !text.is_empty() {
            text.push_str(".br\n");
        }
        let _ = writeln!(
            text,
            ".B {} {}\n{}",
            roff(NAME),
            roff(command.get_name()),
            usage(command)
        );
    }
    text
}

/// Every command with its options.
pub(crate) fn described() -> String {
    let mut text = String::new();
    for (name, command) in all(&Cli::command()) {
        let _ = writeln!(text, ".SS {} {}", roff(&name), usage(&command));
        let about = command.get_long_about().or_else(|| command.get_about());
        for paragraph in about
            .map(ToString::to_string)
            .unwrap_or_default()
            .split("\n\n")
        {
            let _ = writeln!(text, "{}\n.PP", roff(&paragraph.replace('\n', " ")));
        }
        for argument in shown(&command) {
            let _ = writeln!(text, ".TP\n{}\n{}", form(argument), help(argument));
        }
    }
    text
}

/// All commands, and those within them.
#[must_use]
pub fn all(command: &Command) -> Vec<(String, Command)> {
    let mut found = Vec::new();
    for inner in command.get_subcommands() {
        let name = inner.get_name().to_owned();
        found.push((name.clone(), inner.clone()));
        let further = all(inner).into_iter();
        found.extend(further.map(|(of, command)| (format!("{name} {of}"), command)));
    }
    found
}

fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set())
}

/// What follows the name of a command.
fn usage(command: &Command) -> String {
    let mut parts = Vec::new();
    if shown(command).any(|argument| !argument.is_positional()) {
        parts.push("[\\fIOPTIONS\\fR]".to_owned());
    }
    for argument in shown(command).filter(|argument| argument.is_positional()) {
        parts.push(value(argument));
    }
    if command.has_subcommands() {
        parts.push("\\fICOMMAND\\fR".to_owned());
    }
    parts.join(" ")
}

/// `--option VALUE`, or the name of what stands in its place.
fn form(argument: &Arg) -> String {
    match argument.get_long() {
        Some(long) => format!("\\fB{}\\fR {}", roff(&format!("--{long}")), value(argument)),
        None => value(argument),
    }
}

fn value(argument: &Arg) -> String {
    if !argument.get_action().takes_values() {
        return String::new();
    }
    let names: Vec<String> = match argument.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect(),
        None => vec![argument.get_id().as_str().to_ascii_uppercase()],
    };
    format!("\\fI{}\\fR", roff(&names.join(" ")))
}

fn help(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    if !text.ends_with('.') {
        text.push('.');
    }
    let possible: Vec<String> = argument
        .get_possible_values()
        .iter()
        .map(|possible| match possible.get_help() {
            Some(help) => {
                let help = help.to_string();
                format!("{} ({})", possible.get_name(), help.trim_end_matches('.'))
            }
            None => possible.get_name().to_owned(),
        })
        .collect();
    if !possible.is_empty() && argument.get_action().takes_values() {
        let _ = write!(text, " One of: {}.", possible.join(", "));
    }
    let defaults: Vec<_> = argument
        .get_default_values()
        .iter()
        .map(|default| default.to_string_lossy())
        .collect();
    if !defaults.is_empty() {
        let _ = write!(text, " Without it: {}.", defaults.join(" "));
    }
    roff(&text.replace('\n', " "))
}
