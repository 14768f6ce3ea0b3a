//! The stock command, and the profiles and servers that it is tried with.

use std::fs;
use std::process::Output;

use crate::common::pki;
use crate::common::process::Process;
use crate::machine::{Machine, SERVER};

/// The stock command in a booted root.
#[derive(Debug)]
pub(crate) struct Front<'a> {
    pub(crate) machine: &'a Machine,
    /// All that a session could leave behind, before the first one.
    before: String,
}

impl<'a> Front<'a> {
    pub(crate) fn new(machine: &'a Machine) -> Self {
        Self {
            machine,
            before: traces(machine),
        }
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
        for _ in 0..100 {
            if self.status().contains(wanted) {
                return;
            }
            self.machine.sh("sleep 0.1");
        }
        panic!(
            "{} in place of {wanted}: {}",
            self.status(),
            self.machine.journal()
        );
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
        let mut now = String::new();
        for _ in 0..50 {
            now = traces(self.machine);
            if now == self.before {
                return;
            }
            self.machine.sh("sleep 0.1");
        }
        assert_eq!(self.before, now, "{}", self.machine.journal());
    }
}

fn traces(machine: &Machine) -> String {
    machine.sh(
        "ip -o addr | grep -v fe80; ip route show table all | grep -v fe80; ip rule; resolvectl dns; resolvectl domain; \
         find /run/openvpn3-backend -type f; \
         systemctl list-units --all --no-legend --plain 'openvpn3-backend@*'",
    )
}
