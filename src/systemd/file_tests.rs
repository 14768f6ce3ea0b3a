//! What is installed: every file in its place, valid to systemd's own tools, and no looser than it has to be.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::systemd::exit;
use crate::systemd::unit::Instance;

const UNITS: &str = "usr/lib/systemd/system";
/// The exposure that `systemd-analyze security` may find, in tenths.
const CEILING: &str = "20";

struct Installed(PathBuf);

impl Installed {
    fn for_systemd(name: &str, version: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("files-{name}-{}", std::process::id()));
        let binary = directory.with_extension("program");
        fs::write(&binary, "#!/bin/true\n").expect("a program");
        let installed = run(Command::new(top().join("packaging/install"))
            .args(["--user", "daemon", "--systemd-version", version])
            .arg("--destdir")
            .arg(&directory)
            .arg("--binary")
            .arg(&binary));
        fs::remove_file(&binary).expect("the program");
        assert!(installed.status.success(), "{installed:?}");
        Self(directory)
    }

    fn files(&self) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        let mut directories = vec![self.0.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    let below = path.strip_prefix(&self.0).expect("below");
                    files.insert(below.display().to_string());
                }
            }
        }
        files
    }

    fn text(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).expect("an installed file")
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> Output {
    command.output().expect("a command that can be run")
}

/// Whether systemd-analyze is there; says so if not.
fn can_analyze(test: &str) -> bool {
    let there = Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_ok();
    if !there {
        println!("skipped: {test}: no systemd-analyze");
    }
    there
}

#[test]
fn every_file_is_put_in_its_place_and_filled_in() {
    let installed = Installed::for_systemd("places", "252");
    let zsh = if Path::new("/etc/debian_version").exists() {
        "usr/share/zsh/vendor-completions/_openvpn3-backend"
    } else {
        "usr/share/zsh/site-functions/_openvpn3-backend"
    };
    let expected = [
        "usr/bin/openvpn3-backend",
        "usr/lib/systemd/catalog/openvpn3-backend.catalog",
        "usr/lib/systemd/system/openvpn3-backend-starter.service",
        "usr/lib/systemd/system/openvpn3-backend@.service",
        "usr/lib/sysusers.d/openvpn3-backend.conf",
        "usr/lib/tmpfiles.d/openvpn3-backend.conf",
        "usr/share/openvpn3-backend/dbus-1/net.openvpn.v3.backends.service",
        "usr/bin/openvpn3-backend-takeover",
        "usr/libexec/openvpn3-backend/retire",
        "usr/share/man/man8/openvpn3-backend-takeover.8",
        "usr/share/bash-completion/completions/openvpn3-backend",
        "usr/share/dbus-1/system.d/openvpn3-backend.conf",
        "usr/share/fish/vendor_completions.d/openvpn3-backend.fish",
        "usr/share/man/man5/openvpn3-backend.profile.5",
        "usr/share/man/man8/openvpn3-backend.8",
        "usr/share/man/man8/openvpn3-backend@.service.8",
        "usr/share/polkit-1/actions/net.openvpn.v3.backends.policy",
        "usr/share/polkit-1/rules.d/openvpn3-backend.rules",
        zsh,
        "usr/lib/systemd/system/openvpn3-backend-forget@.service",
        "usr/lib/systemd/system/openvpn3-backend-cleanup@.service",
        "usr/lib/systemd/system/openvpn3-backend-dns.socket",
        "usr/lib/systemd/system/openvpn3-backend-dns@.service",
        "usr/lib/systemd/system/openvpn3-backend-killswitch@.service",
        "usr/lib/systemd/system/openvpn3-backend-online@.target",
        "usr/lib/systemd/network/80-openvpn3-backend.network",
        "usr/share/doc/openvpn3-backend/examples/NetworkManager-tun-unmanaged.conf",
        "usr/share/doc/openvpn3-backend/examples/networkd-foreign-routes.conf",
        "usr/share/doc/openvpn3-backend/examples/openvpn3-backend-users.rules",
        "usr/share/doc/openvpn3-backend/examples/openvpn3-backend-starter-netcfg.conf",
    ];
    assert_eq!(installed.files(), expected.map(str::to_owned).into());
    for file in &expected[1..] {
        let text = installed.text(file);
        assert!(
            !text.contains("@USER@") && !text.contains("@BINARY@"),
            "{file}"
        );
    }
}

