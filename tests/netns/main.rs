//! Real servers, real kernel: everything here runs in network namespaces of its own.
//!
//! Needs root, iproute2 and `/dev/net/tun`; most tests also `openvpn` and `openssl`. What cannot run prints `skipped:`
//! and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod compression;
mod example;
mod lasting;
mod load;
mod load_capture;
mod load_cost;
mod load_flood;
mod manners;
mod matrix;
mod moving;
mod narrow;
mod oracle;
mod proxies;
mod scene;
mod trouble;
mod trouble_proxies;
mod trouble_scopes;
mod weather;

use common::needs::{Defer, skipped};
use common::{capture, client, lines, link, namespace, pki, process, root, state, traffic};

/// Says that a test with a real server is skipped, if it must be.
fn skipped_connecting(more_tools: &[&str]) -> bool {
    let program = client::Program::chosen();
    if !program.can_connect() {
        println!("skipped: this build of openvpn3-backend cannot `connect`");
        return true;
    }
    skipped(&[&["openvpn", "openssl", "ping"], more_tools].concat())
}
