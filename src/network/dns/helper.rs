//! `dns-helper`: DNS without systemd-resolved, for sessions whose account may not change it; run as root by systemd for one
//! request, which comes by standard input and is answered by standard output.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::FlockOperation;
use tracing::{error, info};

use crate::log;
use crate::network::dns::request::{DONE, LONGEST, Request, plan_from_text, plan_to_text};
use crate::network::dns::resolv_conf::SavedFile;
use crate::network::record_file::{self, from_hex, to_hex};
use openvpn_engine::netplan::DnsPlan;

/// Answers the request.
#[must_use]
pub fn main() -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    let mut text = String::new();
    let outcome = io::stdin()
        .take(LONGEST)
        .read_to_string(&mut text)
        .and_then(|_| Request::from_text(&text).ok_or_else(|| io::Error::other("no request")))
        .and_then(|request| Helper::new().obey(&request));
    let (answer, code) = match outcome {
        Ok(()) => (DONE.to_owned(), ExitCode::SUCCESS),
        Err(error) => {
            error!(%error, "DNS stays as it is");
            (error.to_string(), ExitCode::FAILURE)
        }
    };
    // A session that has gone gets no answer.
    let _ = writeln!(io::stdout(), "{answer}");
    code
}

/// Where things are.
#[derive(Debug)]
struct Helper {
    resolv_conf: PathBuf,
    resolvconf: Option<PathBuf>,
    folder: PathBuf,
}

/// Which devices have what in force, in the order in which they came; the last one's servers are asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    saved: Option<SavedFile>,
    devices: Vec<(String, DnsPlan)>,
}

impl Helper {
    fn new() -> Self {
        let programs = [
            "/usr/sbin/resolvconf",
            "/sbin/resolvconf",
            "/usr/bin/resolvconf",
        ];
        // Where it is resolvectl by another name, it serves systemd-resolved alone, which does not run.
        let is_itself =
            |path: &PathBuf| fs::canonicalize(path).is_ok_and(|path| !path.ends_with("resolvectl"));
        Self {
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            resolvconf: programs.map(PathBuf::from).into_iter().find(is_itself),
            folder: PathBuf::from(FOLDER),
        }
    }

    fn obey(&self, request: &Request) -> io::Result<()> {
        // One at a time.
        let lock = File::open(self.folder.parent().unwrap_or_else(|| Path::new("/")))?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)?;
        match (request, &self.resolvconf) {
            (Request::Set(device, plan), Some(program)) => {
                info!(device, program = %program.display(), "DNS is set");
                run(program, "-a", device, &for_resolvconf(plan))
            }
            (Request::Set(device, plan), None) => {
                info!(device, file = %self.resolv_conf.display(), "DNS is set");
                self.change(|claims| claims.set(device, plan))
            }
            (Request::Revert(device), program) => {
                info!(device, "DNS is taken back");
                // It may have come or gone meanwhile.
                let told = program
                    .as_ref()
                    .map_or(Ok(()), |program| run(program, "-d", device, ""));
                self.change(|claims| claims.remove(device)).and(told)
            }
        }
    }

    fn change(&self, change: impl FnOnce(&mut Claims)) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        let state = self.folder.join("claims");
        let mut claims = match fs::read_to_string(&state) {
            Ok(text) => Claims::from_text(&text).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Claims::default(),
            Err(error) => return Err(error),
        };
        change(&mut claims);
        let Some((_, plan)) = claims.devices.last() else {
            if let Some(saved) = claims.saved {
                saved.restore()?;
            }
            // The folder is made at boot and stays.
            return match fs::remove_file(&state) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            };
        };
        let saved = SavedFile::prepare(&self.resolv_conf, plan, claims.saved.as_ref())?;
        claims.saved = Some(saved.clone());
        record_file::write(&state, &claims.to_text())?;
        saved.write()
    }
}

impl Claims {
    fn set(&mut self, device: &str, plan: &DnsPlan) {
        match self.devices.iter_mut().find(|(known, _)| known == device) {
            Some((_, known)) => known.clone_from(plan),
            None => self.devices.push((device.to_owned(), plan.clone())),
        }
    }

    fn remove(&mut self, device: &str) {
        self.devices.retain(|(known, _)| known != device);
    }

    fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(saved) = &self.saved {
            let original = saved.original.as_deref().map_or_else(|| "-".into(), to_hex);
            let path = to_hex(saved.path.as_os_str().as_bytes());
            text += &format!("file {path} {original} {}\n", to_hex(&saved.written));
        }
        for (device, plan) in &self.devices {
            text += &format!(
                "device {device} {}\n",
                to_hex(plan_to_text(plan).as_bytes())
            );
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut claims = Self::default();
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["file", path, original, written] => {
                    let original = match original {
                        "-" => None,
                        text => Some(from_hex(text)?),
                    };
                    claims.saved = Some(SavedFile {
                        path: PathBuf::from(std::ffi::OsString::from_vec(from_hex(path)?)),
                        original,
                        written: from_hex(written)?,
                    });
                }
                ["device", device, plan] => {
                    let plan = plan_from_text(&String::from_utf8(from_hex(plan)?).ok()?)?;
                    claims.devices.push((device.to_owned(), plan));
                }
                _ => return None,
            }
        }
        Some(claims)
    }
}

