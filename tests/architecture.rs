//! The plan of the house, held by a program: who imports whom, how long a file may be, what the engine may not depend on,
//! what the top level holds, and under which licences its dependencies come.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A room of the engine, and the rooms it may import. Anything not listed is refused.
const ENGINE: &[(&str, &[&str])] = &[
    ("timers", &[]),
    ("secret", &[]),
    ("wire", &[]),
    ("settings", &["crypto", "secret"]),
    ("crypto", &["secret", "wire"]),
    ("error", &[]),
    ("pki", &["crypto", "secret", "settings"]),
    ("profile", &["crypto", "secret", "settings"]),
    (
        "data",
        &["crypto", "error", "secret", "settings", "timers", "wire"],
    ),
    (
        "proxy",
        &["config", "error", "profile", "secret", "settings"],
    ),
    ("netplan", &["profile", "settings"]),
    ("event", &["crypto", "error", "profile", "secret"]),
    (
        "config",
        &[
            "crypto", "error", "event", "pki", "profile", "secret", "settings",
        ],
    ),
    (
        "control",
        &[
            "config", "crypto", "error", "event", "pki", "profile", "secret", "settings", "timers",
            "wire",
        ],
    ),
    (
        "session",
        &[
            "config", "crypto", "error", "event", "netplan", "pki", "profile", "proxy", "secret",
            "settings", "timers",
        ],
    ),
    (
        "connection",
        &[
            "config", "control", "crypto", "data", "error", "event", "profile", "secret",
            "settings", "timers", "wire",
        ],
    ),
];

/// The program's rooms, from the top; each may import those below it.
const FLOORS: &[&str] = &[
    "cli", "daemon", "openvpn3", "control", "network", "tunnel", "systemd", "log", "bus", "sys",
];

/// What is there for tests and fuzzing alone, and may look everywhere.
const APART: &[&str] = &["examples", "fuzzing", "simulation", "testing"];

/// Packages by which the engine could reach the world.
const IMPURE_PACKAGES: &[&str] = &[
    "async-std",
    "getrandom",
    "libc",
    "mio",
    "nix",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tokio",
    "zbus",
];

/// Lines in a file. What grows beyond has found a second purpose.
const LONGEST_FILE: usize = 500;

/// Words that no file of the engine may contain: what the standard library has of the world.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "UdpSocket",
    "TcpStream",
    "Instant::now",
    "SystemTime::now",
    "SystemRandom",
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

/// A crate of ours: the folder of its sources, and what of it is another crate's.
struct Crate {
    sources: PathBuf,
    without: Option<PathBuf>,
}

impl Crate {
    fn engine() -> Self {
        Self {
            sources: root().join("src/engine"),
            without: None,
        }
    }

    fn program() -> Self {
        Self {
            sources: root().join("src"),
            without: Some(root().join("src/engine")),
        }
    }

    /// Each module that ships, with its code.
    fn modules(&self) -> BTreeMap<String, String> {
        rust_files(&self.sources)
            .into_iter()
            .filter(|file| {
                !self
                    .without
                    .as_ref()
                    .is_some_and(|other| file.starts_with(other))
            })
            .filter(|file| !is_for_tests(file))
            .map(|file| {
                let code = fs::read_to_string(&file).expect("the file can be read");
                (self.module_of(&file), shipped(&code))
            })
            .filter(|(module, _)| !APART.contains(&room_of(module)))
            .collect()
    }

    /// `wire/head.rs` to `wire::head`; the crate's root has no name.
    fn module_of(&self, file: &Path) -> String {
        let relative = file
            .strip_prefix(&self.sources)
            .expect("a file of the crate");
        let mut parts: Vec<_> = relative
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        if parts
            .last()
            .is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str()))
        {
            parts.pop();
        }
        parts.join("::")
    }
}

/// Whether nothing of the file ships, by its name.
fn is_for_tests(file: &Path) -> bool {
    file.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        let name = name.trim_end_matches(".rs");
        name == "tests"
            || name.ends_with("_tests")
            || name == "fixtures"
            || name == "model" && file.ends_with("data/model.rs")
    })
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

/// The first part of a path.
fn room_of(path: &str) -> &str {
    path.split("::").next().unwrap_or_default()
}

