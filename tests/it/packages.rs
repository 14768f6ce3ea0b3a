//! The packages hold what `packaging/install` puts in place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

#[test]
fn the_debian_package_holds_every_file() {
    if !has("dh") || !has("dpkg-buildpackage") {
        println!("skipped: debhelper is not installed");
        return;
    }
    let package = build("deb");
    let listed = said(Command::new("dpkg-deb").arg("-c").arg(&package));
    let held = listed
        .lines()
        .filter_map(|line| line.split_once(" ./").map(|(_, file)| format!("/{file}")));
    holds_all("_openvpn", &held.collect());
    let fields = said(Command::new("dpkg-deb").arg("-I").arg(&package));
    assert!(fields.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_debian_package_comes_stays_and_goes_as_it_should() {
    let needed = [
        "dpkg-buildpackage",
        "dh",
        "mmdebstrap",
        "systemd-nspawn",
        "openvpn",
        "openssl",
    ];
    if let Some(missing) = needed.iter().find(|program| !has(program)) {
        println!("skipped: there is no {missing}");
        return;
    }
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root boots machines");
        return;
    }
    let told = said(Command::new(top().join("tests/packages/matrix")).arg(build("deb")));
    println!("{told}");
}

#[test]
fn the_rpm_package_holds_every_file() {
    if !has("rpmbuild") {
        println!("skipped: rpm is not installed");
        return;
    }
    let package = build("rpm");
    let listed = said(Command::new("rpm").arg("-qpl").arg(&package));
    holds_all("openvpn", &listed.lines().map(str::to_owned).collect());
    let version = said(
        Command::new("rpm")
            .args(["-qp", "--queryformat", "%{VERSION}"])
            .arg(&package),
    );
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
}

/// Builds a package of the program that is tested, without its symbols, and gives its place.
fn build(kind: &str) -> PathBuf {
    static ONE: Mutex<()> = Mutex::new(());
    let _one_at_a_time = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("program-{kind}"));
    said(
        Command::new("strip")
            .arg("-o")
            .arg(&program)
            .arg(env!("CARGO_BIN_EXE_openvpn3-backend")),
    );
    let built = said(
        Command::new(top().join("packaging/build-package"))
            .args([kind, "--binary"])
            .arg(&program),
    );
    let place = built.lines().last().expect("the package's place");
    PathBuf::from(place)
}

fn holds_all(user: &str, held: &BTreeSet<String>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("package-{user}"));
    said(
        Command::new(top().join("packaging/install"))
            .args(["--user", user, "--binary"])
            .arg(env!("CARGO_BIN_EXE_openvpn3-backend"))
            .arg("--destdir")
            .arg(&folder),
    );
    let mut missing = Vec::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = format!("/{}", path.strip_prefix(&folder).expect("below").display());
            // Manual pages come compressed.
            if !held.contains(&file) && !held.contains(&format!("{file}.gz")) {
                missing.push(file);
            }
        }
    }
    fs::remove_dir_all(&folder).expect("the folder");
    assert!(missing.is_empty(), "{missing:?} are not in the package");
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("a command that can be run");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
