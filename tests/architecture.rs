//! The plan of the house, held by a program: who imports whom, how long a file may be, what the pure half may not say,
//! what the top level holds, and under which licences its dependencies come.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A room, and the rooms it may import. The longest name that fits a file decides. Anything not listed is refused.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("engine::timers", &[]),
    ("engine::secret", &[]),
    ("engine::wire", &[]),
    ("engine::settings", &["engine::crypto", "engine::secret"]),
    ("engine::crypto", &["engine::secret", "engine::wire"]),
    ("engine::error", &[]),
    (
        "engine::pki",
        &["engine::crypto", "engine::secret", "engine::settings"],
    ),
    (
        "engine::profile",
        &["engine::crypto", "engine::secret", "engine::settings"],
    ),
    (
        "engine::data",
        &[
            "engine::crypto",
            "engine::secret",
            "engine::settings",
            "engine::timers",
            "engine::wire",
        ],
    ),
    (
        "engine::proxy",
        &[
            "engine::config",
            "engine::error",
            "engine::profile",
            "engine::secret",
            "engine::settings",
        ],
    ),
    ("engine::netplan", &["engine::profile", "engine::settings"]),
    (
        "engine::event",
        &[
            "engine::crypto",
            "engine::error",
            "engine::profile",
            "engine::secret",
        ],
    ),
    (
        "engine::config",
        &[
            "engine::crypto",
            "engine::error",
            "engine::event",
            "engine::pki",
            "engine::profile",
            "engine::secret",
            "engine::settings",
        ],
    ),
    (
        "engine::control",
        &[
            "engine::config",
            "engine::crypto",
            "engine::error",
            "engine::event",
            "engine::pki",
            "engine::profile",
            "engine::secret",
            "engine::settings",
            "engine::timers",
            "engine::wire",
        ],
    ),
    (
        "engine::session",
        &[
            "engine::config",
            "engine::crypto",
            "engine::error",
            "engine::event",
            "engine::netplan",
            "engine::pki",
            "engine::profile",
            "engine::proxy",
            "engine::secret",
            "engine::settings",
            "engine::timers",
        ],
    ),
    (
        "engine::connection",
        &[
            "engine::config",
            "engine::control",
            "engine::crypto",
            "engine::data",
            "engine::error",
            "engine::event",
            "engine::profile",
            "engine::secret",
            "engine::settings",
            "engine::timers",
            "engine::wire",
        ],
    ),
    ("service", &["engine", "service"]),
];

/// Lines in a file. What grows beyond has found a second purpose.
const LONGEST_FILE: usize = 500;

/// Words that no file of the pure half may contain.
const IMPURE: &[&str] = &[
    "tokio::",
    "zbus::",
    "std::fs",
    "std::thread",
    "std::process",
    "UdpSocket",
    "TcpStream",
    "Instant::now",
    "SystemTime::now",
    "SystemRandom",
    "getrandom",
    "crate::service",
];

/// Licences under which a dependency may come; one of an `OR` is enough.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The rooms of the top level, then the files that tools look for there.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "README.md",
    "dbus-activation",
    "packaging",
    "src",
    "sysusers.d",
    "tests",
    "tmpfiles.d",
    "units",
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "clippy.toml",
    "deny.toml",
    "rustfmt.toml",
];

/// What tools make there.
const PASSING: &[&str] = &[".cache", ".git", "debian", "target", "vendor"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `dir`, in order.
fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(dir)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the entry can be read").path())
        .collect();
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            files.push(path);
        }
    }
    files
}

/// `src/engine/wire/head.rs` to `engine::wire::head`.
fn module_of(file: &Path) -> String {
    let relative = file
        .strip_prefix(root().join("src"))
        .expect("the file is below src");
    let mut parts: Vec<_> = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts.join("::")
}

/// The code that ships: without comments, without the tests at the file's end.
fn shipped(text: &str) -> String {
    let code = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every path that `code` names from `crate::` or `super::`, made absolute (without `crate::`).
fn paths(module: &str, code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, marker) in code
        .match_indices("crate::")
        .chain(code.match_indices("super::"))
    {
        let before = code[..start].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' || code[..start].ends_with("super::") {
            continue;
        }
        let mut base: Vec<&str> = module.split("::").collect();
        let mut rest = &code[start..];
        if marker == "crate::" {
            base.clear();
            rest = &rest["crate::".len()..];
        }
        while let Some(after) = rest.strip_prefix("super::") {
            base.pop();
            rest = after;
        }
        expand(&base.join("::"), rest, &mut found);
    }
    found
}

