//! Sessions that are killed or freeze: nothing leaves outside of the tunnel, and the tunnel comes back.

use crate::capture::Capture;
use crate::common::process::Process;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::traces::Traces;
use crate::web::Download;

pub(crate) fn a_killed_session_comes_back_on_its_device(machine: &Machine) {
    machine.sh(&format!("systemctl start {OFFICE}"));
    let index = index_of_device(machine);
    let capture = Capture::start(machine, &[1194]);
    let devices = Process::start(
        "the monitor",
        machine
            .on_network("ip")
            .args(["-o", "monitor", "link", "dev", "tun0"]),
    );
    let download = Download::start(machine);
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {OFFICE})"));
    download.finish();
    assert_eq!(machine.fact(OFFICE, "NRestarts"), "1");
    machine.sh(&format!("systemctl is-active {OFFICE}"));
    assert_eq!(index, index_of_device(machine), "it is the same device");
    assert_eq!(
        devices.count(|line| line.contains("Deleted")),
        0,
        "{}",
        devices.text()
    );
    capture.assert_nothing_leaked();
    machine.sh(&format!("systemctl stop {OFFICE}"));
    assert!(
        !machine.try_sh("ip link show tun0").status.success(),
        "a stop removes the device"
    );
}

pub(crate) fn a_frozen_session_is_started_again(machine: &Machine) {
    let drop_in = "/run/systemd/system/openvpn3-backend@.service.d/quick.conf";
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); printf '[Service]\\nWatchdogSec=2s\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl start {OFFICE}"
    ));
    let index = index_of_device(machine);
    let capture = Capture::start(machine, &[1194]);
    let download = Download::start(machine);
    machine.sh(&format!("kill -STOP $(systemctl show -P MainPID {OFFICE})"));
    machine.until(&format!("[ $(systemctl show -P NRestarts {OFFICE}) = 1 ]"));
    download.finish();
    machine.until(&format!("systemctl is-active {OFFICE}"));
    assert_eq!(index, index_of_device(machine), "it is the same device");
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    capture.assert_nothing_leaked();
    let journal = machine.sh(&format!("journalctl -o cat -u {OFFICE}"));
    assert!(journal.contains("Watchdog timeout"), "{journal}");
    machine.sh(&format!(
        "systemctl stop {OFFICE}; rm {drop_in}; systemctl daemon-reload"
    ));
}

pub(crate) fn what_a_killed_session_left_is_taken_back(machine: &Machine) {
    let before = Traces::of(machine);
    let drop_in = format!("/run/systemd/system/{OFFICE}.service.d/once.conf");
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); printf '[Service]\\nRestartSec=1h\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl start {OFFICE}"
    ));
    assert!(!before.are_those_of(machine));
    // A session that is killed while it is being stopped is not started again. systemd wakes it with its SIGTERM, so that
    // it may have ended by itself before the kill.
    machine.sh(&format!(
        "process=$(systemctl show -P MainPID {OFFICE}); kill -STOP $process; systemctl stop --no-block {OFFICE}; \
         until [ $(systemctl show -P ActiveState {OFFICE}) = deactivating ]; do sleep 0.05; done; kill -9 $process || true; \
         until [ $(systemctl show -P MainPID {OFFICE}) = 0 ]; do sleep 0.05; done; \
         while [ $(systemctl show -P ActiveState {OFFICE}) = deactivating ]; do sleep 0.05; done; \
         rm {drop_in}; rmdir $(dirname {drop_in}); systemctl daemon-reload; systemctl reset-failed {OFFICE} || true"
    ));
    before.assert_those_of(machine);
}

pub(crate) fn index_of_device(machine: &Machine) -> String {
    machine.sh("cat /sys/class/net/tun0/ifindex")
}
