//! What several test programs need: network namespaces, programs in them, keys, traffic.

use std::path::Path;

pub(crate) mod client;
pub(crate) mod lines;
pub(crate) mod management;
pub(crate) mod namespace;
pub(crate) mod pki;
pub(crate) mod process;
pub(crate) mod root;
pub(crate) mod state;
pub(crate) mod traffic;

/// Why tests that need `tools` cannot run here; `None`: they can.
pub(crate) fn obstacle(tools: &[&str]) -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root to make network namespaces".into());
    }
    if !Path::new("/dev/net/tun").exists() {
        return Some("needs /dev/net/tun".into());
    }
    let path = std::env::var("PATH").unwrap_or_default();
    let found = |tool: &&&str| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|folder| folder.join(tool).exists())
    };
    let missing: Vec<_> = ["ip"]
        .iter()
        .chain(tools)
        .filter(|tool| !found(tool))
        .copied()
        .collect();
    (!missing.is_empty()).then(|| format!("needs {}", missing.join(", ")))
}
