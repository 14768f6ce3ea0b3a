//! Sessions that systemd runs by itself, each in a root booted with systemd as process 1: Debian 12 (systemd 252), 13
//! (257) and unstable. The server is a real one, at the other end of the root's cable.
//!
//! Needs root, mmdebstrap, systemd-nspawn, openvpn, tcpdump and curl. What cannot run prints `skipped:` and why.

#![expect(clippy::panic, clippy::print_stdout, reason = "it is a test program")]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod bus;
mod capture;
mod dns;
mod gone;
mod headless;
mod journal;
mod login;
mod machine;
mod named;
mod needs;
mod neighbours;
mod people;
mod resolv_conf;
mod secrets;
mod story;
mod switch;
mod token;
mod traces;
mod trouble;
mod web;

use std::time::{Duration, Instant};

use common::needs::obstacle;
use gone::Outage;
use machine::Machine;

/// Has dbus-daemon serve the bus where dbus-broker is installed too.
const DBUS_DAEMON: &str = "rm -f \"$1\"/etc/systemd/system/dbus.service \
    \"$1\"/etc/systemd/system/multi-user.target.wants/dbus-broker.service";

/// The root that NetworkManager is installed in.
const WITH_NETWORK_MANAGER: &str = "bookworm";

/// The root that both programs called resolvconf are tried in.
const WITH_RESOLVCONF: &str = "trixie";

#[test]
fn debian_12_runs_sessions_over_dbus_broker() {
    all("bookworm", "", 100, Duration::ZERO);
}

#[test]
fn debian_13_runs_sessions_over_dbus_broker() {
    all("trixie", "", 5, Duration::from_secs(60));
}

#[test]
fn debian_unstable_runs_sessions_over_dbus_daemon() {
    all("sid", DBUS_DAEMON, 5, Duration::ZERO);
}

#[test]
fn every_name_that_systemd_can_escape_is_an_instance() {
    if let Some(why) = obstacle(&["mmdebstrap", "systemd-nspawn", "openvpn", "openssl"]) {
        println!("skipped: {why}");
        return;
    }
    for root in ["bookworm", "trixie", "sid"] {
        let machine = Machine::boot(root, "openvpn", "");
        let _office = machine.serve();
        named::profiles_with_spaces_and_umlauts_run(&machine);
        named::what_can_be_no_profile_fails_once(&machine);
    }
}

/// Boots a root after `more` was done to it; starts and stops a session that many times, and has the server be gone for
/// at least so long.
fn all(root: &str, more: &str, cycles: u32, outage_lasts: Duration) {
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
    let step = Steps::of(root);
    let machine = Machine::boot(root, "openvpn", more);
    let _web = web::serve(&machine);
    let office = machine.serve();
    step.said("booted");
    story::the_units_are_sound(&machine);
    story::the_account_cannot_look_into_the_folder_of_the_profiles(&machine);
    story::it_lives_from_enable_to_disable(&machine, &office);
    step.said("lived from enable to disable");
    story::it_needs_no_access_to_the_device_node(&machine);
    step.said("did without the device node");
    story::cycles_leave_nothing(&machine, cycles);
    step.said("started and stopped");
    story::what_cannot_start_says_why(&machine);
    trouble::a_killed_session_comes_back_on_its_device(&machine);
    trouble::a_frozen_session_is_started_again(&machine);
    trouble::what_a_killed_session_left_is_taken_back(&machine);
    step.said("killed and frozen");
    drop(office);
    dns::the_link_has_what_was_pushed(&machine);
    let office = needs::what_needs_the_tunnel_starts_once_it_is_there(&machine);
    switch::nothing_passes_but_the_tunnel(&machine);
    step.said("behind the kill switch");
    people::members_of_the_group_may_and_others_may_not(&machine);
    journal::it_is_a_story_with_fields_and_explanations(&machine);
    step.said("administered and told");
    neighbours::names_are_right_again_after_the_resolver_restarts(&machine);
    neighbours::networkd_leaves_the_tunnel_alone(&machine);
    if root == WITH_NETWORK_MANAGER {
        neighbours::network_manager_leaves_the_tunnel_alone(&machine);
    }
    step.said("beside others");
    bus::the_session_comes_back_onto_a_restarted_bus(&machine);
    step.said("back on the bus");
    let office = gone::it_connects_again_after_a_sleep(&machine, office);
    step.said("slept");
    let outage = Outage::begin(&machine, office);
    let _server = login::serve(&machine);
    login::an_agent_answers_and_a_wrong_password_fails_once(&machine);
    login::a_question_is_taken_back_when_nobody_needs_the_answer(&machine);
    login::a_login_is_asked_for_again_where_the_profile_names_another_server(&machine);
    journal::a_refused_login_is_explained(&machine);
    step.said("answered");
    headless::credentials_answer_for_a_login(&machine);
    headless::a_seed_answers_a_static_challenge(&machine);
    headless::a_passphrase_opens_a_locked_key(&machine);
    headless::key_and_certificate_are_credentials(&machine);
    token::a_token_lets_in_and_an_expired_one_asks_for_the_password(&machine);
    step.said("logged in by itself");
    let _office = outage.end(&machine, outage_lasts);
    step.said("without a server");
    resolv_conf::the_resolver_file_names_the_tunnels_servers(&machine, root == WITH_RESOLVCONF);
    step.said("without resolver and bus");
}

/// Says how long each part took.
struct Steps<'a> {
    root: &'a str,
    began: Instant,
}

impl<'a> Steps<'a> {
    #[expect(clippy::disallowed_methods, reason = "it says how long tests took")]
    fn of(root: &'a str) -> Self {
        Self {
            root,
            began: Instant::now(),
        }
    }

    fn said(&self, what: &str) {
        println!(
            "{}: {what} at {:.1} s",
            self.root,
            self.began.elapsed().as_secs_f32()
        );
    }
}
