//! Where the profile of an instance is, and the copy of it.

use std::path::{Path, PathBuf};

use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY};

/// The places of an instance's profile, the first that exists decides. The last is that of OpenVPN 2's
/// `openvpn-client@.service`.
const PLACES: [(&str, &str); 3] = [
    ("etc/openvpn3-backend", "ovpn"),
    ("etc/openvpn3-backend", "conf"),
    ("etc/openvpn/client", "conf"),
];

/// The profile of the instance `name` below `root` (`/`, but for tests).
///
/// # Errors
///
/// The places in which there is none.
pub fn profile(root: &Path, name: &str) -> Result<PathBuf, Vec<PathBuf>> {
    let places = places(root, name);
    // One that is there but cannot be looked at is found: reading it says what is wrong.
    let found = places
        .iter()
        .find(|path| !matches!(path.try_exists(), Ok(false)));
    found.cloned().ok_or(places)
}

/// Every place where the profile of the instance `name` may be.
#[must_use]
pub fn places(root: &Path, name: &str) -> Vec<PathBuf> {
    let place = |(folder, ending)| root.join(folder).join(format!("{name}.{ending}"));
    PLACES.map(place).to_vec()
}

/// Where the copy of an instance's profile is.
#[must_use]
pub fn copy_folder(instance: &Instance) -> PathBuf {
    Path::new(RUNTIME_DIRECTORY)
        .join("profiles")
        .join(instance.name())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn our_own_folder_comes_first_and_then_that_of_openvpn() {
        let root = std::env::temp_dir().join(format!("openvpn3-find-{}", std::process::id()));
        let (ours, theirs) = (
            root.join("etc/openvpn3-backend"),
            root.join("etc/openvpn/client"),
        );
        fs::create_dir_all(&ours).unwrap();
        fs::create_dir_all(&theirs).unwrap();
        assert_eq!(profile(&root, "office").unwrap_err().len(), 3);
        for (folder, ending) in [(&theirs, "conf"), (&ours, "conf"), (&ours, "ovpn")] {
            let path = folder.join(format!("office.{ending}"));
            fs::write(&path, "client\n").unwrap();
            assert_eq!(profile(&root, "office"), Ok(path));
        }
        fs::remove_dir_all(root).unwrap();
    }
}
