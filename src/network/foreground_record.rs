//! What a session in the foreground leaves in force if it is killed: its record, held by a lock.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tracing::{debug, warn};

use crate::network;
use crate::systemd::unit::RUNTIME_DIRECTORY;

/// The record of one profile's session. While it lives no other session of the profile has it.
#[derive(Debug)]
pub struct ForegroundRecord {
    path: PathBuf,
    _lock: File,
}

impl ForegroundRecord {
    /// The record of a profile's session in the foreground. `None` if another session has it, or none can be kept.
    #[must_use]
    pub fn hold(profile: &Path) -> Option<Self> {
        Self::hold_in(&Path::new(RUNTIME_DIRECTORY).join("foreground"), profile)
            .inspect_err(|error| debug!(%error, "no record of the network can be kept"))
            .ok()
    }

    fn hold_in(folder: &Path, profile: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let name = name_of(&profile.canonicalize()?);
        let lock = File::create(folder.join(format!("{name}.lock")))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            path: folder.join(name),
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes back what an earlier session of the profile left in force when it was killed.
    pub async fn take_back(&self, bus: impl Future<Output = Option<zbus::Connection>>) {
        if !self.path.exists() {
            return;
        }
        match network::cleanup(&self.path, bus.await).await {
            Ok(true) => warn!("an earlier session was killed: what it left in force is taken back"),
            Ok(false) => {}
            Err(error) => warn!(%error, "an earlier session left something in force"),
        }
    }
}

/// A name for people and one for programs.
fn name_of(profile: &Path) -> String {
    let stem = profile.file_stem().unwrap_or_default().to_string_lossy();
    let hash = Sha256::digest(profile.as_os_str().as_bytes());
    let hash: String = hash.iter().take(4).map(|b| format!("{b:02x}")).collect();
    let mut stem: String = stem.chars().take(40).collect();
    stem.retain(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    format!("{stem}-{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_session_of_a_profile_keeps_no_record() {
        let folder = std::env::temp_dir().join(format!("record-{}", std::process::id()));
        let profile = folder.join("office.ovpn");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&profile, "").unwrap();

        let first = ForegroundRecord::hold_in(&folder, &profile).unwrap();
        assert!(ForegroundRecord::hold_in(&folder, &profile).is_err());
        assert!(first.path().starts_with(&folder));
        drop(first);
        assert!(ForegroundRecord::hold_in(&folder, &profile).is_ok());

        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn profiles_of_one_name_in_two_folders_have_records_of_their_own() {
        let one = name_of(Path::new("/a/of fice.ovpn"));
        let two = name_of(Path::new("/b/of fice.ovpn"));
        assert_ne!(one, two);
        assert!(one.starts_with("office-"), "{one}");
    }
}
