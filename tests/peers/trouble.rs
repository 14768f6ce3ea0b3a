//! What goes wrong: processes that are killed, stopped, restarted and frozen.

use crate::front::Front;

const UNITS: &str = "'openvpn3-backend@*'";

pub(crate) fn a_killed_session_leaves_nothing(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.machine.sh(&format!("systemctl kill -s KILL {UNITS}"));
    front.assert_nothing_is_left();
    front
        .machine
        .try_sh("openvpn3 sessions-list; openvpn3 session-manage --cleanup");
    assert!(
        front
            .openvpn3("sessions-list")
            .contains("No sessions available")
    );
}

pub(crate) fn a_stopped_unit_leaves_nothing(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.machine.sh(&format!("systemctl stop {UNITS}"));
    front.assert_nothing_is_left();
    front
        .machine
        .try_sh("openvpn3 sessions-list; openvpn3 session-manage --cleanup");
    assert!(
        front
            .openvpn3("sessions-list")
            .contains("No sessions available")
    );
}

pub(crate) fn a_lost_session_manager_ends_its_sessions(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front
        .machine
        .sh("pkill -9 -f [o]penvpn3-service-sessionmgr");
    front.assert_nothing_is_left();
    // The next manager serves the next session.
    front.start("plain");
    front.disconnect("plain");
}

pub(crate) fn a_restarted_log_service_hears_the_session(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    let path = front.path();
    front.machine.sh("pkill -9 -f [o]penvpn3-service-log");
    front.wait_until(
        "a subscription",
        || {
            front
                .machine
                .sh("openvpn3-admin log-service --list-subscriptions")
        },
        |list| list.contains("net.openvpn.v3.backends"),
    );
    let log = front.log(&path);
    front.openvpn3(&format!("session-manage --path {path} --restart"));
    log.wait_for("Client connected", |line| line.contains("Client connected"));
    front.disconnect("plain");
}

/// The session manager finds out by a call that is not answered; systemd by its watchdog.
pub(crate) fn a_frozen_session_is_killed(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    // Sooner than usual, so that there is less to wait for.
    front
        .machine
        .sh("systemctl cat openvpn3-backend@any | grep -x WatchdogSec=30s");
    front.drop_in("[Service]\nWatchdogSec=2s\n");
    front.start("plain");
    front.machine.sh(&format!("systemctl kill -s STOP {UNITS}"));
    front.assert_nothing_is_left();
    front.undo_drop_in();
    let journal = front
        .machine
        .sh(&format!("journalctl --no-pager -o cat -u {UNITS}"));
    assert!(journal.contains("atchdog"), "{journal}");
    front
        .machine
        .try_sh("openvpn3 sessions-list; openvpn3 session-manage --cleanup");
    assert!(
        front
            .openvpn3("sessions-list")
            .contains("No sessions available")
    );
}
