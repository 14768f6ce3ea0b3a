//! The generated profiles before OpenVPN 2.6: it accepts and refuses what their verdicts say.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use super::skipped;

/// What OpenVPN writes once it has accepted all options.
const UNDER_WAY: &[&str] = &[
    "Attempting to establish",
    "RESOLVE: ",
    "Socket Buffers",
    "TCP/UDP: ",
    "UDPv4",
    "UDPv6",
    "ask for ",
];
const REFUSED: &[&str] = &["Options error", "fatal error"];
/// How many are judged at the same time: each waits for a second.
const AT_ONCE: usize = 8;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/profiles/corpus")
}

fn profiles() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).expect("the corpus can be read");
    let paths = entries.map(|entry| entry.expect("the corpus can be read").path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "ovpn"))
        .collect()
}

fn is_2_6() -> bool {
    let said = Command::new("openvpn").arg("--version").output();
    said.is_ok_and(|said| said.stdout.starts_with(b"OpenVPN 2.6."))
}

/// Whether OpenVPN accepts a profile, and what it says; it sees no network, and ends by itself or soon.
fn accepted(profile: &Path) -> (bool, String) {
    let output = Command::new("unshare")
        .args(["--net", "timeout", "--signal=KILL", "2", "openvpn"])
        .args(["--verb", "3", "--config"])
        .arg(profile.file_name().expect("it is a file"))
        .current_dir(folder())
        .stdin(Stdio::null())
        .output()
        .expect("unshare runs");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    let begins = |marks: &[&str]| marks.iter().filter_map(|mark| said.find(mark)).min();
    let accepted = match (begins(UNDER_WAY), begins(REFUSED)) {
        (Some(way), Some(refused)) => way < refused,
        (way, None) => way.is_some(),
        (None, Some(_)) => false,
    };
    (accepted, said)
}

/// What is wrong with the verdict of a profile, if anything is.
fn disagreement(profile: &Path) -> Option<String> {
    let verdict = fs::read_to_string(profile.with_extension("verdict"))
        .expect("each profile has its verdict");
    let expected = verdict.lines().any(|line| line == "openvpn accept");
    let (accepted, said) = accepted(profile);
    (accepted != expected).then(|| {
        let last: Vec<&str> = said.lines().rev().take(6).collect();
        format!(
            "{}: accepted: {accepted}\n{}",
            profile.display(),
            last.join("\n")
        )
    })
}

#[test]
fn openvpn_accepts_and_refuses_the_generated_profiles_as_written() {
    if skipped(&["openvpn", "unshare", "timeout"]) {
        return;
    }
    if !is_2_6() {
        println!("skipped: this is not OpenVPN 2.6, whose verdicts are written down");
        return;
    }
    let left = Mutex::new(profiles());
    let wrong = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(profile) = left.lock().expect("no thread panicked").pop() else {
                        return;
                    };
                    let found = disagreement(&profile);
                    wrong.lock().expect("no thread panicked").extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("no thread panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
