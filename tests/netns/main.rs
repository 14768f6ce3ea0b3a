//! Real servers, real kernel: everything here runs in network namespaces of its own.
//!
//! Needs root, iproute2 and `/dev/net/tun`; most tests also `openvpn` and `openssl`. What cannot run prints `skipped:`
//! and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

mod changes;
mod lasting;
mod matrix;
mod namespace;
mod network;
mod pki;
mod process;
mod scene;
mod state;
mod traffic;
mod trouble;

use std::future::Future;
use std::path::Path;

/// Says that a test with a real server is skipped, if it must be.
fn skipped_connecting(more_tools: &[&str]) -> bool {
    let program = scene::Program::chosen();
    if !program.can_connect() {
        println!("skipped: this build of openvpn3-backend cannot `connect`");
        return true;
    }
    skipped(&[&["openvpn", "openssl", "ping"], more_tools].concat())
}

/// Runs asynchronous work on this thread.
fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    runtime.block_on(work)
}

/// Why tests that need `tools` cannot run here; `None`: they can.
fn obstacle(tools: &[&str]) -> Option<String> {
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
fn skipped(tools: &[&str]) -> bool {
    match obstacle(tools) {
        Some(why) => {
            println!("skipped: {why}");
            true
        }
        None => false,
    }
}
