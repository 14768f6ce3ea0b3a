//! Sessions that systemd runs by itself, each in a root booted with systemd as process 1: Debian 12 (systemd 252), 13
//! (257) and unstable. The server is a real one, at the other end of the root's cable.
//!
//! Needs root, mmdebstrap, systemd-nspawn, openvpn, tcpdump and curl. What cannot run prints `skipped:` and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod login;
mod machine;
mod story;
mod switch;
mod trouble;

use common::obstacle;
use machine::Machine;

#[test]
fn debian_12_runs_a_session_from_start_to_stop() {
    all("bookworm");
}

#[test]
fn debian_13_runs_a_session_from_start_to_stop() {
    all("trixie");
}

#[test]
fn debian_unstable_runs_a_session_from_start_to_stop() {
    all("sid");
}

fn all(root: &str) {
    let tools = [
        "mmdebstrap",
        "systemd-nspawn",
        "openvpn",
        "openssl",
        "tcpdump",
        "curl",
    ];
    if let Some(why) = obstacle(&tools) {
        println!("skipped: {why}");
        return;
    }
    let machine = Machine::boot(root);
    let office = machine.serve();
    story::the_unit_is_sound(&machine);
    story::it_starts_reloads_and_stops(&machine);
    story::many_cycles_leave_nothing(&machine);
    story::what_cannot_start_says_why(&machine);
    trouble::a_killed_session_comes_back_on_its_device(&machine);
    trouble::a_frozen_session_is_started_again(&machine);
    trouble::what_a_killed_session_left_is_taken_back(&machine);
    switch::what_needs_the_tunnel_starts_once_it_is_there(&machine);
    switch::nothing_passes_but_the_tunnel(&machine);
    drop(office);
    login::an_agent_answers_and_a_wrong_password_fails_once(&machine);
    login::encrypted_credentials_answer(&machine);
}
