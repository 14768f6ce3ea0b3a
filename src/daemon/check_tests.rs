//! Profiles as they come from the field, good and bad, and what is made of each: `NAME.ovpn` and `NAME.expected`.
//!
//! With `BLESS=1` in the environment the expectations are written anew; read the difference before committing it.

mod meaning;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::daemon::check::CheckReport;
use crate::daemon::environment;
use crate::daemon::findings;
use crate::daemon::profile_file::ProfileFile;

/// How long the slowest profile may take to be judged, on a slow machine without optimisation.
const SLOWEST: Duration = Duration::from_secs(20);

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/profiles")
}

fn profiles() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "ovpn"))
        .collect();
    found.sort();
    found
}

/// What is made of a profile, as text.
fn outcome(path: &Path) -> String {
    let file = ProfileFile::new(path.to_owned(), Vec::new());
    let judgement = CheckReport::of(&file, &environment());
    let mut text = judgement
        .profile
        .as_ref()
        .map(meaning::of)
        .unwrap_or_default();
    for line in findings::lines(&judgement.findings, true) {
        text.push_str(&line);
        text.push('\n');
    }
    // Where the project lies must not matter.
    text.replace(&format!("{}/", folder().display()), "")
}

#[test]
fn every_profile_means_what_is_expected_or_is_refused_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = String::new();
    for path in profiles() {
        let outcome = outcome(&path);
        let expectation = path.with_extension("expected");
        if bless {
            fs::write(&expectation, outcome).expect("the expectation can be written");
            continue;
        }
        let expected = fs::read_to_string(&expectation).unwrap_or_default();
        if outcome != expected {
            wrong.push_str(&format!(
                "== {}\n-- expected\n{expected}-- found\n{outcome}",
                path.display()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn there_are_more_than_a_hundred_profiles_and_no_expectation_without_one() {
    assert!(profiles().len() > 100);
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|ending| ending == "expected") {
            assert!(path.with_extension("ovpn").exists(), "{}", path.display());
        }
    }
}

#[test]
fn every_error_names_its_file_and_says_its_line_where_there_is_one() {
    for path in profiles() {
        let name = path.file_name().expect("a file").to_string_lossy();
        for line in outcome(&path).lines() {
            let Some(error) = line.strip_prefix("error: ") else {
                continue;
            };
            assert!(error.starts_with(name.as_ref()), "{error}");
            assert!(error.len() < 600, "{name}: {} bytes", error.len());
        }
    }
}

#[test]
fn no_secret_of_a_profile_is_shown() {
    for path in profiles() {
        let outcome = outcome(&path);
        for secret in [
            "secret word",
            "proxypassword",
            "sesame",
            "PRIVATE KEY-----\nM",
        ] {
            assert!(!outcome.contains(secret), "{}: {secret}", path.display());
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it measures real time")]
fn no_profile_takes_long_to_be_judged() {
    for path in profiles() {
        let begun = std::time::Instant::now();
        drop(outcome(&path));
        assert!(begun.elapsed() < SLOWEST, "{}", path.display());
    }
}