/// Follows one path, and each branch of its braces.
fn expand(base: &str, rest: &str, found: &mut BTreeSet<String>) {
    let name: String = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    let joined = [base, &name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("::");
    let after = &rest[name.len()..];
    if let Some(inner) = after.strip_prefix("::") {
        return expand(&joined, inner, found);
    }
    if name.is_empty() {
        if let Some(inner) = after.strip_prefix('{') {
            for branch in branches(inner) {
                expand(base, branch.trim(), found);
            }
            return;
        }
    }
    found.insert(joined);
}

/// The comma-separated parts up to the brace that closes.
fn branches(inner: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&inner[from..at]);
                return parts;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts
}

fn is_within(path: &str, room: &str) -> bool {
    path == room
        || path
            .strip_prefix(room)
            .is_some_and(|rest| rest.starts_with("::"))
}

fn room_of(path: &str) -> Option<&'static (&'static str, &'static [&'static str])> {
    MAY_IMPORT
        .iter()
        .filter(|(room, _)| is_within(path, room))
        .max_by_key(|(room, _)| room.len())
}

#[test]
fn imports_run_one_way() {
    let mut wrong = Vec::new();
    for file in rust_files(&root().join("src")) {
        let module = module_of(&file);
        if file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let Some((room, allowed)) = room_of(&module) else {
            continue;
        };
        let code = shipped(&fs::read_to_string(&file).expect("the file can be read"));
        for path in paths(&module, &code) {
            if room_of(&path).is_none() || is_within(&path, room) {
                continue;
            }
            if !allowed.iter().any(|other| is_within(&path, other)) {
                wrong.push(format!(
                    "{module} names {path}, which {room} may not import"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_holds_the_rooms_and_what_tools_look_for() {
    let strange: Vec<_> = fs::read_dir(root())
        .expect("the checkout")
        .map(|entry| entry.expect("an entry").file_name())
        .filter(|name| !TOP_LEVEL.iter().chain(PASSING).any(|known| name == known))
        .collect();
    assert!(strange.is_empty(), "{strange:?} belong into a room");
}

#[test]
fn no_file_is_longer_than_it_should_be() {
    let long: Vec<_> = rust_files(&root().join("src"))
        .into_iter()
        .map(|file| {
            (
                fs::read_to_string(&file)
                    .expect("the file can be read")
                    .lines()
                    .count(),
                file,
            )
        })
        .filter(|(lines, _)| *lines > LONGEST_FILE)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert!(
        long.is_empty(),
        "longer than {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}

#[test]
fn the_engine_is_pure() {
    let mut impure = Vec::new();
    for file in rust_files(&root().join("src/engine")) {
        if file.ends_with("tests.rs") || file.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let code = shipped(&fs::read_to_string(&file).expect("the file can be read"));
        for word in IMPURE {
            if code.contains(word) {
                impure.push(format!("{} says {word}", file.display()));
            }
        }
    }
    assert!(impure.is_empty(), "{}", impure.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = rust_files(&root().join("src"))
        .into_iter()
        .filter(|file| {
            !fs::read_to_string(file)
                .expect("the file can be read")
                .starts_with("//! ")
        })
        .map(|file| file.display().to_string())
        .collect();
    assert!(
        silent.is_empty(),
        "no purpose in the first line:\n{}",
        silent.join("\n")
    );
}

#[test]
fn every_dependency_is_permissively_licensed() {
    let listing = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}\t{l}",
        ])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(
        listing.status.success(),
        "{}",
        String::from_utf8_lossy(&listing.stderr)
    );
    let refused: BTreeSet<_> = String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| {
            let (package, licence) = line.trim_end_matches(" (*)").split_once('\t')?;
            (!is_permissive(licence)).then(|| format!("{package}: {licence}"))
        })
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

/// Whether an SPDX expression (with the old `/` for `OR`) leaves a way that is permissive throughout.
fn is_permissive(expression: &str) -> bool {
    let plain = expression
        .replace(['(', ')'], "")
        .replace(" / ", " OR ")
        .replace('/', " OR ");
    plain
        .split(" AND ")
        .all(|all| all.split(" OR ").any(|one| LICENCES.contains(&one.trim())))
}

#[test]
fn the_checker_reads_paths_as_the_compiler_does() {
    let code = "use super::super::wire::{head::Opcode, reader::{Reader, Malformed}};\nuse crate::engine::data;";
    let found = paths("engine::control::channel", code);
    let expected = [
        "engine::data",
        "engine::wire::head::Opcode",
        "engine::wire::reader::Malformed",
        "engine::wire::reader::Reader",
    ];
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}
