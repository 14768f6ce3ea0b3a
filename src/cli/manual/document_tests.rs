//! Lists in the documents for people: the same as the program's own.
//!
//! With `BLESS=1` in the environment they are written anew.

use std::fs;
use std::path::Path;

use crate::systemd::{credentials, exit};
use openvpn_engine::profile::{differences_markdown, options_markdown, overrides_markdown};

/// The text between two markers is `list`.
fn holds(file: &str, marker: &str, list: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(&path).expect("the document can be read");
    let begin = format!("<!-- {marker}:begin -->\n");
    let end = format!("<!-- {marker}:end -->");
    let (before, rest) = text.split_once(&begin).expect("the list begins");
    let (_, after) = rest.split_once(&end).expect("the list ends");
    let right = format!("{before}{begin}{list}{end}{after}");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, right).expect("the document can be written");
    } else {
        assert!(text == right, "{file}: {marker} is not what BLESS=1 makes");
    }
}

fn statuses() -> String {
    let mut list = String::from("| Status | Meaning |\n|---|---|\n");
    for status in exit::ALL {
        list.push_str(&format!("| {} | {} |\n", status.code, status.meaning));
    }
    list
}

#[test]
fn the_lists_in_the_documents_are_the_programs_own() {
    holds("packaging/doc/options.md", "options", &options_markdown());
    holds(
        "packaging/doc/options.md",
        "overrides",
        &overrides_markdown(),
    );
    holds(
        "packaging/doc/options.md",
        "differences",
        &differences_markdown(),
    );
    holds("README.md", "exit", &statuses());
}

#[test]
fn the_readme_begins_with_its_two_commands_and_names_every_credential() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(path).expect("the document can be read");
    let top: String = text.lines().take(10).collect();
    assert!(top.contains("sudo ./packaging/try-it [PROFILE]"), "{top}");
    assert!(top.contains("sudo ./tests/run"), "{top}");
    for (name, _) in credentials::ANSWERS {
        assert!(text.contains(&format!("`{name}`")), "{name}");
    }
}
