//! Names without systemd-resolved, and without a bus: the resolver file has the tunnel's servers, and comes back.

use crate::machine::{INSIDE, Machine, OFFICE};
use crate::traces::Traces;

/// The last one of its machine: resolver and bus do not come back.
pub(crate) fn the_resolver_file_names_the_tunnels_servers(machine: &Machine) {
    machine.sh(
        "systemctl mask --quiet --runtime --now systemd-resolved; rm /etc/resolv.conf; \
         echo '# as the administrator has it' >/etc/resolv.conf; echo 'nameserver 192.0.2.53' >>/etc/resolv.conf",
    );
    start_kill_and_stop(machine);
    machine.sh("systemctl mask --quiet --runtime --now dbus.socket dbus.service dbus-broker.service || true");
    machine.fails("busctl list");
    start_kill_and_stop(machine);
}

fn start_kill_and_stop(machine: &Machine) {
    let before = Traces::of(machine);
    let named = format!("grep -q '^nameserver {INSIDE}$' /etc/resolv.conf");
    machine.sh(&format!("systemctl start {OFFICE}"));
    machine.sh(&named);
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {OFFICE})"));
    machine.until(&format!(
        "[ $(systemctl show -P NRestarts {OFFICE}) = 1 ] && systemctl is-active {OFFICE}"
    ));
    machine.sh(&named);
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    machine.sh(&format!("systemctl stop {OFFICE}"));
    before.assert_those_of(machine);
}
