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
    front
        .machine
        .sh("pkill -9 -f [o]penvpn3-service-log; sleep 1.5");
    front.machine.sh(&format!(
        "nohup openvpn3 log --session-path {path} >/root/log 2>&1 & sleep 1"
    ));
    front.openvpn3(&format!("session-manage --path {path} --restart"));
    front.wait_for_status("Client connected");
    let log = front.machine.sh("cat /root/log");
    assert!(log.contains("Client connected"), "{log}");
    front.disconnect("plain");
}

/// The session manager finds out by a call that is not answered; systemd by its watchdog.
pub(crate) fn a_frozen_session_is_killed(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.machine.sh(&format!("systemctl kill -s STOP {UNITS}"));
    front.machine.sh("sleep 31");
    front.assert_nothing_is_left();
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
