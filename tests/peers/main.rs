//! Sessions of the stock session manager: the unchanged openvpn3 24.1 of Debian 13, and that of unstable, each in a root
//! booted with systemd as process 1, driven by its own command. The server is a real one, at the other end of the cable.
//!
//! Needs root, mmdebstrap, systemd-nspawn and openvpn. What cannot run prints `skipped:` and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod front;
mod life;
mod login;
#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../standalone/machine.rs"]
mod machine;
mod trouble;

use common::obstacle;
use front::Front;
use machine::Machine;

/// Debian's account of the stock services.
const USER: &str = "_openvpn";
/// Has dbus-daemon serve the bus where dbus-broker is installed too.
const DBUS_DAEMON: &str = "rm -f \"$1\"/etc/systemd/system/dbus.service \
    \"$1\"/etc/systemd/system/multi-user.target.wants/dbus-broker.service";

#[test]
fn openvpn3_24_1_runs_its_sessions_on_us_over_dbus_broker() {
    all("trixie", "");
}

#[test]
fn openvpn3_of_unstable_runs_its_sessions_on_us_over_dbus_daemon() {
    all("sid", DBUS_DAEMON);
}

fn all(root: &str, more: &str) {
    let tools = ["mmdebstrap", "systemd-nspawn", "openvpn", "openssl"];
    if let Some(why) = obstacle(&tools) {
        println!("skipped: {why}");
        return;
    }
    let machine = Machine::boot_as(root, USER, more);
    let front = Front::new(&machine);
    life::a_session_lives_as_the_command_shows_it(&front);
    life::a_profile_that_may_be_used_once_is_used_once(&front);
    life::twenty_sessions_live_at_once(&front);
    life::the_stock_service_sets_up_the_network_where_it_is_asked_to(&front);
    life::strangers_are_refused(&front);
    login::right_wrong_and_empty_answers(&front);
    login::a_static_challenge(&front);
    login::a_dynamic_challenge(&front);
    login::a_locked_key(&front);
    trouble::a_killed_session_leaves_nothing(&front);
    trouble::a_stopped_unit_leaves_nothing(&front);
    trouble::a_lost_session_manager_ends_its_sessions(&front);
    trouble::a_restarted_log_service_hears_the_session(&front);
    trouble::a_frozen_session_is_killed(&front);
}
