//! The generated profiles before OpenVPN 2.6 and 2.7: they accept and refuse what the verdicts say.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use super::root::root;
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
/// How many are judged at the same time.
const AT_ONCE: usize = 4;

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

/// A release of OpenVPN.
struct Release {
    /// The words that run it.
    program: Vec<String>,
    /// What the line of its verdict begins with, where it differs from that of 2.6.
    word: &'static str,
}

impl Release {
    /// OpenVPN of this machine, if it is 2.6.
    fn of_2_6() -> Option<Self> {
        Self::if_it_is("OpenVPN 2.6.", vec!["openvpn".to_owned()], "openvpn")
    }

    /// OpenVPN 2.7 of a root, run by its own loader with its own libraries.
    fn of_2_7() -> Option<Self> {
        let root = root("server-sid").ok()?;
        let within = |path: &str| root.join(path).display().to_string();
        let program = vec![
            within("usr/lib64/ld-linux-x86-64.so.2"),
            "--library-path".to_owned(),
            within("usr/lib/x86_64-linux-gnu"),
            within("usr/sbin/openvpn"),
        ];
        Self::if_it_is("OpenVPN 2.7.", program, "openvpn-2.7")
    }

    fn if_it_is(version: &str, program: Vec<String>, word: &'static str) -> Option<Self> {
        let (first, rest) = program.split_first()?;
        let said = Command::new(first).args(rest).arg("--version").output();
        let is_it = said.is_ok_and(|said| said.stdout.starts_with(version.as_bytes()));
        is_it.then_some(Self { program, word })
    }

    /// Whether it accepts a profile, and what it says until that is clear; it sees no network.
    fn accepts(&self, profile: &Path) -> (bool, String) {
        // unshare becomes the program, so that what is killed is that.
        let mut process = Command::new("unshare")
            .arg("--net")
            .args(&self.program)
            .args(["--verb", "3", "--config"])
            .arg(profile.file_name().expect("it is a file"))
            .current_dir(folder())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("unshare runs");
        let output = process.stdout.take().expect("it is piped");
        let mut said = String::new();
        let mut accepted = false;
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line.expect("it can be read")).into_owned();
            said.push_str(&line);
            said.push('\n');
            let has = |marks: &[&str]| marks.iter().any(|mark| line.contains(mark));
            accepted = has(UNDER_WAY);
            if accepted || has(REFUSED) {
                break;
            }
        }
        process.kill().expect("it can be ended");
        process.wait().expect("it ends");
        (accepted, said)
    }

    /// What is wrong with the verdict of a profile, if anything is.
    fn disagreement(&self, profile: &Path) -> Option<String> {
        let verdict = fs::read_to_string(profile.with_extension("verdict"))
            .expect("each profile has its verdict");
        let of = |word| {
            let mut lines = verdict.lines();
            lines.find_map(|line| line.strip_prefix(word)?.strip_prefix(' '))
        };
        let expected = of(self.word).or_else(|| of("openvpn")) == Some("accept");
        let (accepted, said) = self.accepts(profile);
        (accepted != expected).then(|| {
            let last: Vec<&str> = said.lines().rev().take(6).collect();
            let name = profile.display();
            format!("{name}: accepted: {accepted}\n{}", last.join("\n"))
        })
    }

    fn agrees_with_every_verdict(&self) {
        let left = Mutex::new(profiles());
        let wrong = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    loop {
                        let Some(profile) = left.lock().expect("no thread panicked").pop() else {
                            return;
                        };
                        let found = self.disagreement(&profile);
                        wrong.lock().expect("no thread panicked").extend(found);
                    }
                });
            }
        });
        let wrong = wrong.into_inner().expect("no thread panicked");
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}

fn judges(release: Option<Release>, name: &str) {
    match release {
        Some(release) => release.agrees_with_every_verdict(),
        None => println!("skipped: there is no OpenVPN {name}"),
    }
}

#[test]
fn openvpn_2_6_accepts_and_refuses_the_generated_profiles_as_written() {
    if !skipped(&["openvpn", "unshare"]) {
        judges(Release::of_2_6(), "2.6");
    }
}

#[test]
fn openvpn_2_7_accepts_and_refuses_the_generated_profiles_as_written() {
    if !skipped(&["unshare"]) {
        judges(Release::of_2_7(), "2.7");
    }
}
