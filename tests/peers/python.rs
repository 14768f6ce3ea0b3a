//! The Python front-ends of the stock packages: `openvpn2`, its unit for a session, its autoloader, scripts of one's own.

use std::process::Output;

use crate::common::process::Process;
use crate::front::FrontEnd;
use crate::login;

/// What the stock unit of a session runs.
const UNIT: &str = "openvpn3-session@";
/// A script as somebody may have it, who uses the module.
const SCRIPT: &str = include_str!("session.py");

pub(crate) fn openvpn2_runs_sessions(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let _logins = login::serve(front);
    let right = openvpn2(front, "login.ovpn --daemon", "alice\\nopen sesame\\n");
    let said = text(&right);
    for part in [
        "Auth User name",
        "Auth Password",
        "Connected",
        "VPN session is running in the background",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    front.passes("10.21.0.1");
    disconnect_all(front);
    let wrong = openvpn2(front, "login.ovpn --daemon", "alice\\nopen barley\\n");
    assert_eq!(wrong.status.code(), Some(3), "{wrong:?}");
    assert!(text(&wrong).contains("Authentication failed"), "{wrong:?}");
    disconnect_all(front);
    in_the_foreground(front);
}

fn in_the_foreground(front: &FrontEnd<'_>) {
    let mut command = front.machine.inside();
    // Python heeds no interrupt where whoever started the tests has them ignored.
    command.arg(
        "PYTHONUNBUFFERED=1 exec env --default-signal=INT openvpn2 --config /root/plain.ovpn --verb 4",
    );
    let openvpn2 = Process::start("openvpn2", &mut command);
    openvpn2.wait_for("a status", |line| {
        line.contains("[STATUS]") && line.contains("CONN_CONNECTED")
    });
    openvpn2.wait_for("a record", |line| line.contains("[LOG] connected"));
    front.passes("10.20.0.1");
    front.machine.sh("pkill -INT -f '[b]in/openvpn2'");
    for line in ["Connection statistics", "BYTES_IN", "Disconnected"] {
        openvpn2.wait_for(line, |said| said.contains(line));
    }
    front.assert_nothing_is_left();
}

/// Runs it with these words and this input, where nobody has a terminal.
fn openvpn2(front: &FrontEnd<'_>, words: &str, input: &str) -> Output {
    front.machine.try_sh(&format!(
        "printf '{input}' | setsid -w openvpn2 --config /root/{words} 2>&1"
    ))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// It imports profiles for one use, under the names of their files.
fn disconnect_all(front: &FrontEnd<'_>) {
    let path = front.path();
    front.machine.try_sh(&format!(
        "openvpn3 session-manage --path {path} --disconnect"
    ));
    front.assert_nothing_is_left();
}

pub(crate) fn the_stock_units_run_sessions(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    let _logins = login::serve(front);
    let machine = front.machine;
    machine.sh(&format!("systemctl start {UNIT}plain"));
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    said_by_the_unit(front, "plain", 1);
    machine.sh(&format!("systemctl reload {UNIT}plain"));
    said_by_the_unit(front, "plain", 2);
    machine.sh(&format!("systemctl stop {UNIT}plain"));
    front.assert_nothing_is_left();

    let start = format!("systemctl start --no-block {UNIT}login; ");
    machine.sh(&(start + AGENT));
    front.wait_for_status("Client connected");
    front.passes("10.21.0.1");
    // Ended by somebody else, it ends too.
    front.disconnect("login");
    machine.until(&format!("! systemctl is-active {UNIT}login"));

    // Where a profile is to be started with the machine.
    machine.sh(
        "mkdir -p /etc/openvpn3/autoload; cp /root/login.ovpn /etc/openvpn3/autoload/auto.conf; \
         printf '{\"name\": \"auto\", \"autostart\": true, \"tunnel\": {\"persist\": true}, \
         \"user-auth\": {\"username\": \"alice\", \"password\": \"open sesame\"}}' >/etc/openvpn3/autoload/auto.autoload; \
         systemctl restart openvpn3-autoload; rm -r /etc/openvpn3/autoload",
    );
    front.wait_for_status("Client connected");
    front.passes("10.21.0.1");
    front.disconnect("auto");
    front.openvpn3("config-remove --config auto --force");
}

/// Waits until the unit's log has told so many times that it is connected.
fn said_by_the_unit(front: &FrontEnd<'_>, name: &str, times: usize) {
    let journal = format!("journalctl --no-pager -o cat -u {UNIT}{name}");
    front.wait_until(
        "a connection in the unit's log",
        || front.machine.sh(&journal),
        |told| {
            // 24.1 has names for statuses, 27.1 words.
            let status = told.matches("CONN_CONNECTED").count()
                + told.matches("VPN client is connected").count();
            status == times && told.matches("authenticated").count() == times
        },
    );
}

/// Answers the questions for name and password, as an agent of a desktop does.
const AGENT: &str = "for answer in alice 'open sesame'; do \
    until question=$(ls /run/systemd/ask-password/ask.* 2>/dev/null); do sleep 0.05; done; \
    printf %s \"$answer\" | /usr/lib/systemd/systemd-reply-password 1 \"$(sed -n 's/^Socket=//p' \"$question\")\"; \
    while [ -e \"$question\" ]; do sleep 0.05; done; done";

pub(crate) fn a_script_drives_a_session(front: &FrontEnd<'_>) {
    let _logins = login::serve(front);
    front.machine.write("/root/session.py", SCRIPT);
    let said = front
        .machine
        .sh("python3 /root/session.py /root/login.ovpn 2>&1");
    for line in [
        "event SESS_CREATED",
        "not ready: GDBus.Error:net.openvpn.v3.error.ready: Missing user credentials",
        "varname=\"username\", label=\"Auth User name\", masked_input=False",
        "varname=\"password\", label=\"Auth Password\", masked_input=True",
        "left to ask []",
        "status CONNECTION CFG_OK config_path=/net/openvpn/v3/configuration/",
        "connected to udp 10.77.0.1 1196 tun0 10.77.0.1 scripted 0",
        "statistics sx True True",
        "TUN_PACKETS_IN: ",
        "log 7 4 pausing reason=for lunch",
        "status CONNECTION CONN_PAUSING Reason: for lunch",
        "at last CONNECTION CONN_PAUSED",
        "status CONNECTION CONN_RESUMING",
        "status CONNECTION CONN_RECONNECTING",
        "found True",
        "status CONNECTION CONN_DISCONNECTED",
        "status CONNECTION CONN_DONE",
        "gone: org.freedesktop.DBus.Error.UnknownMethod",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    let connected = said.matches("at last CONNECTION CONN_CONNECTED").count();
    assert_eq!(connected, 3, "{said}");
    assert!(!said.contains("sesame"), "{said}");
    front.assert_nothing_is_left();
}
