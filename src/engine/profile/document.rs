//! The list of all options as text, made from the table.

use std::fmt::Write as _;

use super::overrides::OVERRIDES;
use super::table::{DIFFERENCES, Difference, OptionRow, Scope, Treatment, rows};

/// The list of all options for the README: what is honoured, what has no effect and why, what is refused and why.
#[must_use]
pub fn options_markdown() -> String {
    let mut text = String::from(
        "### Options that are honoured\n\n| Option | Where | Meaning |\n|---|---|---|\n",
    );
    for row in rows()
        .into_iter()
        .filter(|row| row.treatment == Treatment::Honour)
    {
        line(
            &mut text,
            &[&format!("`{}`", row.name), &places(row), row.help],
        );
    }
    text.push_str("\n### Options without effect\n\n| Option | Why |\n|---|---|\n");
    for (row, why) in rows()
        .into_iter()
        .filter_map(|row| without_effect(row).map(|why| (row, why)))
    {
        line(&mut text, &[&format!("`{}`", row.name), why]);
    }
    text.push_str("\n### Options that are refused\n\n| Option | Why |\n|---|---|\n");
    for (row, why) in rows()
        .into_iter()
        .filter_map(|row| refused(row).map(|why| (row, why)))
    {
        line(&mut text, &[&format!("`{}`", row.name), why]);
    }
    text
}

/// The list of all differences to OpenVPN 2.6 and 2.7 that are meant to stay.
#[must_use]
pub fn differences_markdown() -> String {
    let mut text = String::from("| About | OpenVPN | Here, and why |\n|---|---|---|\n");
    for Difference { about, there, here } in DIFFERENCES {
        line(&mut text, &[&format!("`{about}`"), there, here]);
    }
    text
}

/// The list of all overrides for the README.
#[must_use]
pub fn overrides_markdown() -> String {
    let mut text = String::from("| Override | Value | Meaning |\n|---|---|---|\n");
    for (key, right, help) in OVERRIDES {
        line(&mut text, &[&format!("`{key}`"), right, help]);
    }
    text
}

/// The list of all options for a manual page, in the language of `man(7)`.
#[must_use]
pub fn options_roff() -> String {
    let mut text = String::new();
    text.push_str(".SS Options that are honoured\n");
    for row in rows()
        .into_iter()
        .filter(|row| row.treatment == Treatment::Honour)
    {
        paragraph(
            &mut text,
            row.name,
            &format!("{} ({})", row.help, places(row)),
        );
    }
    text.push_str(".SS Options without effect\n");
    for (row, why) in rows()
        .into_iter()
        .filter_map(|row| without_effect(row).map(|why| (row, why)))
    {
        paragraph(&mut text, row.name, why);
    }
    text.push_str(".SS Options that are refused\n");
    for (row, why) in rows()
        .into_iter()
        .filter_map(|row| refused(row).map(|why| (row, why)))
    {
        paragraph(&mut text, row.name, why);
    }
    text
}

/// The list of all overrides for a manual page, in the language of `man(7)`.
#[must_use]
pub fn overrides_roff() -> String {
    let mut text = String::new();
    for (key, right, help) in OVERRIDES {
        paragraph(&mut text, &format!("{key}={right}"), help);
    }
    text
}

const fn without_effect(row: &OptionRow) -> Option<&'static str> {
    match row.treatment {
        Treatment::Ignore(why) | Treatment::Implied(why) => Some(why),
        Treatment::Honour | Treatment::Refuse(_) => None,
    }
}

const fn refused(row: &OptionRow) -> Option<&'static str> {
    match row.treatment {
        Treatment::Refuse(why) => Some(why),
        Treatment::Honour | Treatment::Ignore(_) | Treatment::Implied(_) => None,
    }
}

fn places(row: &OptionRow) -> String {
    let names = [
        (Scope::PROFILE, "profile"),
        (Scope::CONNECTION, "connection"),
        (Scope::PUSHED, "push"),
        (Scope::UPDATE, "update"),
    ];
    let held = names
        .iter()
        .filter(|(scope, _)| row.scope.holds(*scope))
        .map(|(_, name)| *name);
    held.collect::<Vec<_>>().join(", ")
}

fn line(text: &mut String, cells: &[&str]) {
    for cell in cells {
        let _ = write!(text, "| {} ", cell.replace('|', "\\|"));
    }
    text.push_str("|\n");
}

fn paragraph(text: &mut String, term: &str, body: &str) {
    let _ = write!(text, ".TP\n.B {}\n{}\n", roff(term), roff(body));
}

/// Text that roff leaves as it is.
#[must_use]
pub fn roff(text: &str) -> String {
    let plain = text.replace('\\', "\\e").replace('-', "\\-");
    if plain.starts_with(['.', '\'']) {
        format!("\\&{plain}")
    } else {
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_both_lists() {
        let (markdown, manual) = (options_markdown(), options_roff());
        for row in rows() {
            assert!(
                markdown.contains(&format!("| `{}` |", row.name)),
                "{}",
                row.name
            );
            assert!(
                manual.contains(&format!(".B {}\n", row.name.replace('-', "\\-"))),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn every_override_is_in_both_lists() {
        for (key, ..) in OVERRIDES {
            assert!(overrides_markdown().contains(&format!("`{key}`")));
            assert!(overrides_roff().contains(&key.replace('-', "\\-")));
        }
    }

    #[test]
    fn a_line_of_the_manual_never_begins_with_a_request_by_accident() {
        assert_eq!(roff(".x-y"), "\\&.x\\-y");
        assert_eq!(roff("a\\b"), "a\\eb");
    }
}
