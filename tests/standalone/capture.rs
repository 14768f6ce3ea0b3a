//! What leaves a machine beside its tunnels, as seen at the other end of its cable.

use rustix::process::Signal;

use crate::common::process::Process;
use crate::machine::{Machine, SERVER};

/// A capture under way.
#[derive(Debug)]
pub(crate) struct Capture {
    tcpdump: Process,
}

impl Capture {
    /// Begins to watch, and sees one packet that really leaves beside the tunnel. `ports` are those of VPN servers.
    pub(crate) fn start(machine: &Machine, ports: &[u16]) -> Self {
        Self::of(machine, ports, "")
    }

    /// The same, but for what systemd-resolved asks the cable's own neighbours, which no router passes on.
    pub(crate) fn start_among_neighbours(machine: &Machine, ports: &[u16]) -> Self {
        Self::of(machine, ports, "and not dst net 224.0.0.0/24")
    }

    fn of(machine: &Machine, ports: &[u16], more: &str) -> Self {
        let cable = machine.sh("cat /sys/class/net/host0/address");
        let servers: Vec<_> = ports
            .iter()
            .map(|port| format!("udp dst port {port}"))
            .collect();
        // A packet of full size travels in pieces, of which only the first one has a port.
        let pieces = "udp and ip[6:2] & 0x1fff != 0";
        // The kernel tells the server that a killed session's port is closed, in words that were encrypted already.
        let filter = format!(
            "(ip or ip6) and ether src {} and not (dst host {SERVER} and ({} or ({pieces}) or icmp[icmptype] == icmp-unreach)) \
             {more}",
            cable.trim(),
            servers.join(" or ")
        );
        let mut tcpdump = machine.outside.command("tcpdump");
        tcpdump.args(["--immediate-mode", "-lnnti", &machine.cable, &filter]);
        let tcpdump = Process::start("tcpdump", &mut tcpdump);
        tcpdump.wait_for("its readiness", |line| line.contains("listening on"));
        machine.sh(&format!("ping -c 1 -W 2 -I host0 {SERVER}"));
        tcpdump.wait_for("the packet of a trial", |line| line.contains(TRIAL));
        Self { tcpdump }
    }

    /// Ends the watch: there was nothing.
    pub(crate) fn assert_nothing_leaked(mut self) {
        self.tcpdump.signal(Signal::INT);
        self.tcpdump.wait();
        let leaked = |line: &str| line.starts_with("IP") && !line.contains(TRIAL);
        let count = self.tcpdump.count(leaked);
        assert_eq!(count, 0, "beside the tunnel: {}", self.tcpdump.text());
        assert!(self.tcpdump.text().contains("0 packets dropped by kernel"));
    }
}

const TRIAL: &str = "10.77.0.2 > 10.77.0.1: ICMP echo request";
