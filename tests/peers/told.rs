//! What people read of a session: the log that is followed, the journal, the list of who logs.

use crate::common::process::Process;
use crate::front::FrontEnd;

pub(crate) fn the_log_is_followed_from_before_the_start(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let mut command = front.machine.inside();
    command.arg("exec openvpn3 log --config plain");
    let log = Process::start("the log", &mut command);
    log.wait_for("that it waits", |line| {
        line.contains("Waiting for session to start")
    });
    front.start("plain");
    log.wait_for("its attachment", |line| {
        line.contains("Attaching to session")
    });
    front.openvpn3("session-manage --config plain --restart");
    log.wait_for("a status", |line| {
        line.contains("[STATUS] Connection, Client connected")
    });
    log.wait_for("a record", |line| line.contains("Client INFO: connected"));
    front.disconnect("plain");
}

/// The administrator's command finds a session's records by every sign of it that the log service writes.
pub(crate) fn the_journal_tells_sessions_apart(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    let path = front.path();
    let list = front
        .machine
        .sh("openvpn3-admin log-service --list-subscriptions");
    assert!(list.contains("net.openvpn.v3.backends"), "{list}");
    front.disconnect("plain");

    let of_field = |field: &str| {
        let script = format!(
            "journalctl --output-fields={field} -o cat -n 1 O3_LOG_SENDER=net.openvpn.v3.log O3_OBJECT_PATH={path}"
        );
        front.machine.sh(&script).trim().to_owned()
    };
    for (option, field) in [
        ("--path", "O3_OBJECT_PATH"),
        ("--sender", "O3_SENDER"),
        ("--session-token", "O3_SESSION_TOKEN"),
        ("--logtag", "O3_LOGTAG"),
        ("--interface", "O3_INTERFACE"),
    ] {
        let value = of_field(field);
        assert!(!value.is_empty(), "{field}");
        let script = format!("openvpn3-admin journal {option} {value}");
        let told = front.machine.sh(&script);
        assert!(told.contains("Client INFO: connected"), "{script}: {told}");
    }
    // Each word once, although the unit has the same story under the same signs.
    let told = front
        .machine
        .sh(&format!("openvpn3-admin journal --path {path}"));
    assert_eq!(told.matches("connected device=tun0").count(), 1, "{told}");
    let token = of_field("O3_SESSION_TOKEN");
    for sign in [
        format!("O3_OBJECT_PATH={path}"),
        format!("O3_SESSION_TOKEN={token}"),
    ] {
        let own = format!("journalctl --no-pager -o cat -u 'openvpn3-backend@*' {sign}");
        let own = front.machine.sh(&own);
        assert!(own.contains("connected (device tun0"), "{sign}: {own}");
        assert!(!own.contains(&token), "{own}");
    }
}

pub(crate) fn the_log_services_settings_hold_for_sessions(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.machine.sh("openvpn3-admin log-service --log-level 6");
    front.openvpn3("config-manage --config plain --log-level 6");
    front.start("plain");
    let path = front.path();
    let told = || {
        front
            .machine
            .sh(&format!("openvpn3-admin journal --path {path}"))
    };
    front.wait_until("what debugging shows", told, |told| {
        told.contains("Client DEBUG")
    });
    front.disconnect("plain");
    front.openvpn3("config-manage --config plain --unset-override log-level");
    front.machine.sh("openvpn3-admin log-service --log-level 3");
}
