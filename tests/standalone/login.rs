//! Logins that somebody answers: systemd's own password agent on a terminal.

use std::fs;

use crate::common::pki;
use crate::common::process::Process;
use crate::machine::{Machine, SERVER};
use crate::traces::Traces;

const UNIT: &str = "openvpn3-backend@login";
/// Where the server listens that wants a password.
pub(crate) const PORT: u16 = 1195;
/// Where the one listens that wants a one-time password too.
pub(crate) const ONE_TIME_PORT: u16 = 1196;
/// What it lets in.
pub(crate) const USER: &str = "alice";
/// Her password.
pub(crate) const PASSWORD: &str = "open sesame";
/// Not her password.
pub(crate) const WRONG: &str = "open barley";

/// Starts a server that wants a password, and writes the profile for it.
pub(crate) fn serve(machine: &Machine) -> Process {
    write_profile(machine, "login", PORT, "auth-user-pass", "client.key");
    machine.server(&format!(
        "--port {PORT} --server 10.10.0.0 255.255.255.0 --script-security 2 \
         --auth-user-pass-verify ./check-password via-file"
    ))
}

/// Writes a profile with its keys inside.
pub(crate) fn write_profile(machine: &Machine, name: &str, port: u16, more: &str, key: &str) {
    let text =
        |name: &str| fs::read_to_string(pki::folder().join(name)).expect("the file is there");
    machine.write(
        &format!("/etc/openvpn3-backend/{name}.ovpn"),
        &format!(
            "client\ndev tun\nremote {SERVER} {port}\nremote-cert-tls server\nnobind\n{more}\n<ca>\n{}</ca>\n\
             <cert>\n{}</cert>\n<key>\n{}</key>\n",
            text("ca.crt"),
            text("client.crt"),
            text(key)
        ),
    );
}

/// State, restarts and exit status after a unit has settled.
pub(crate) fn outcome(machine: &Machine, unit: &str) -> String {
    machine.until(&format!(
        "case $(systemctl show -P ActiveState {unit}) in active | failed | inactive) true ;; *) false ;; esac"
    ));
    ["ActiveState", "NRestarts", "ExecMainStatus"]
        .map(|fact| machine.fact(unit, fact))
        .join(" ")
}

pub(crate) fn an_agent_answers_and_a_wrong_password_fails_once(machine: &Machine) {
    let before = Traces::of(machine);
    machine.sh(&format!("systemctl start --no-block {UNIT}"));
    let shown = answer(machine, PASSWORD);
    assert_eq!(outcome(machine, UNIT), "active 0 0");
    assert!(shown.contains(USER), "names are shown: {shown}");
    assert!(!shown.contains(PASSWORD), "passwords are not: {shown}");
    machine.sh(&format!("systemctl stop {UNIT}"));
    before.assert_those_of(machine);
    machine.sh(&format!("systemctl start --no-block {UNIT}"));
    answer(machine, WRONG);
    assert_eq!(
        outcome(machine, UNIT),
        "failed 0 11",
        "it fails once and stays down"
    );
    let status = machine.try_sh(&format!("systemctl status --no-pager {UNIT}"));
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("authentication failed"), "{status}");
    assert_eq!(machine.fact(UNIT, "StatusText"), "authentication failed");
    machine.sh(&format!("systemctl reset-failed {UNIT}"));
    before.assert_those_of(machine);
}

pub(crate) fn a_question_is_taken_back_when_nobody_needs_the_answer(machine: &Machine) {
    let before = Traces::of(machine);
    machine.sh(&format!("systemctl start --no-block {UNIT}"));
    machine.until("systemd-tty-ask-password-agent --list | grep 'Auth User name for the OpenVPN session login'");
    let status = machine.fact(UNIT, "StatusText");
    assert!(
        status.starts_with("waiting for an answer since ") && status.ends_with(": Auth User name"),
        "{status}"
    );
    machine.sh(&format!("systemctl stop {UNIT}"));
    assert_eq!(machine.fact(UNIT, "Result"), "success");
    before.assert_those_of(machine);
}

pub(crate) fn a_login_is_asked_for_again_where_the_profile_names_another_server(machine: &Machine) {
    let before = Traces::of(machine);
    for change in [
        format!("kill -9 $(systemctl show -P MainPID {UNIT})"),
        format!("systemctl restart --no-block {UNIT}"),
        format!("systemctl reload {UNIT}"),
    ] {
        machine.sh(&format!("systemctl start --no-block {UNIT}"));
        answer(machine, PASSWORD);
        assert_eq!(outcome(machine, UNIT), "active 0 0");
        write_profile(
            machine,
            "login",
            ONE_TIME_PORT,
            "auth-user-pass",
            "client.key",
        );
        let other = Process::start(
            "the capture",
            machine.on_network("tcpdump").args([
                "-plnni",
                "host0",
                &format!("udp port {ONE_TIME_PORT}"),
            ]),
        );
        other.wait_for("the capture's readiness", |line| {
            line.contains("listening on")
        });
        machine.sh(&change);
        machine.until("systemd-tty-ask-password-agent --list | grep 'Auth User name for the OpenVPN session login'");
        let packets = other.count(|line| line.contains(&format!("{SERVER}.{ONE_TIME_PORT}")));
        assert_eq!(packets, 0, "{change}: {}", other.text());
        write_profile(machine, "login", PORT, "auth-user-pass", "client.key");
        machine.sh(&format!("systemctl stop {UNIT}"));
        before.assert_those_of(machine);
    }
}

/// Answers both questions at a terminal; gives what it has shown.
fn answer(machine: &Machine, password: &str) -> String {
    let agent = Process::start_on_terminal(
        "the agent",
        machine
            .entering()
            .args(["systemd-tty-ask-password-agent", "--watch"]),
    );
    agent.wait_for("the first question", |line| {
        line.contains("Auth User name for the OpenVPN session login:")
    });
    agent.wait_for_keys();
    agent.enter(USER);
    agent.wait_for("the second question", |line| {
        line.contains("Auth Password for the OpenVPN session login:")
    });
    agent.wait_for_keys();
    agent.enter(password);
    machine.until("[ -z \"$(systemd-tty-ask-password-agent --list)\" ]");
    machine.sh("pkill -f ask-password-agent.[-]-watch");
    agent.text()
}
