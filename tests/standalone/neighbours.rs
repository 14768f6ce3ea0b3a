//! What else sets up networks: systemd-resolved, systemd-networkd and NetworkManager start again under a session.

use crate::capture::Capture;
use crate::machine::{INSIDE, Machine, OFFICE, SERVER};

const NETWORKD: &str = "/etc/systemd/network/10-host0.network";
const NETWORKD_TUN: &str = "/etc/systemd/network/90-tun.network";
const NETWORK_MANAGER: &str = "/etc/NetworkManager/system-connections/host0.nmconnection";

pub(crate) fn names_are_right_again_after_the_resolver_restarts(machine: &Machine) {
    machine.sh(&format!("systemctl start {OFFICE}"));
    let before = names(machine);
    assert!(before.contains(INSIDE) && before.contains("~."), "{before}");
    machine.sh("systemctl restart systemd-resolved");
    wait_for_names(machine, &before);
    machine.sh("systemctl kill -s KILL systemd-resolved; until systemctl is-active systemd-resolved; do sleep 0.05; done");
    wait_for_names(machine, &before);
    machine.sh(&format!("systemctl stop {OFFICE}"));
}

/// Waits until the resolver knows the tunnel's names again, which must be those of `before`.
pub(crate) fn wait_for_names(machine: &Machine, before: &str) {
    machine.until(&format!(
        "resolvectl dns tun0 | grep {INSIDE}; resolvectl domain tun0 | grep '~\\.'; \
        resolvectl default-route tun0 | grep yes"
    ));
    assert_eq!(before, names(machine));
}

pub(crate) fn networkd_leaves_the_tunnel_alone(machine: &Machine) {
    machine.write(
        NETWORKD,
        &format!(
            "[Match]\nName=host0\n[Network]\nAddress=10.77.0.2/24\nGateway={SERVER}\nLinkLocalAddressing=no\n"
        ),
    );
    machine.sh(&format!(
        "chmod 0644 {NETWORKD}; ip tuntap add tun9 mode tun; ip addr flush dev host0; systemctl start systemd-networkd"
    ));
    let configured = "networkctl list --no-legend host0 | grep -q ' configured'";
    machine.until(configured);
    machine.sh(&format!("systemctl start {OFFICE}"));
    let before = network(machine);
    let capture = Capture::start_among_neighbours(machine, &[1194]);
    // An administrator has networkd set up whatever TUN devices there are. Without udev, as here, that must come after the
    // device: it would take one that has no alternative name yet.
    machine.write(
        NETWORKD_TUN,
        "[Match]\nKind=tun\n[Network]\nAddress=192.0.2.9/32\nLinkLocalAddressing=no\n",
    );
    machine.sh(&format!(
        "chmod 0644 {NETWORKD_TUN}; systemctl restart systemd-networkd"
    ));
    machine.until("networkctl list --no-legend tun9 | grep -q ' configuring'");
    machine.until(configured);
    machine.until("networkctl list --no-legend tun0 | grep -q ' unmanaged'");
    wait_for_network(machine, &before);
    // The address goes, and comes back; the kernel takes the way to the server along with it.
    machine.sh("networkctl reload; networkctl reconfigure host0");
    machine.until(configured);
    wait_for_network(machine, &before);
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    capture.assert_nothing_leaked();
    machine.sh(&format!(
        "systemctl stop {OFFICE}; systemctl stop systemd-networkd.socket systemd-networkd; rm {NETWORKD} {NETWORKD_TUN}; \
         ip link del tun9"
    ));
}

pub(crate) fn network_manager_leaves_the_tunnel_alone(machine: &Machine) {
    machine.write(
        NETWORK_MANAGER,
        &format!(
            "[connection]\nid=host0\ntype=ethernet\ninterface-name=host0\n[ipv4]\nmethod=manual\n\
         address1=10.77.0.2/24,{SERVER}\n[ipv6]\nmethod=disabled\n"
        ),
    );
    machine.sh(
        "rm /etc/systemd/system/NetworkManager.service; systemctl daemon-reload; \
         ip addr flush dev host0; systemctl start NetworkManager",
    );
    let connected = "nmcli -t -f DEVICE,STATE device | grep -q '^host0:connected$'";
    machine.until(connected);
    machine.sh(&format!("systemctl start {OFFICE}"));
    let before = network(machine);
    let capture = Capture::start_among_neighbours(machine, &[1194]);
    machine.sh("systemctl restart NetworkManager");
    machine.until(connected);
    machine.until("nmcli -t -f DEVICE,STATE device | grep -q '^tun0:connected (externally)$'");
    wait_for_network(machine, &before);
    machine.sh("nmcli connection up host0");
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    wait_for_network(machine, &before);
    capture.assert_nothing_leaked();
    machine.sh(&format!(
        "systemctl stop {OFFICE}; systemctl stop NetworkManager; rm {NETWORK_MANAGER}; \
         ln -s /dev/null /etc/systemd/system/NetworkManager.service; systemctl daemon-reload"
    ));
}

fn wait_for_network(machine: &Machine, wanted: &str) {
    for _ in 0..100 {
        if network(machine) == wanted {
            return;
        }
        machine.sh("sleep 0.1");
    }
    assert_eq!(wanted, network(machine), "{}", machine.journal());
}

/// What systemd-resolved knows of the tunnel.
pub(crate) fn names(machine: &Machine) -> String {
    machine.sh("resolvectl dns tun0; resolvectl domain tun0; resolvectl default-route tun0")
}

/// Addresses and routes of tunnel and cable, rules, and names.
fn network(machine: &Machine) -> String {
    let routes = machine.sh(
        "ip -o -4 addr show; ip route show table all | sort; ip rule; cat /etc/resolv.conf | grep -v '^#'",
    );
    routes + &names(machine)
}
