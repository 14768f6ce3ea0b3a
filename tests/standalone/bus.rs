//! The system bus goes and comes back under a session, which stays up and comes back onto it.

use crate::gone::said;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::neighbours::{names, wait_for_names};
use crate::trouble::index_of_device;

/// The session stays up, and nobody is logind.
pub(crate) fn the_session_comes_back_onto_a_restarted_bus(machine: &Machine) {
    let drop_in = format!("/run/systemd/system/{OFFICE}.service.d/watched.conf");
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); printf '[Service]\\nWatchdogSec=6s\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl mask --quiet --runtime --now systemd-logind; systemctl start {OFFICE}"
    ));
    let (device, process) = (index_of_device(machine), machine.fact(OFFICE, "MainPID"));
    let before = names(machine);
    machine.until("openvpn3-backend status office | grep -q tun0");

    machine.sh("systemctl stop dbus.socket dbus.service");
    machine.until(&said("the system bus is gone", &process));
    let refused = machine.fails("openvpn3-backend status office");
    assert!(
        refused.contains("the system bus cannot be asked"),
        "{refused}"
    );
    for _ in 0..2 {
        let fed = machine.fact(OFFICE, "WatchdogTimestampMonotonic");
        machine.until(&format!(
            "[ $(systemctl show -P WatchdogTimestampMonotonic {OFFICE}) != {fed} ]"
        ));
    }
    machine.until(&format!("ping -c 1 -W 5 -I tun0 {INSIDE}"));
    machine.sh("systemctl start dbus.socket dbus.service");
    machine.until("openvpn3-backend status office | grep -q tun0");

    machine.sh("systemctl restart systemd-resolved");
    wait_for_names(machine, &before);
    assert_eq!(device, index_of_device(machine), "it is the same device");
    assert_eq!(process, machine.fact(OFFICE, "MainPID"));
    machine.sh(&format!(
        "[ $(journalctl -o cat -u {OFFICE} _PID={process} | grep -c '^connected (') = 1 ]; \
         rm {drop_in}; rmdir $(dirname {drop_in}); systemctl daemon-reload"
    ));
}