/// What `resolvconf -a` reads.
fn for_resolvconf(plan: &DnsPlan) -> String {
    let mut text = String::new();
    for server in &plan.servers {
        text += &format!("nameserver {}\n", server.address.ip());
    }
    let domains = plan.search_domains.iter().chain(&plan.routing_domains);
    let domains: Vec<&str> = domains
        .map(|domain| domain.trim_start_matches('~'))
        .filter(|domain| !domain.is_empty() && *domain != ".")
        .collect();
    if !domains.is_empty() {
        text += &format!("search {}\n", domains.join(" "));
    }
    text
}

/// Runs `resolvconf`. The name begins with the device's, as its order of interfaces expects.
fn run(program: &Path, verb: &str, device: &str, input: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .args([verb, &format!("{device}.openvpn3")])
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?;
    }
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{} {verb}: {status}",
        program.display()
    )))
}

/// What is in force, for the next request; it goes when the machine is switched off.
const FOLDER: &str = "/run/openvpn3-backend-dns.d";
const FIRST_LINE: &str = "openvpn3-backend dns 1";
const LOG_LEVEL: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGINAL: &str = "nameserver 192.0.2.53\n";

    struct Scene {
        folder: PathBuf,
        helper: Helper,
    }

    impl Scene {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("openvpn3-dns-{}-{name}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            let resolv_conf = folder.join("resolv.conf");
            fs::write(&resolv_conf, ORIGINAL).unwrap();
            let helper = Helper {
                resolv_conf,
                resolvconf: None,
                folder: folder.join("state"),
            };
            Self { folder, helper }
        }

        fn ask(&self, text: &str) {
            let request = Request::from_text(text).unwrap();
            self.helper.obey(&request).unwrap();
        }

        fn servers(&self) -> Vec<String> {
            let text = fs::read_to_string(&self.helper.resolv_conf).unwrap();
            let servers = text.lines().filter_map(|it| it.strip_prefix("nameserver "));
            servers.map(ToOwned::to_owned).collect()
        }
    }

    impl Drop for Scene {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn the_newest_tunnel_is_asked_and_the_last_one_gives_the_file_back() {
        let scene = Scene::new("order");
        scene.ask("set tun0\nserver 10.8.0.1:0\n");
        scene.ask("set tun1\nserver 10.9.0.1:0\n");
        assert_eq!(scene.servers(), ["10.9.0.1"]);
        scene.ask("set tun0\nserver 10.8.0.2:0\n");
        assert_eq!(scene.servers(), ["10.9.0.1"]);
        scene.ask("revert tun1\n");
        assert_eq!(scene.servers(), ["10.8.0.2"]);
        scene.ask("revert tun1\n");
        scene.ask("revert tun0\n");
        let text = fs::read_to_string(&scene.helper.resolv_conf).unwrap();
        assert_eq!(text, ORIGINAL);
        assert!(!scene.helper.folder.join("claims").exists());
    }

    #[test]
    fn what_somebody_else_wrote_meanwhile_stays() {
        let scene = Scene::new("foreign");
        scene.ask("set tun0\nserver 10.8.0.1:0\n");
        fs::write(&scene.helper.resolv_conf, "nameserver 198.51.100.1\n").unwrap();
        scene.ask("revert tun0\n");
        assert_eq!(scene.servers(), ["198.51.100.1"]);
    }

    #[test]
    fn resolvconf_is_run_where_there_is_one() {
        use std::os::unix::fs::PermissionsExt;
        let mut scene = Scene::new("program");
        let program = scene.folder.join("resolvconf");
        let log = scene.folder.join("log");
        let script = format!("#!/bin/sh\n(echo \"$@\"; cat) >>{}\n", log.display());
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        scene.helper.resolvconf = Some(program);
        scene.ask("set tun0\nserver 10.8.0.1:0\nsearch corp.example\ndomain .\n");
        scene.ask("revert tun0\n");
        assert_eq!(
            fs::read_to_string(log).unwrap(),
            "-a tun0.openvpn3\nnameserver 10.8.0.1\nsearch corp.example\n-d tun0.openvpn3\n"
        );
        assert_eq!(scene.servers(), ["192.0.2.53"]);
    }

    #[test]
    fn claims_are_read_back() {
        let claims = Claims {
            saved: Some(SavedFile {
                path: "/etc/resolv conf".into(),
                original: Some(Vec::new()),
                written: b"x\n".to_vec(),
            }),
            devices: vec![("tun0".into(), DnsPlan::default())],
        };
        assert_eq!(Claims::from_text(&claims.to_text()), Some(claims));
        assert_eq!(Claims::from_text("other\n"), None);
    }
}
