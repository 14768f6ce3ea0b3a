//! What we say about ourselves to servers that may know.

use std::fs;

use sha2::{Digest, Sha256};

use openvpn_engine::config::PeerInfo;

/// Our name and version, what logins a front can show, and (for profiles with `push-peer-info`) machine and system.
#[must_use]
pub fn ourselves() -> PeerInfo {
    PeerInfo {
        gui_version: Some(concat!("openvpn3-backend/", env!("CARGO_PKG_VERSION")).to_owned()),
        sso: Some("openurl,webauth,crtext".to_owned()),
        hardware_address: fs::read_to_string("/etc/machine-id")
            .ok()
            .and_then(|id| hardware_address(&id)),
        platform_version: fs::read_to_string("/etc/os-release")
            .ok()
            .and_then(|text| platform_version(&text)),
        ..PeerInfo::default()
    }
}

/// A name of this machine that does not show its machine id.
fn hardware_address(machine_id: &str) -> Option<String> {
    let id = machine_id.lines().next().filter(|id| !id.is_empty())?;
    let hash = Sha256::digest(format!("OpenVPN 3{id}Linux"));
    Some(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The system's name for programs, else the one for people.
fn platform_version(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        os_release.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix('=')?;
            let value = value.trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        })
    };
    value("CPE_NAME").or_else(|| value("PRETTY_NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_named_by_a_hash() {
        let address = hardware_address("0123456789abcdef0123456789abcdef\n").expect("an id");
        assert_eq!(address.len(), 64);
        assert!(!address.contains("0123456789abcdef"));
        assert_eq!(hardware_address("\n"), None);
    }

    #[test]
    fn the_name_for_programs_comes_first() {
        let release = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n";
        assert_eq!(
            platform_version(release).as_deref(),
            Some("Debian GNU/Linux 13 (trixie)")
        );
        let with_cpe = format!("{release}CPE_NAME='cpe:/o:debian:debian_linux:13'\n");
        assert_eq!(
            platform_version(&with_cpe).as_deref(),
            Some("cpe:/o:debian:debian_linux:13")
        );
        assert_eq!(platform_version(""), None);
    }
}
