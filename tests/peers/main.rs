//! Sessions of the stock session manager: the unchanged openvpn3 24.1 of Debian 13, and that of unstable, each in a root
//! booted with systemd as process 1, driven by its own command. The server is a real one, at the other end of the cable.
//!
//! Needs root, mmdebstrap, systemd-nspawn and openvpn. What cannot run prints `skipped:` and why. `PEERS=WORD` runs only
//! the stories with that word in their name.

#![expect(
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "it is a test program"
)]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod bus;
mod front;
mod impatient;
mod latency;
mod life;
mod login;
#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../standalone/machine.rs"]
mod machine;
mod manager;
mod pending;
mod python;
mod states;
mod told;
mod trouble;
mod unauthorized;

use std::sync::{PoisonError, RwLock};
use std::time::Instant;

use common::needs::obstacle;
use front::FrontEnd;
use machine::Machine;

/// Debian's account of the stock services.
const USER: &str = "_openvpn";
/// Has dbus-daemon serve the bus where dbus-broker is installed too.
const DBUS_DAEMON: &str = "rm -f \"$1\"/etc/systemd/system/dbus.service \
    \"$1\"/etc/systemd/system/multi-user.target.wants/dbus-broker.service";

#[test]
fn openvpn3_24_1_runs_its_sessions_on_us_over_dbus_broker() {
    all("trixie", "dbus-broker", "");
}

#[test]
fn openvpn3_of_unstable_runs_its_sessions_on_us_over_dbus_daemon() {
    all("sid", "dbus-daemon", DBUS_DAEMON);
}

/// What is tried with a booted root.
type Story = (&'static str, fn(&FrontEnd<'_>));

/// Names stories by their functions.
macro_rules! stories {
    ($($room:ident::$story:ident,)*) => { &[$((stringify!($story), $room::$story)),*] };
}

const STORIES: &[Story] = stories![
    life::a_session_lives_as_the_command_shows_it,
    trouble::a_session_starts_that_nobody_asked_for,
    life::a_profile_that_may_be_used_once_is_used_once,
    life::a_session_starts_in_the_background,
    life::overrides_of_the_profile_hold,
    life::twenty_sessions_live_at_once,
    impatient::a_session_is_ended_while_it_connects,
    impatient::twenty_restarts_in_a_row,
    impatient::profiles_are_started_twice_and_devices_are_taken,
    life::the_stock_service_sets_up_the_network_where_it_is_asked_to,
    login::right_wrong_and_empty_answers,
    login::a_static_challenge,
    login::a_dynamic_challenge,
    login::a_locked_key,
    pending::a_login_on_a_web_page,
    pending::a_question_of_the_server,
    pending::a_session_manager_is_lost_while_a_login_waits,
    pending::a_proxy_asks_for_a_login,
    python::openvpn2_runs_sessions,
    python::the_stock_units_run_sessions,
    python::a_script_drives_a_session,
    told::the_log_is_followed_from_before_the_start,
    told::the_journal_tells_sessions_apart,
    told::the_log_services_settings_hold_for_sessions,
    trouble::nobody_asked_for_it_and_it_has_left,
    trouble::a_killed_session_leaves_nothing,
    trouble::a_killed_session_is_started_again_where_the_profile_wants_it,
    trouble::a_stopped_unit_leaves_nothing,
    trouble::a_lost_session_manager_ends_its_sessions,
    trouble::a_restarted_log_service_hears_the_session,
    trouble::a_restarted_netcfg_serves_the_session_again,
    trouble::a_frozen_session_is_killed,
    trouble::the_starter_leaves_and_comes_back,
    unauthorized::other_accounts_are_refused_everything,
    unauthorized::ten_thousand_strange_calls_leave_it_serving,
    states::methods_are_answered_as_by_the_stock_backend,
];

const LATENCY: &[Story] =
    stories![latency::a_session_is_there_soon_and_connects_no_slower_than_the_stock_one,];

const LAST: &[Story] = stories![trouble::a_machine_that_is_switched_off_says_goodbye,];

/// Runs all stories in a root whose bus is served by this program.
fn all(root: &str, bus: &str, more: &str) {
    let tools = [
        "mmdebstrap",
        "systemd-nspawn",
        "openvpn",
        "openssl",
        "tinyproxy",
        "curl",
        "python3",
    ];
    if let Some(why) = obstacle(&tools) {
        println!("skipped: {why}");
        return;
    }
    let among_others = STREET.read().unwrap_or_else(PoisonError::into_inner);
    let machine = Machine::boot(root, USER, more);
    machine.sh("openvpn3-backend-takeover enable");
    machine.sh(&format!("pgrep -x {bus}"));
    let front = FrontEnd::new(&machine);
    front.import("plain", 1194, "");
    front.import("login", login::PORT, "auth-user-pass\n");
    let wanted = std::env::var("PEERS").unwrap_or_default();
    let told = |name: &str, story: fn(&FrontEnd<'_>)| {
        if name.contains(&wanted) {
            let began = Instant::now();
            story(&front);
            println!("{root}: {name}: {:.1} s", began.elapsed().as_secs_f32());
        }
    };
    for (name, story) in STORIES {
        told(name, *story);
    }
    drop(among_others);
    let alone = STREET.write().unwrap_or_else(PoisonError::into_inner);
    for (name, story) in LATENCY {
        told(name, *story);
    }
    drop(alone);
    for (name, story) in LAST {
        told(name, *story);
    }
}

/// Many may tell their stories at once; who takes times is alone.
static STREET: RwLock<()> = RwLock::new(());
