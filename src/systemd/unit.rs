//! An instance's name and unit, and what the starter leaves for it to take.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ring::rand::{SecureRandom, SystemRandom};

/// Where the starter leaves what an instance is to take. Only our own account may look into it.
pub const RUNTIME_DIRECTORY: &str = "/run/openvpn3-backend";

/// Who sets up the network, as the command line says it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum NetworkBy {
    /// This program.
    #[default]
    Local,
    /// The stock service net.openvpn.v3.netcfg.
    Netcfg,
    /// Nobody.
    None,
}

/// The name of one instance of the template unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance(String);

/// What an instance is started with. It never travels in a unit's name, an argument, the environment or a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handover {
    /// The session manager's name for the session.
    pub session_token: String,
    /// The log level, if the starter was told one.
    pub log_level: Option<u32>,
    /// Who sets up the network, if the starter was told so.
    pub network: Option<NetworkBy>,
}

impl Instance {
    /// A short name that nobody can guess.
    ///
    /// # Errors
    ///
    /// If the system gives no random bytes.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0_u8; NAME_LENGTH];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| io::Error::other("no random bytes"))?;
        let name = bytes
            .iter()
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect();
        Ok(Self(name))
    }

    /// The instance named by an argument, as it is in the unit's name: `systemd-escape` writes other characters than
    /// letters, digits and `-_.@:` as `\xNN`. Names that could lead out of a directory are none.
    #[must_use]
    pub fn from_argument(name: &str) -> Option<Self> {
        let fits = !name.is_empty() && name.len() <= LONGEST_NAME;
        let plain = name.bytes().all(|b| is_plain(b) || b == b'\\');
        let usable = fits && plain && !name.starts_with('.');
        (usable && unescaped(name).is_some()).then(|| Self(name.to_owned()))
    }

    /// The instance that a person means: by its name in the unit, or by that of its profile.
    #[must_use]
    pub fn from_person(name: &str) -> Option<Self> {
        Self::from_argument(name).or_else(|| Self::from_argument(&escaped(name)))
    }

    /// The name without the unit's escapes: that of its profile.
    #[must_use]
    pub fn profile_name(&self) -> String {
        unescaped(&self.0).unwrap_or_else(|| self.0.clone())
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether the starter could have made this name up.
    #[must_use]
    pub fn is_made_up(&self) -> bool {
        self.0.len() == NAME_LENGTH && self.0.bytes().all(|byte| ALPHABET.contains(&byte))
    }

    /// The name of its unit.
    #[must_use]
    pub fn unit(&self) -> String {
        format!("openvpn3-backend@{}.service", self.0)
    }

    /// Leaves something for the instance, in a file that it alone will find.
    ///
    /// # Errors
    ///
    /// If the file cannot be written; nothing is left then.
    pub fn leave(&self, directory: &Path, handover: &Handover) -> io::Result<()> {
        let path = self.path(directory);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let written = file.write_all(handover.to_text().as_bytes());
        if written.is_err() {
            drop(fs::remove_file(&path));
        }
        written
    }

    /// Takes what was left, and removes it. `None`: nothing was.
    ///
    /// # Errors
    ///
    /// If there is something, but it cannot be read or removed, or is not what the starter writes.
    pub fn take(&self, directory: &Path) -> io::Result<Option<Handover>> {
        let path = self.path(directory);
        let mut text = String::new();
        match fs::File::open(&path) {
            Ok(file) => file.take(LONGEST_HANDOVER).read_to_string(&mut text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        fs::remove_file(&path)?;
        Handover::from_text(&text)
            .map(Some)
            .ok_or_else(|| io::Error::other("what the starter left cannot be read"))
    }

    /// Whether something is left for the instance.
    #[must_use]
    pub fn is_awaited(&self, directory: &Path) -> bool {
        self.path(directory).exists()
    }

    /// Takes back what was left for an instance that did not start. One that was taken is no error.
    pub fn take_back(&self, directory: &Path) {
        drop(fs::remove_file(self.path(directory)));
    }

    fn path(&self, directory: &Path) -> PathBuf {
        directory.join(format!("{}.start", self.0))
    }
}

impl Handover {
    fn to_text(&self) -> String {
        let mut text = format!("token={}\n", self.session_token);
        if let Some(level) = self.log_level {
            text.push_str(&format!("log-level={level}\n"));
        }
        let network = self.network.and_then(|it| it.to_possible_value());
        if let Some(network) = network {
            text.push_str(&format!("network={}\n", network.get_name()));
        }
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut session_token = None;
        let mut log_level = None;
        let mut network = None;
        for line in text.lines() {
            match line.split_once('=')? {
                ("token", token) if is_token(token) => session_token = Some(token.to_owned()),
                ("log-level", level) => log_level = Some(level.parse().ok()?),
                ("network", by) => network = Some(NetworkBy::from_str(by, false).ok()?),
                _ => return None,
            }
        }
        Some(Self {
            session_token: session_token?,
            log_level,
            network,
        })
    }
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b':')
}

/// The name with each `\xNN` as the byte that it stands for. `-` stays: a profile is in no folder below ours. `None`: it
/// is no name of a file.
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| hexadecimal)?;
        bytes.push(byte);
        bytes.extend_from_slice(rest.as_bytes());
    }
    // A backslash that begins no escape.
    if name.replace("\\x", "").contains('\\') {
        return None;
    }
    let text = String::from_utf8(bytes).ok()?;
    let is_a_file = !text.chars().any(|c| c == '/' || c.is_control());
    is_a_file.then_some(text)
}

