//! The ordinary life of a unit: sound, started, reloaded, stopped, and refused with a reason.

use crate::machine::{INSIDE, Machine};

/// The score of `systemd-analyze security` that the sandbox must reach.
const EXPOSURE: f32 = 2.0;
/// Starts and stops that leave nothing behind.
const CYCLES: u32 = 20;

pub(crate) fn the_unit_is_sound(machine: &Machine) {
    let units = "openvpn3-backend@office.service openvpn3-backend-starter.service";
    let said = machine.sh(&format!("systemd-analyze verify --man=no {units} 2>&1"));
    assert_eq!(said.trim(), "", "verify says something");
    let said =
        machine.sh("systemd-analyze security --no-pager openvpn3-backend@office | tail -n 1");
    let score = said
        .split_whitespace()
        .find_map(|word| word.parse::<f32>().ok());
    assert!(score.is_some_and(|score| score <= EXPOSURE), "{said}");
}

pub(crate) fn it_starts_reloads_and_stops(machine: &Machine) {
    let before = machine.traces();
    machine.sh("systemctl start openvpn3-backend@office");
    // Ready means that the tunnel carries traffic.
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    let status = machine.sh("systemctl status --no-pager openvpn3-backend@office");
    assert!(
        status.contains("Status: \"connected to 10.77.0.1 by tun0\""),
        "{status}"
    );
    assert!(machine.sh("ip route get 198.51.100.9").contains("dev tun0"));
    assert!(machine.sh("resolvectl dns tun0").contains(INSIDE));
    let process = machine.sh("systemctl show -P MainPID openvpn3-backend@office");
    machine.sh("systemctl reload openvpn3-backend@office");
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    assert_eq!(
        process,
        machine.sh("systemctl show -P MainPID openvpn3-backend@office")
    );
    the_administrator_asks(machine);
    machine.sh("systemctl stop openvpn3-backend@office");
    assert_eq!(before, machine.traces());
    let journal = machine.sh("journalctl -o cat -u openvpn3-backend@office");
    for line in [
        "the session of this profile begins",
        "connected (",
        "reading the profile again",
        "disconnecting",
    ] {
        assert!(journal.contains(line), "{line}: {journal}");
    }
}

pub(crate) fn many_cycles_leave_nothing(machine: &Machine) {
    let before = machine.traces();
    machine.sh(&format!(
        "for i in $(seq {CYCLES}); do systemctl start openvpn3-backend@office; systemctl stop openvpn3-backend@office; done"
    ));
    assert_eq!(before, machine.traces());
}

pub(crate) fn what_cannot_start_says_why(machine: &Machine) {
    machine.write(
        "/etc/openvpn3-backend/bad.ovpn",
        "client\ndev tun\nremote 192.0.2.1\nca absent.crt\ncipherr X\n",
    );
    for (instance, faults) in [
        (
            "bad",
            [
                "bad.ovpn:4:4: ca: the file absent.crt",
                "bad.ovpn:5:1: cipherr",
            ],
        ),
        (
            "none",
            ["there is no profile", "/etc/openvpn3-backend/none.ovpn"],
        ),
    ] {
        let unit = format!("openvpn3-backend@{instance}");
        assert!(
            !machine
                .try_sh(&format!("systemctl start {unit}"))
                .status
                .success()
        );
        let status = machine.try_sh(&format!("systemctl status --no-pager -l {unit}"));
        let status = String::from_utf8_lossy(&status.stdout).into_owned();
        for fault in faults {
            assert!(status.contains(fault), "{fault}: {status}");
        }
        let facts = machine.sh(&format!(
            "systemctl show -P ActiveState -P NRestarts -P ExecMainStatus {unit}"
        ));
        let mut facts: Vec<&str> = facts.split_whitespace().collect();
        facts.sort_unstable();
        assert_eq!(facts, ["0", "10", "failed"], "it is not tried again");
    }
}

fn the_administrator_asks(machine: &Machine) {
    let listed = machine.sh("openvpn3-backend list");
    assert!(
        listed.contains("office") && listed.contains("tun0"),
        "{listed}"
    );
    let status = machine.sh("openvpn3-backend status --json office");
    assert!(status.contains("\"device\":\"tun0\""), "{status}");
    machine.sh("until openvpn3-backend statistics office | grep BYTES_IN; do sleep 0.1; done");
    machine.sh("openvpn3-backend pause office");
    machine.sh("until openvpn3-backend status office | grep -q paused; do sleep 0.1; done");
    machine.sh("openvpn3-backend resume office");
    machine.sh(&format!(
        "until ping -c 1 -W 1 -I tun0 {INSIDE}; do sleep 0.1; done"
    ));
    let refused = machine.try_sh("setpriv --reuid 65534 openvpn3-backend status office");
    assert!(!refused.status.success(), "others are asked for by polkit");
}
