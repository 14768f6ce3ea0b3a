//! The kill switch, and services that need the tunnel.

use crate::machine::{INSIDE, Machine, SERVER};

const SESSION: &str = "openvpn3-backend@office";
const SWITCH: &str = "openvpn3-backend-killswitch@office";

pub(crate) fn nothing_passes_but_the_tunnel(machine: &Machine) {
    let reaches = |address: &str| {
        machine
            .try_sh(&format!("ping -c 1 -W 1 {address}"))
            .status
            .success()
    };
    assert!(reaches(SERVER));
    machine.sh(&format!("systemctl start {SWITCH}"));
    assert!(!reaches(SERVER), "it is up");
    machine.sh(&format!("systemctl start {SESSION}"));
    assert!(reaches(INSIDE), "{}", machine.journal());
    assert!(!reaches(SERVER), "only the tunnel's packets go there");
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {SESSION})"));
    assert!(!reaches(SERVER), "it survives a crash");
    machine.sh(&format!(
        "until systemctl is-active {SESSION}; do sleep 0.1; done"
    ));
    assert!(reaches(INSIDE), "{}", machine.journal());
    machine.sh(&format!("systemctl stop {SESSION}"));
    assert!(!reaches(SERVER), "it survives a stop of the session");
    machine.sh("openvpn3-backend kill-switch up --allow-lan office");
    assert!(reaches(SERVER), "the local network is let through");
    machine.sh(&format!("systemctl stop {SWITCH}"));
    assert!(reaches(SERVER), "it is down");
}

pub(crate) fn what_needs_the_tunnel_starts_once_it_is_there(machine: &Machine) {
    let target = "openvpn3-backend-online@office.target";
    machine.sh(&format!(
        "systemd-run --quiet --wait -p Requires={target} -p After={target} ping -c 1 -W 2 -I tun0 {INSIDE}"
    ));
    machine.sh(&format!(
        "systemctl is-active {target}; systemctl stop {SESSION}"
    ));
    assert!(
        !machine
            .try_sh(&format!("systemctl is-active {target}"))
            .status
            .success()
    );
}
