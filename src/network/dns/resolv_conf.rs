//! DNS through resolv.conf, saved and restored.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tracing::{debug, warn};

use openvpn_engine::netplan::DnsPlan;

/// A resolver file that we changed, and what is needed to change it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedFile {
    /// The file itself, after all symbolic links.
    pub path: PathBuf,
    /// What was in it; `None`: there was no file.
    pub original: Option<Vec<u8>>,
    /// What we wrote.
    pub written: Vec<u8>,
}

impl SavedFile {
    /// Reads the file and says what would be written. `previous` is what is in force already: if the file still holds
    /// that, its original is kept.
    ///
    /// # Errors
    ///
    /// The file cannot be found or read.
    pub fn prepare(path: &Path, plan: &DnsPlan, previous: Option<&Self>) -> io::Result<Self> {
        let path = follow(path)?;
        let current = read(&path)?;
        let original = match previous {
            Some(previous)
                if previous.path == path && current.as_ref() == Some(&previous.written) =>
            {
                previous.original.clone()
            }
            Some(_) | None => current,
        };
        let written = compose(original.as_deref().unwrap_or_default(), plan);
        Ok(Self {
            path,
            original,
            written,
        })
    }

    /// The name servers of the file as it was.
    pub(crate) fn servers_before(&self) -> Vec<IpAddr> {
        servers_of(self.original.as_deref().unwrap_or_default())
    }

    /// Writes the file. Nothing is touched if it holds the text already.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn write(&self) -> io::Result<()> {
        if read(&self.path)?.as_ref() == Some(&self.written) {
            return Ok(());
        }
        replace(&self.path, &self.written)
    }

    /// Puts the original back, unless somebody else has changed the file since: then it is left alone.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written.
    pub fn restore(&self) -> io::Result<()> {
        if read(&self.path)?.as_ref() != Some(&self.written) {
            debug!(path = %self.path.display(), "the resolver file was changed by somebody else and stays so");
            return Ok(());
        }
        match &self.original {
            Some(original) => replace(&self.path, original),
            None => fs::remove_file(&self.path),
        }
    }
}

/// The name servers that a file names; none if it cannot be read.
pub(crate) fn servers_in(path: &Path) -> Vec<IpAddr> {
    servers_of(&fs::read(path).unwrap_or_default())
}

fn servers_of(content: &[u8]) -> Vec<IpAddr> {
    let servers = values(&String::from_utf8_lossy(content), "nameserver");
    servers.iter().filter_map(|it| it.parse().ok()).collect()
}

/// The text of the file while the plan is in force.
fn compose(original: &[u8], plan: &DnsPlan) -> Vec<u8> {
    let original = String::from_utf8_lossy(original);
    let mut servers: Vec<IpAddr> = Vec::new();
    for server in &plan.servers {
        if matches!(server.address.port(), 0 | PORT) {
            servers.push(server.address.ip());
        } else {
            warn!(server = %server.address, "resolv.conf knows no ports: this DNS server is left out");
        }
    }
    let before = || values(&original, "nameserver");
    let mut names: Vec<String> = servers.iter().map(ToString::to_string).collect();
    if names.is_empty() {
        names.extend(before());
    } else if !plan.routing_domains.is_empty() {
        // The file cannot tell domains apart: the tunnel's servers are asked first, the old ones when those are silent.
        names.truncate(MOST_SERVERS - 1);
        names.extend(before());
    }
    let mut search = plan.search_domains.clone();
    for domain in plan
        .routing_domains
        .iter()
        .cloned()
        .chain(values(&original, "search"))
    {
        if !search.contains(&domain) && domain != "." {
            search.push(domain);
        }
    }
    let mut text = format!("{HEADER}\n");
    for name in names.iter().take(MOST_SERVERS) {
        text += &format!("nameserver {name}\n");
    }
    if !search.is_empty() {
        text += &format!("search {}\n", search.join(" "));
    }
    for line in original.lines() {
        if ["options", "sortlist"].contains(&keyword(line)) {
            text += line;
            text.push('\n');
        }
    }
    text.into_bytes()
}

fn keyword(line: &str) -> &str {
    line.split_whitespace().next().unwrap_or_default()
}

fn values(text: &str, wanted: &str) -> Vec<String> {
    text.lines()
        .filter(|line| keyword(line) == wanted || (wanted == "search" && keyword(line) == "domain"))
        .flat_map(|line| line.split_whitespace().skip(1))
        .map(ToOwned::to_owned)
        .collect()
}

/// The file that a path leads to in the end, which may not exist yet.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => {
                path = path.parent().unwrap_or_else(|| Path::new("/")).join(target);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return fs::canonicalize(path);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::from(Errno::LOOP))
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts new content in the place of a file at once; where its folder does not allow that, writes into the file itself.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    match replace_at_once(path, content) {
        Err(error) if needs_writing_in_place(&error) => {
            debug!(path = %path.display(), %error, "the file is written in place");
            write_in_place(path, content)
        }
        other => other,
    }
}

/// Writes so that who reads meanwhile finds the old content or the new one: never nothing, and no rest of the old one.
fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(0);
    let mut padded = content.to_vec();
    padded.resize(
        before.clamp(content.len(), content.len() + MOST_PADDING),
        b'\n',
    );
    file.write_all(&padded)?;
    file.set_len(u64::try_from(content.len()).unwrap_or(0))?;
    file.sync_all()
}