#[test]
fn newer_settings_come_only_where_systemd_knows_them() {
    let installed = Installed::for_systemd("newer", "257");
    let drop_ins: Vec<String> = installed
        .files()
        .into_iter()
        .filter(|file| file.contains("@.service.d/"))
        .collect();
    assert_eq!(drop_ins.len(), 2, "{drop_ins:?}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !can_analyze("verify") {
        return;
    }
    let installed = Installed::for_systemd("verify", "252");
    let unit_path = installed.0.join(UNITS);
    let verified = run(Command::new("systemd-analyze")
        .env("SYSTEMD_UNIT_PATH", format!("{}:", unit_path.display()))
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(unit_path.join("openvpn3-backend-starter.service"))
        .arg(unit_path.join("openvpn3-backend@x.service")));
    let said = String::from_utf8_lossy(&verified.stderr);
    // The program itself is not where the units look for it, on the machine that tests.
    let wrong: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("openvpn3-backend") && !line.contains("is not executable"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_sandbox_is_no_looser_than_its_ceiling() {
    if !can_analyze("security") {
        return;
    }
    let installed = Installed::for_systemd("security", "252");
    for unit in [
        "openvpn3-backend@x.service",
        "openvpn3-backend-forget@x.service",
        "openvpn3-backend-starter.service",
    ] {
        let judged = run(Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={CEILING}"))
            .arg(format!("--root={}", installed.0.display()))
            .arg(unit));
        let said = String::from_utf8_lossy(&judged.stdout);
        assert!(judged.status.success(), "{said}");
        println!("{}", said.lines().last().unwrap_or_default());
    }
}

#[test]
fn sysusers_and_tmpfiles_are_understood() {
    let installed = Installed::for_systemd("users", "252");
    let root = std::env::temp_dir().join(format!("files-root-{}", std::process::id()));
    fs::create_dir_all(root.join("etc")).expect("a root");
    let file = installed.0.join("usr/lib/sysusers.d/openvpn3-backend.conf");
    let named = run(Command::new("sed")
        .args(["-i", "s/daemon/openvpn/"])
        .arg(&file));
    assert!(named.status.success());
    match Command::new("systemd-sysusers")
        .arg(format!("--root={}", root.display()))
        .arg(&file)
        .output()
    {
        Ok(made) => {
            assert!(made.status.success(), "{made:?}");
            let users = fs::read_to_string(root.join("etc/passwd")).expect("users");
            assert!(users.contains("openvpn:"), "{users}");
        }
        Err(error) => println!("skipped: systemd-sysusers: {error}"),
    }
    fs::remove_dir_all(&root).expect("the root");
}

/// Internal error, no server reached, the network not set up, ended by the server: starting again without a change by
/// somebody could help.
const RETRY_HELPS: [u8; 4] = [1, 13, 14, 17];

#[test]
fn the_unit_does_not_try_again_what_trying_cannot_help() {
    let unit = fs::read_to_string(top().join("units/openvpn3-backend@.service")).expect("the unit");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("RestartPreventExitStatus="))
        .expect("the setting");
    let prevented: Vec<u8> = line
        .split(' ')
        .map(|code| code.parse().expect("a number"))
        .collect();
    let hopeless: Vec<u8> = exit::ALL
        .iter()
        .map(|status| status.code)
        .filter(|code| *code != 0 && !RETRY_HELPS.contains(code))
        .collect();
    assert_eq!(prevented, hopeless);
}

#[test]
fn polkit_lets_the_starter_start_the_instances_that_it_makes_up() {
    let rule = fs::read_to_string(top().join("packaging/polkit-1/rules.d/openvpn3-backend.rules"))
        .expect("the rule");
    assert!(rule.contains(r"/^openvpn3-backend@[a-z2-9]{12}\.service$/"));
    for _ in 0..100 {
        let instance = Instance::random().expect("random bytes");
        let name = instance.name();
        assert_eq!(name.len(), 12);
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || (b'2'..=b'9').contains(&b)),
            "{name}"
        );
    }
}

#[test]
fn the_bus_lets_through_what_the_contract_names() {
    let policy = fs::read_to_string(top().join("packaging/dbus-1/system.d/openvpn3-backend.conf"))
        .expect("the policy");
    for contract in ["session.xml", "starter.xml"] {
        let path = top().join("tests/data/introspection").join(contract);
        let contract = fs::read_to_string(path).expect("the contract");
        for (kind, rule) in [
            ("<method name=\"", "send_member"),
            ("<signal name=\"", "receive_member"),
        ] {
            for line in contract.lines() {
                let Some(rest) = line.trim().strip_prefix(kind) else {
                    continue;
                };
                let member = rest.split('"').next().expect("a name");
                assert!(policy.contains(&format!("{rule}=\"{member}\"")), "{member}");
            }
        }
    }
}
