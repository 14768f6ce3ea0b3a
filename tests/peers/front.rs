//! The stock command, and the profiles and servers that it is tried with.

use std::fs;
use std::process::Output;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::common::pki;
use crate::common::process::Process;
use crate::machine::{Machine, SERVER};

/// The stock command in a booted root.
#[derive(Debug)]
pub(crate) struct FrontEnd<'a> {
    pub(crate) machine: &'a Machine,
    /// All that a session could leave behind, before the first one.
    before: String,
    /// The unit of a session that nobody knows.
    unknown: OnceLock<String>,
}

impl<'a> FrontEnd<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Self {
        // What the package does where it is installed on a running system: the stock services use journal and resolver.
        machine
            .sh("openvpn3-admin init-config --write-configs; pkill -f [o]penvpn3-service- || true");
        Self {
            machine,
            before: traces(machine, NO_UNIT),
            unknown: OnceLock::new(),
        }
    }

    /// From here on this unit is no session's.
    pub(crate) fn overlook(&self, unit: String) {
        self.unknown.set(unit).expect("one only");
    }

    /// The unit that is no session's.
    pub(crate) fn overlooked(&self) -> Option<&str> {
        self.unknown.get().map(String::as_str)
    }

    fn traces(&self) -> String {
        traces(self.machine, self.overlooked().unwrap_or(NO_UNIT))
    }

    /// Runs the command with these words; gives what it printed.
    pub(crate) fn openvpn3(&self, words: &str) -> String {
        self.machine.sh(&format!("openvpn3 {words} 2>&1"))
    }

    /// Runs the command with these words and this input, whatever comes of it.
    pub(crate) fn asks(&self, words: &str, input: &str) -> Output {
        self.machine
            .try_sh(&format!("printf '{input}' | openvpn3 {words} 2>&1"))
    }

    /// Imports a profile for a server at `port`; `more` are further lines.
    pub(crate) fn import(&self, name: &str, port: u16, more: &str) {
        let key = if more.contains("askpass-later") {
            "client-locked.key"
        } else {
            "client.key"
        };
        let more = more.replace("askpass-later\n", "");
        let text =
            |name: &str| fs::read_to_string(pki::folder().join(name)).expect("the file is there");
        let file = format!("/root/{name}.ovpn");
        self.machine.write(
            &file,
            &format!(
                "client\ndev tun\nproto udp\nremote {SERVER} {port}\nremote-cert-tls server\nnobind\n{more}<ca>\n{}</ca>\n\
                 <cert>\n{}</cert>\n<key>\n{}</key>\n",
                text("ca.crt"),
                text("client.crt"),
                text(key)
            ),
        );
        self.openvpn3(&format!("config-import --config {file} --name {name}"));
    }

    /// A server at `port`, whose network is `10.NET.0.0`.
    pub(crate) fn serve(&self, port: u16, net: u8, words: &str) -> Process {
        self.machine.server(&format!(
            "--port {port} --server 10.{net}.0.0 255.255.255.0 --push dhcp-option\\ DNS\\ 10.{net}.0.1 {words}"
        ))
    }

    /// Starts a session that needs no answers.
    pub(crate) fn start(&self, name: &str) {
        let said = self.openvpn3(&format!("session-start --config {name}"));
        assert!(
            said.contains("Connected"),
            "{said}\n{}",
            self.machine.journal()
        );
    }

    /// What the list says about the first session.
    pub(crate) fn status(&self) -> String {
        let list = self.openvpn3("sessions-list");
        let status = list.lines().find_map(|line| line.split_once("Status: "));
        status.map_or_else(|| list.clone(), |(_, status)| status.trim().to_owned())
    }

    /// Waits until the first session has this status.
    pub(crate) fn wait_for_status(&self, wanted: &str) {
        let status = || self.status();
        self.wait_until(wanted, status, |status| status.contains(wanted));
    }

    /// Asks over and over, until the answer `fits`; gives that answer.
    pub(crate) fn wait_until<T: std::fmt::Debug>(
        &self,
        wanted: &str,
        ask: impl Fn() -> T,
        fits: impl Fn(&T) -> bool,
    ) -> T {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = ask();
            if fits(&answer) {
                return answer;
            }
            assert!(
                Instant::now() < end,
                "{answer:?} in place of {wanted}: {}",
                self.machine.journal()
            );
            std::thread::sleep(BETWEEN);
        }
    }

    /// Follows what the log service tells of a session, from now on.
    pub(crate) fn log(&self, path: &str) -> Process {
        let mut command = self.machine.inside();
        // A log service that has just come back may not know the session yet.
        command.arg(format!(
            "for i in $(seq 30); do openvpn3 log --session-path {path} && break; sleep 0.2; done"
        ));
        let log = Process::start("the log", &mut command);
        let forwards = format!(
            "busctl get-property net.openvpn.v3.sessions {path} net.openvpn.v3.sessions log_forwards"
        );
        self.wait_until(
            "a forwarded log",
            || self.machine.sh(&forwards),
            |list| list.contains("/net/openvpn/v3/log/proxy/"),
        );
        log
    }

    /// Has the stock session manager there.
    pub(crate) fn start_manager(&self) {
        self.openvpn3("sessions-list");
    }

    /// Gives the units of all sessions further settings, until they are undone.
    pub(crate) fn drop_in(&self, settings: &str) {
        self.machine.sh(&format!(
            "mkdir -p {DROP_INS}; cat >{DROP_INS}/test.conf <<'END'\n{settings}END\nsystemctl daemon-reload"
        ));
    }

    /// Takes the further settings back.
    pub(crate) fn undo_drop_in(&self) {
        self.machine
            .sh(&format!("rm -r {DROP_INS}; systemctl daemon-reload"));
    }

    /// The process of the only session.
    pub(crate) fn process(&self) -> String {
        let process = self
            .machine
            .sh("pgrep -n -f '^/usr/bin/openvpn3-backend session'");
        process.trim().to_owned()
    }

    /// The name of the only session on the bus.
    pub(crate) fn bus_name(&self) -> String {
        format!("net.openvpn.v3.backends.be{}", self.process())
    }

    /// Has the stock command forget sessions whose process is gone.
    pub(crate) fn clean_up(&self) {
        // Its first question makes the session manager notice, and is an error.
        self.machine
            .try_sh("openvpn3 sessions-list; openvpn3 session-manage --cleanup");
        let list = self.openvpn3("sessions-list");
        assert!(list.contains("No sessions available"), "{list}");
    }

    /// Has the stock service set up the network of sessions, until that is undone.
    pub(crate) fn with_netcfg(&self) {
        self.drop_in(
            "[Service]\nExecStart=\nExecStart=/usr/bin/openvpn3-backend session %i --network netcfg\n",
        );
    }

    /// Sessions are the stock backend's.
    pub(crate) fn to_the_stock_backend(&self) {
        self.machine.sh("openvpn3-backend-takeover disable");
    }

    /// Sessions are ours again.
    pub(crate) fn to_our_backend(&self) {
        self.machine.sh(
            "openvpn3-backend-takeover enable; while pgrep -f [s]ervice-backendstart >/dev/null; do sleep 0.02; done",
        );
    }

    /// Packets of all sizes reach the server's end of the tunnel, by the tunnel.
    pub(crate) fn passes(&self, inside: &str) {
        self.machine.sh(&format!(
            "ping -I tun0 -c 2 -i 0.2 -W 5 {inside}; ping -I tun0 -c 1 -s 4000 -W 5 {inside}"
        ));
    }

    /// The object path of the first session.
    pub(crate) fn path(&self) -> String {
        let list = self.openvpn3("sessions-list");
        let path = list.lines().find_map(|line| line.split_once("Path: "));
        path.map(|(_, path)| path.trim().to_owned())
            .unwrap_or_else(|| panic!("no session: {list}"))
    }

    /// Ends the session, and waits until nothing is left of it.
    pub(crate) fn disconnect(&self, name: &str) {
        self.openvpn3(&format!("session-manage --config {name} --disconnect"));
        self.assert_nothing_is_left();
    }

    /// Waits until nothing is left of any session: no unit, device, route, DNS, file.
    pub(crate) fn assert_nothing_is_left(&self) {
        let end = Instant::now() + PATIENCE;
        let mut now = self.traces();
        while now != self.before && Instant::now() < end {
            std::thread::sleep(BETWEEN);
            now = self.traces();
        }
        assert_eq!(self.before, now, "{}", self.machine.journal());
    }
}

fn traces(machine: &Machine, overlooked: &str) -> String {
    machine.sh(&format!(
        "ip -o addr | grep -v fe80; ip route show table all | grep -v fe80; ip rule; resolvectl dns; resolvectl domain; \
         find /run/openvpn3-backend -type f; \
         systemctl list-units --all --no-legend --plain 'openvpn3-backend@*' | sed /{overlooked}/d"
    ))
}

/// No unit has this name.
const NO_UNIT: &str = "none@none";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two questions.
const BETWEEN: Duration = Duration::from_millis(50);
/// Further settings of all sessions.
const DROP_INS: &str = "/run/systemd/system/openvpn3-backend@.service.d";
