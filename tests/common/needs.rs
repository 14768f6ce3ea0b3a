//! What tests need of the machine, and what is said where it is not there.

use std::path::Path;

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

/// Says that a test is skipped, if it must be.
pub(crate) fn skipped(tools: &[&str]) -> bool {
    match obstacle(tools) {
        Some(why) => {
            println!("skipped: {why}");
            true
        }
        None => false,
    }
}

/// Does something when it goes, come what may.
pub(crate) struct Defer<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