/// As `systemd-escape` does, but for `/`, which no name of a profile has.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for (place, byte) in name.bytes().enumerate() {
        if is_plain(byte) && !(place == 0 && byte == b'.') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Whether this can be a session's token: what session managers send, and nothing that could be mistaken for more.
#[must_use]
pub fn is_token(text: &str) -> bool {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !text.is_empty() && text.len() <= LONGEST_TOKEN && plain
}

const NAME_LENGTH: usize = 12;
const LONGEST_NAME: usize = 200;
const LONGEST_TOKEN: usize = 128;
const LONGEST_HANDOVER: u64 = 4096;
/// 32 letters and digits that cannot be mistaken for one another; 32 divides 256, so that all are equally likely.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Where the description of an instance's unit is left for `describe`, which may set it.
#[must_use]
pub fn description_file(directory: &Path, instance: &Instance) -> PathBuf {
    directory.join("descriptions").join(instance.name())
}

/// Removes the description that was left, if any was.
///
/// # Errors
///
/// The system refuses.
pub fn forget_description(directory: &Path, instance: &Instance) -> io::Result<()> {
    match fs::remove_file(description_file(directory, instance)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("unit-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn handover() -> Handover {
        Handover {
            session_token: "27400f79t4a54t47a9tb70ata424eebacbce".to_owned(),
            log_level: Some(4),
            network: Some(NetworkBy::Netcfg),
        }
    }

    #[test]
    fn names_are_short_and_never_the_same() {
        let first = Instance::random().unwrap();
        assert_ne!(first, Instance::random().unwrap());
        assert_eq!(first.name().len(), 12);
        assert!(first.is_made_up());
        assert_eq!(Instance::from_argument(first.name()), Some(first.clone()));
        assert_eq!(
            first.unit(),
            format!("openvpn3-backend@{}.service", first.name())
        );
    }

    #[test]
    fn what_is_left_is_found_once_and_by_nobody_else() {
        let directory = directory("left");
        let instance = Instance::random().unwrap();
        instance.leave(&directory, &handover()).unwrap();
        let mode = fs::metadata(instance.path(&directory))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(instance.leave(&directory, &handover()).is_err());
        assert_eq!(instance.take(&directory).unwrap(), Some(handover()));
        assert_eq!(instance.take(&directory).unwrap(), None);
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_name_cannot_lead_elsewhere() {
        for name in ["", "..", "../x", "a/b", ".x", "a b", "a\0"] {
            assert_eq!(Instance::from_argument(name), None, "{name:?}");
        }
        for name in [
            r"\x2fetc", r"..\x2fx", r"a\x00", r"a\x0a", r"a\x2", r"a\y", r"\", r"b\xfcro", r"a\x+1",
        ] {
            assert_eq!(Instance::from_argument(name), None, "{name:?}");
        }
        assert!(Instance::from_argument("office").is_some());
    }

    #[test]
    fn a_name_that_was_escaped_is_that_of_a_profile_with_spaces_and_umlauts() {
        for (name, profile) in [
            ("my-office", "my-office"),
            (r"my\x2doffice", "my-office"),
            (r"home\x20office", "home office"),
            (r"b\xc3\xbcro", "büro"),
            (r"\x2ehidden", ".hidden"),
            (r"a\x5cb", r"a\b"),
        ] {
            let instance = Instance::from_argument(name).expect(name);
            assert_eq!(instance.profile_name(), profile);
            assert_eq!(instance.name(), name);
        }
        for (said, name) in [
            ("home office", r"home\x20office"),
            ("büro", r"b\xc3\xbcro"),
            (r"home\x20office", r"home\x20office"),
            (".hidden", r"\x2ehidden"),
        ] {
            assert_eq!(Instance::from_person(said).expect(said).name(), name);
        }
        assert_eq!(Instance::from_person("a/b"), None);
    }

    #[test]
    fn a_token_is_plain() {
        assert!(is_token("27400f79t4a54t47a9tb70ata424eebacbce"));
        for text in ["", "a b", "a\nlog-level=6", "a/b", "ü"] {
            assert!(!is_token(text), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_of_a_file_has_an_instance(name in "[^/\\p{Cc}]{1,12}") {
            let instance = Instance::from_person(&name).expect("it is escaped");
            let taken_as_escaped = Instance::from_argument(&name).is_some();
            if !taken_as_escaped {
                prop_assert_eq!(instance.profile_name(), name);
            }
        }

        #[test]
        fn what_is_left_is_what_is_taken(token in "[0-9a-ft]{1,64}", level in proptest::option::of(0_u32..7)) {
            let handover = Handover { session_token: token, log_level: level, network: None };
            prop_assert_eq!(Handover::from_text(&handover.to_text()), Some(handover));
        }

        #[test]
        fn no_text_is_too_strange(text in ".*") {
            drop(Handover::from_text(&text));
        }
    }
}
