//! Real servers, real kernel: everything here runs in network namespaces of its own.
//!
//! Needs root, iproute2 and `/dev/net/tun`; most tests also `openvpn` and `openssl`. What cannot run prints `skipped:`
//! and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod bypass;
mod changes;
mod compression;
mod device;
mod lasting;
mod load;
mod load_capture;
mod load_cost;
mod load_decode;
mod load_flood;
mod manners;
mod matrix;
mod moving;
mod names;
mod narrow;
mod network;
mod proxies;
mod scene;
mod trouble;

use std::future::Future;
use std::time::Duration;

use common::{client, lines, namespace, obstacle, pki, process, root, state, traffic};

/// Says that a test with a real server is skipped, if it must be.
fn skipped_connecting(more_tools: &[&str]) -> bool {
    let program = client::Program::chosen();
    if !program.can_connect() {
        println!("skipped: this build of openvpn3-backend cannot `connect`");
        return true;
    }
    skipped(&[&["openvpn", "openssl", "ping"], more_tools].concat())
}

/// Does something when it goes, come what may.
struct Defer<F: FnMut()>(F);

impl<F: FnMut()> Drop for Defer<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs asynchronous work on this thread, but not for ever.
fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let limited = async { tokio::time::timeout(LONGEST_WORK, work).await };
    runtime.block_on(limited).expect("it comes to an end")
}

/// No work of ours takes half as long.
const LONGEST_WORK: Duration = Duration::from_secs(120);

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
