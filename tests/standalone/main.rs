//! Sessions that systemd runs by itself, each in a root booted with systemd as process 1: Debian 12 (systemd 252), 13
//! (257) and unstable. The server is a real one, at the other end of the root's cable.
//!
//! Needs root, mmdebstrap, systemd-nspawn, openvpn, tcpdump and curl. What cannot run prints `skipped:` and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod capture;
mod login;
mod machine;
mod needs;
mod story;
mod switch;
mod traces;
mod trouble;
mod web;

use common::obstacle;
use machine::Machine;

/// Has dbus-daemon serve the bus where dbus-broker is installed too.
const DBUS_DAEMON: &str = "rm -f \"$1\"/etc/systemd/system/dbus.service \
    \"$1\"/etc/systemd/system/multi-user.target.wants/dbus-broker.service";

#[test]
fn debian_12_runs_sessions_over_dbus_broker() {
    all("bookworm", "", 100);
}

#[test]
fn debian_13_runs_sessions_over_dbus_broker() {
    all("trixie", "", 5);
}

#[test]
fn debian_unstable_runs_sessions_over_dbus_daemon() {
    all("sid", DBUS_DAEMON, 5);
}

/// Boots a root after `more` was done to it; starts and stops a session that many times.
fn all(root: &str, more: &str, cycles: u32) {
    let tools = [
        "mmdebstrap",
        "systemd-nspawn",
        "openvpn",
        "openssl",
        "tcpdump",
        "curl",
        "nft",
        "python3",
    ];
    if let Some(why) = obstacle(&tools) {
        println!("skipped: {why}");
        return;
    }
    let machine = Machine::boot(root, "openvpn", more);
    let _web = web::serve(&machine);
    let office = machine.serve();
    story::the_units_are_sound(&machine);
    story::it_lives_from_enable_to_disable(&machine, &office);
    story::cycles_leave_nothing(&machine, cycles);
    story::what_cannot_start_says_why(&machine);
    trouble::a_killed_session_comes_back_on_its_device(&machine);
    trouble::a_frozen_session_is_started_again(&machine);
    trouble::what_a_killed_session_left_is_taken_back(&machine);
    drop(office);
    let _office = needs::what_needs_the_tunnel_starts_once_it_is_there(&machine);
    switch::nothing_passes_but_the_tunnel(&machine);
    login::an_agent_answers_and_a_wrong_password_fails_once(&machine);
    login::encrypted_credentials_answer(&machine);
}