fn replace_at_once(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = name.to_os_string();
    beside.push(format!(".openvpn3-{}", std::process::id()));
    let beside = path.with_file_name(beside);
    let result = write_beside(path, &beside, content).and_then(|()| fs::rename(&beside, path));
    if result.is_err() {
        // It may not have been made at all.
        let _nothing_left = fs::remove_file(&beside);
    }
    result
}

fn write_beside(path: &Path, beside: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(beside)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    if let Ok(before) = fs::metadata(path) {
        file.set_permissions(before.permissions())?;
        if (before.uid(), before.gid()) != (file.metadata()?.uid(), file.metadata()?.gid()) {
            std::os::unix::fs::fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
    }
    file.write_all(content)?;
    file.sync_all()
}

/// A bind mount cannot be renamed over, and a sandbox may allow the file but not its folder.
fn needs_writing_in_place(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::BUSY | Errno::XDEV | Errno::ROFS | Errno::ACCESS | Errno::PERM)
    )
}

const HEADER: &str = "# Written by openvpn3-backend while a tunnel is up; what was here before comes back with its end.";
/// The port that resolv.conf means.
const PORT: u16 = 53;
/// The C library asks no more servers than these.
const MOST_SERVERS: usize = 3;
/// No resolver's file is longer by more than this.
const MOST_PADDING: usize = 65_536;
/// As many as the kernel follows.
const MOST_LINKS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use openvpn_engine::netplan::DnsServer;

    /// A folder of its own, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("openvpn3-resolv-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn file(&self, name: &str, content: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, content).unwrap();
            path
        }
    }

    #[test]
    fn a_file_written_in_place_holds_the_new_text_and_nothing_else() {
        let folder = Folder::new("place");
        let path = folder.file("resolv.conf", &"nameserver 192.0.2.53\n".repeat(9));
        for text in [
            "nameserver 10.0.0.1\n",
            "",
            "search a\nnameserver 10.0.0.1\n",
        ] {
            write_in_place(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _gone = fs::remove_dir_all(&self.0);
        }
    }

    fn plan(servers: &[&str]) -> DnsPlan {
        DnsPlan {
            servers: servers
                .iter()
                .map(|server| DnsServer {
                    address: server.parse().unwrap(),
                    name: None,
                })
                .collect(),
            search_domains: vec!["corp.example".into()],
            ..DnsPlan::default()
        }
    }

    const ORIGINAL: &str = "nameserver 192.0.2.53\nsearch home.example\noptions edns0\n";

    #[test]
    fn the_tunnels_servers_take_the_place_of_the_old_ones_and_options_stay() {
        let text = compose(
            ORIGINAL.as_bytes(),
            &plan(&["10.8.0.1:0", "10.8.0.2:5353", "[fd08::1]:53"]),
        );

        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "nameserver 10.8.0.1",
                "nameserver fd08::1",
                "search corp.example home.example",
                "options edns0"
            ]
        );
    }

    #[test]
    fn with_split_domains_the_old_servers_remain_for_the_rest() {
        let mut split = plan(&["10.8.0.1:0"]);
        split.routing_domains = vec!["intern.example".into()];

        let text = String::from_utf8(compose(ORIGINAL.as_bytes(), &split)).unwrap();

        assert!(
            text.contains("nameserver 10.8.0.1\nnameserver 192.0.2.53\n"),
            "{text}"
        );
    }

    #[test]
    fn the_file_is_byte_for_byte_as_before_and_the_link_is_still_a_link() {
        let folder = Folder::new("link");
        let real = folder.file("real", ORIGINAL);
        let link = folder.0.join("resolv.conf");
        std::os::unix::fs::symlink("real", &link).unwrap();

        let saved = SavedFile::prepare(&link, &plan(&["10.8.0.1:0"]), None).unwrap();
        saved.write().unwrap();
        let meanwhile = fs::read_to_string(&link).unwrap();
        saved.restore().unwrap();

        assert!(meanwhile.contains("10.8.0.1"));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(real).unwrap(), ORIGINAL);
        assert_eq!(
            fs::read_dir(&folder.0).unwrap().count(),
            2,
            "no file is left beside"
        );
    }

    #[test]
    fn what_somebody_else_wrote_in_between_is_not_overwritten() {
        let folder = Folder::new("foreign");
        let path = folder.file("resolv.conf", ORIGINAL);
        let saved = SavedFile::prepare(&path, &plan(&["10.8.0.1:0"]), None).unwrap();
        saved.write().unwrap();
        fs::write(&path, "nameserver 203.0.113.1\n").unwrap();

        saved.restore().unwrap();

        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "nameserver 203.0.113.1\n"
        );
    }

    #[test]
    fn a_second_plan_keeps_the_first_original() {
        let folder = Folder::new("second");
        let path = folder.file("resolv.conf", ORIGINAL);
        let first = SavedFile::prepare(&path, &plan(&["10.8.0.1:0"]), None).unwrap();
        first.write().unwrap();

        let second = SavedFile::prepare(&path, &plan(&["10.8.0.9:0"]), Some(&first)).unwrap();
        second.write().unwrap();
        second.restore().unwrap();

        assert_eq!(fs::read_to_string(&path).unwrap(), ORIGINAL);
    }

    #[test]
    fn a_file_that_was_not_there_is_removed_again() {
        let folder = Folder::new("none");
        let path = folder.0.join("resolv.conf");

        let saved = SavedFile::prepare(&path, &plan(&["10.8.0.1:0"]), None).unwrap();
        saved.write().unwrap();
        assert!(path.exists());
        saved.restore().unwrap();

        assert!(!path.exists());
    }
}
