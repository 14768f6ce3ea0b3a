//! The kill switch: nothing passes but the tunnel, from before the first packet until it is lifted.

use crate::capture::Capture;
use crate::machine::{INSIDE, Machine, OFFICE, SERVER};

const SWITCH: &str = "openvpn3-backend-killswitch@office";

pub(crate) fn nothing_passes_but_the_tunnel(machine: &Machine) {
    let reaches = |address: &str| {
        machine
            .try_sh(&format!("ping -c 1 -W 1 {address}"))
            .status
            .success()
    };
    let capture = Capture::start(machine, &[1194]);
    machine.sh(&format!("systemctl start {SWITCH}"));
    // All the while somebody tries to talk to the server's host, to the world and to what is behind the tunnel.
    machine.sh(&format!(
        "for address in {SERVER} 198.51.100.9 {INSIDE}; do \
         systemd-run --quiet --unit noise-$address --property Restart=always ping -q -i 0.05 $address; done"
    ));
    assert!(!reaches(SERVER), "it is up");
    machine.sh(&format!("systemctl start {OFFICE}"));
    assert!(reaches(INSIDE), "{}", machine.journal());
    assert!(!reaches(SERVER), "only the tunnel's packets go there");
    machine.sh(&format!("kill -9 $(systemctl show -P MainPID {OFFICE})"));
    assert!(!reaches(SERVER), "it survives a crash");
    machine.until(&format!("systemctl is-active {OFFICE}"));
    assert!(reaches(INSIDE), "{}", machine.journal());
    machine.sh(&format!("systemctl restart {OFFICE}"));
    assert!(reaches(INSIDE), "{}", machine.journal());
    machine.sh(&format!("systemctl stop {OFFICE}"));
    assert!(!reaches(SERVER), "it survives a stop of the session");
    machine.sh("systemctl stop 'noise-*'");
    capture.assert_nothing_leaked();
    machine.sh("openvpn3-backend kill-switch up --allow-lan office");
    assert!(reaches(SERVER), "the local network is let through");
    machine.sh(&format!("systemctl stop {SWITCH}"));
    assert!(reaches(SERVER), "it is down");
}