#[test]
fn the_engines_rooms_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for (module, code) in Crate::engine().modules() {
        let room = room_of(&module);
        let Some((_, allowed)) = ENGINE.iter().find(|(name, _)| *name == room) else {
            assert!(module.is_empty(), "{module} is in no room");
            continue;
        };
        for path in paths(&module, &code) {
            let other = room_of(&path);
            let is_room = ENGINE.iter().any(|(name, _)| *name == other);
            if is_room && other != room && !allowed.contains(&other) {
                wrong.push(format!(
                    "{module} names {path}, which {room} may not import"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_programs_rooms_import_only_from_floors_below() {
    let floor = |room: &str| FLOORS.iter().position(|name| *name == room);
    let mut wrong = Vec::new();
    for (module, code) in Crate::program().modules() {
        let Some(own) = floor(room_of(&module)) else {
            assert!(module.is_empty(), "{module} is on no floor");
            continue;
        };
        for path in paths(&module, &code) {
            if floor(room_of(&path)).is_some_and(|other| other < own) {
                wrong.push(format!("{module} names {path}, which is on a floor above"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_beside_each_other_do_not_import_in_circles() {
    let mut circles = Vec::new();
    for house in [Crate::engine(), Crate::program()] {
        let modules = house.modules();
        for (folder, imports) in imports_by_folder(&modules) {
            for module in imports.keys() {
                if reached(&imports, module).contains(module) {
                    circles.push(format!(
                        "{folder}::{module} imports itself by way of others"
                    ));
                }
            }
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

/// For each folder: which of the modules in it imports which others of them.
fn imports_by_folder(
    modules: &BTreeMap<String, String>,
) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut known = BTreeSet::new();
    for module in modules.keys() {
        let parts: Vec<_> = module.split("::").collect();
        known.extend((1..=parts.len()).map(|len| parts[..len].join("::")));
    }
    let mut folders: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (module, code) in modules {
        for path in paths(module, code) {
            let both = module.split("::").zip(path.split("::"));
            let common = both.take_while(|(ours, theirs)| ours == theirs).count();
            let part = |path: &str| path.split("::").nth(common).map(ToOwned::to_owned);
            let (Some(ours), Some(theirs)) = (part(module), part(&path)) else {
                continue;
            };
            let folder = module
                .split("::")
                .take(common)
                .collect::<Vec<_>>()
                .join("::");
            let sibling = [folder.as_str(), theirs.as_str()].join("::");
            if known.contains(sibling.trim_start_matches("::")) {
                let imports = folders.entry(folder).or_default();
                imports.entry(ours).or_default().insert(theirs);
            }
        }
    }
    folders
}

/// Every module that `module` imports, itself or through others.
fn reached(imports: &BTreeMap<String, BTreeSet<String>>, module: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![module];
    while let Some(module) = next.pop() {
        for other in imports.get(module).into_iter().flatten() {
            if found.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    found
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
fn the_engine_depends_on_nothing_that_reaches_the_world() {
    let manifest = root().join("src/engine/Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("the engine's manifest");
    let (_, dependencies) = manifest
        .split_once("[dependencies]\n")
        .expect("its dependencies");
    let names: BTreeSet<_> = dependencies
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| Some(line.split_once('=')?.0.trim()))
        .collect();
    assert!(names.contains("rustls"), "{names:?}");
    let impure: Vec<_> = IMPURE_PACKAGES
        .iter()
        .filter(|name| names.contains(*name))
        .collect();
    assert!(impure.is_empty(), "{impure:?}");
}

#[test]
fn the_engine_asks_the_standard_library_for_nothing_of_the_world() {
    let mut impure = Vec::new();
    for (module, code) in Crate::engine().modules() {
        for word in IMPURE {
            if code.contains(word) {
                impure.push(format!("{module} says {word}"));
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
    let code =
        "use super::super::wire::{head::Opcode, reader::{Reader, Malformed}};\nuse crate::data;";
    let found = paths("control::channel", code);
    let expected = [
        "data",
        "wire::head::Opcode",
        "wire::reader::Malformed",
        "wire::reader::Reader",
    ];
    assert_eq!(
        found.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn the_checker_finds_a_circle() {
    let module = |name: &str, code: &str| (name.to_owned(), code.to_owned());
    let modules = BTreeMap::from([
        module("room::a", "use super::b::B;"),
        module("room::b", "use crate::room::c::d::D;"),
        module("room::c::d", "use crate::room::a;"),
        module("other", "use crate::room::a::A;"),
    ]);
    let folders = imports_by_folder(&modules);
    assert!(reached(&folders["room"], "a").contains("a"));
    assert!(!reached(&folders[""], "other").contains("other"));
}
