//! What goes wrong: processes that are killed, stopped, restarted and frozen.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::bus::{BACKENDS, Bus, STARTER};
use crate::front::FrontEnd;
use crate::machine::Machine;

const UNITS: &str = "'openvpn3-backend@*'";

pub(crate) fn a_killed_session_leaves_nothing(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.machine.sh(&format!("systemctl kill -s KILL {UNITS}"));
    front.assert_nothing_is_left();
    front.clean_up();
}

pub(crate) fn a_stopped_unit_leaves_nothing(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.machine.sh(&format!("systemctl stop {UNITS}"));
    front.assert_nothing_is_left();
    front.clean_up();
}

pub(crate) fn a_lost_session_manager_ends_its_sessions(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    for signal in ["TERM", "KILL"] {
        front.start("plain");
        front
            .machine
            .sh(&format!("pkill -{signal} -f [o]penvpn3-service-sessionmgr"));
        front.assert_nothing_is_left();
    }
    // The next manager serves the next session.
    front.start("plain");
    front.disconnect("plain");
}

/// Since version 25. Nobody may ask about the session meanwhile: the session manager would give it up.
pub(crate) fn a_killed_session_is_started_again_where_the_profile_wants_it(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    if !front
        .openvpn3("config-manage --help")
        .contains("--automatic-restart")
    {
        return;
    }
    front.openvpn3("config-manage --config plain --automatic-restart on-failure");
    front.start("plain");
    let before = front.process();
    front.machine.sh(&format!(
        "kill -9 {before}; while [ -e /sys/class/net/tun0 ]; do sleep 0.02; done"
    ));
    front.wait_until(
        "a tunnel",
        || front.machine.try_sh("ping -I tun0 -c 1 -W 1 10.20.0.1"),
        |ping| ping.status.success(),
    );
    front.wait_for_status("Client connected");
    assert_ne!(before, front.process());
    front.openvpn3("config-manage --config plain --unset-override automatic-restart");
    front.disconnect("plain");
}

pub(crate) fn a_restarted_netcfg_serves_the_session_again(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.with_netcfg();
    for (before, signal, after) in [("", "TERM", "restart"), ("pause", "KILL", "resume")] {
        front.start("plain");
        if !before.is_empty() {
            front.openvpn3(&format!("session-manage --config plain --{before}"));
            front.wait_for_status("Client connection paused");
        }
        front
            .machine
            .sh(&format!("pkill -{signal} -f [o]penvpn3-service-netcfg"));
        front.openvpn3(&format!("session-manage --config plain --{after}"));
        front.wait_for_status("Client connected");
        front.passes("10.20.0.1");
        front.disconnect("plain");
    }
    front.undo_drop_in();
}

pub(crate) fn a_restarted_log_service_hears_the_session(front: &FrontEnd<'_>) {
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
pub(crate) fn a_frozen_session_is_killed(front: &FrontEnd<'_>) {
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
    front.clean_up();
}

/// T28: the session manager knows nothing of it, and lets it wait. It is looked for again later.
pub(crate) fn a_session_starts_that_nobody_asked_for(front: &FrontEnd<'_>) {
    front.start_manager();
    let bus = Bus::join(front.machine, "_openvpn");
    bus.probe(BACKENDS, STARTER);
    let token = "00000000t0000t4000t8000t000000000028";
    let started = bus.starter("StartClient", &token).granted("StartClient");
    let process: u32 = started.body().deserialize().expect("(u)");
    let unit = front.machine.sh(&format!("ps -o unit= -p {process}"));
    front.overlook(unit.trim().to_owned());
}

pub(crate) fn nobody_asked_for_it_and_it_has_left(front: &FrontEnd<'_>) {
    let Some(unit) = front.overlooked() else {
        return;
    };
    front.wait_until(
        "no unit",
        || {
            front
                .machine
                .sh(&format!("systemctl list-units --all --no-legend {unit}"))
        },
        String::is_empty,
    );
    let journal = front
        .machine
        .sh(&format!("journalctl --no-pager -o cat -u {unit}"));
    assert!(journal.contains("nobody took this session on"), "{journal}");
}

/// The starter leaves when nobody asks; sessions stay, and the next one wakes it.
pub(crate) fn the_starter_leaves_and_comes_back(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let d = "/run/systemd/system/openvpn3-backend-starter.service.d";
    front.machine.sh(&format!(
        "systemctl stop openvpn3-backend-starter; mkdir -p {d}; \
         printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/openvpn3-backend starter --idle-exit 1\\n' >{d}/test.conf; \
         systemctl daemon-reload"
    ));
    let told = front
        .machine
        .sh("busctl introspect --xml-interface net.openvpn.v3.backends /net/openvpn/v3/backends");
    assert!(
        told.contains(include_str!("../data/introspection/starter.xml")),
        "{told}"
    );
    let version = front.machine.sh(
        "busctl get-property net.openvpn.v3.backends /net/openvpn/v3/backends net.openvpn.v3.backends version",
    );
    assert_eq!(
        version.trim(),
        format!("s \"v{}\"", env!("CARGO_PKG_VERSION"))
    );
    front.start("plain");
    front.wait_until(
        "the starter's leave",
        || {
            front
                .machine
                .try_sh("systemctl is-active openvpn3-backend-starter")
        },
        |answer| !answer.status.success(),
    );
    front.wait_for_status("Client connected");
    front
        .machine
        .sh(&format!("rm -r {d}; systemctl daemon-reload"));
    front.disconnect("plain");
    front.start("plain");
    front.disconnect("plain");
}

/// The server hears the exit notification, and nobody waits for the session.
pub(crate) fn a_machine_that_is_switched_off_says_goodbye(front: &FrontEnd<'_>) {
    let server = front.serve(1194, 20, "");
    front.start("plain");
    let took = power_off(front.machine);
    server.wait_for("the exit notification", |line| {
        line.contains("exit message received")
    });
    assert!(took < MOST, "it takes {took:?}");
}

/// Switches a machine off, as its user would; gives how long it took.
fn power_off(machine: &Machine) -> Duration {
    let nspawn = fs::read_to_string(machine.state.join("nspawn")).expect("boot wrote it");
    let place = PathBuf::from(format!("/proc/{}", nspawn.trim()));
    let began = Instant::now();
    machine.sh("systemctl poweroff");
    while place.exists() && began.elapsed() < 2 * MOST {
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// What a machine may take to switch itself off. Where a unit does not leave, it is ten seconds at least.
const MOST: Duration = Duration::from_secs(9);
