//! What a machine looks like, to the byte: its network, its name servers, its files.

use std::collections::BTreeSet;

use crate::machine::Machine;

/// Everything that a session could leave behind, line by line.
#[derive(Debug)]
pub(crate) struct Traces {
    lines: BTreeSet<String>,
}

impl Traces {
    /// Looks at a machine.
    pub(crate) fn of(machine: &Machine) -> Self {
        let mut text = machine.sh(LOOK);
        let rules = machine.on_network("nft").args(["list", "ruleset"]).output();
        text += &String::from_utf8_lossy(&rules.expect("nft is installed").stdout);
        let lines = text
            .lines()
            .filter(|line| !CHANGES_BY_ITSELF.iter().any(|part| line.contains(part)))
            .map(ToOwned::to_owned)
            .collect();
        Self { lines }
    }

    /// Whether a machine looks like that.
    pub(crate) fn are_those_of(&self, machine: &Machine) -> bool {
        self.lines == Self::of(machine).lines
    }

    /// Asserts that a machine looks like that.
    pub(crate) fn assert_those_of(&self, machine: &Machine) {
        let mut now = Self::of(machine);
        // systemd stops a unit that is not needed any more a moment after the one that needed it, and a session hears a moment
        // later that a subnet, which is an exception from its routing table, is gone.
        for _ in 0..100 {
            let mut others = self.lines.symmetric_difference(&now.lines);
            if self.lines == now.lines || others.any(|line| !is_late(line)) {
                break;
            }
            machine.sh("sleep 0.1");
            now = Self::of(machine);
        }
        let gone: Vec<_> = self.lines.difference(&now.lines).collect();
        let new: Vec<_> = now.lines.difference(&self.lines).collect();
        assert!(
            gone.is_empty() && new.is_empty(),
            "gone: {gone:#?}\nleft behind: {new:#?}\n{}",
            machine.journal()
        );
    }
}

/// Whether a line may come or go a moment after what it belongs to.
fn is_late(line: &str) -> bool {
    let exception = line.starts_with("throw ") && line.contains(" proto 194");
    line.ends_with(DNS_SOCKET) || exception
}

/// How the line ends that stands for the socket of the DNS helper.
const DNS_SOCKET: &str = " run/openvpn3-backend-dns ";

/// Links, addresses, routes, rules and what the kernel was told about interfaces; DNS; every file with its mode, owner
/// and content; processes of the account.
const LOOK: &str = "
    ip -d link; ip addr; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule
    grep -rs . /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf || true
    resolvectl status || true
    cd /
    find etc run var tmp dev/shm -xdev -printf '%M %u:%g %p %l\\n'
    find etc run var tmp dev/shm -xdev -type f -print0 | xargs -0 sha256sum
    ps -o user,args -u openvpn || true
";

/// The journal grows; systemd notes which units run, whoever asked for them, and when timers ran; polkit and
/// systemd-resolved, once they are asked something, have folders, and so have password agents.
const CHANGES_BY_ITSELF: [&str; 7] = [
    "var/log/journal/",
    "run/systemd/journal/",
    "run/systemd/units/invocation:",
    "var/lib/systemd/timers/",
    "polkit.service",
    "run/systemd/ask-password-block",
    "run/systemd/resolve/netif ",
];
