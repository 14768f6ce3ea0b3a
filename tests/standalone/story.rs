//! The ordinary life of a unit: sound, started, reloaded, stopped, and refused with a reason.

use crate::common::process::Process;
use crate::login;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::traces::Traces;

/// The score of `systemd-analyze security` that the sandbox must reach.
const EXPOSURE: f32 = 2.0;

pub(crate) fn the_units_are_sound(machine: &Machine) {
    let units = "openvpn3-backend@office.service openvpn3-backend-starter.service openvpn3-backend-killswitch@office.service \
                 openvpn3-backend-online@office.target";
    let said = machine.sh(&format!("systemd-analyze verify --man=no {units} 2>&1"));
    assert_eq!(said.trim(), "", "verify says something");
    for unit in units
        .split_whitespace()
        .filter(|unit| !unit.ends_with(".target"))
    {
        let said = machine.sh(&format!(
            "systemd-analyze security --no-pager {unit} | tail -n 1"
        ));
        let score = said
            .split_whitespace()
            .find_map(|word| word.parse::<f32>().ok());
        assert!(
            score.is_some_and(|score| score <= EXPOSURE),
            "{unit}: {said}"
        );
    }
}

pub(crate) fn the_account_cannot_look_into_the_folder_of_the_profiles(machine: &Machine) {
    let folder = "/etc/openvpn3-backend";
    assert_eq!(
        machine.sh(&format!("stat -c '%a %U:%G' {folder}")).trim(),
        "700 root:root"
    );
    machine.sh(&format!("touch {folder}/readable.ovpn"));
    machine.fails(&format!(
        "setpriv --reuid openvpn --regid openvpn --init-groups cat {folder}/readable.ovpn"
    ));
    machine.sh(&format!("rm {folder}/readable.ovpn"));
}

pub(crate) fn it_lives_from_enable_to_disable(machine: &Machine, server: &Process) {
    let before = Traces::of(machine);
    machine.sh(&format!("systemctl enable {OFFICE}"));
    // What a boot does at its end.
    machine.sh("systemctl start multi-user.target");
    it_is_connected(machine);
    it_reads_its_profile_again(machine);
    the_administrator_asks(machine);
    let process = machine.fact(OFFICE, "MainPID");
    machine.sh(&format!("systemctl restart {OFFICE}"));
    it_is_connected(machine);
    assert_ne!(process, machine.fact(OFFICE, "MainPID"));
    let said = server.count_lines();
    machine.sh(&format!("systemctl stop {OFFICE}"));
    server.wait_for_from(said, "that the client sent an exit notification", |line| {
        line.contains("exit message received")
    });
    assert_eq!(machine.fact(OFFICE, "Result"), "success");
    machine.sh(&format!("systemctl disable {OFFICE}"));
    before.assert_those_of(machine);
    machine.sh(&format!(
        "systemctl start {OFFICE}; openvpn3-backend disconnect office"
    ));
    machine.until(&format!(
        "[ $(systemctl show -P ActiveState {OFFICE}) = inactive ]"
    ));
    assert_eq!(machine.fact(OFFICE, "Result"), "success");
    before.assert_those_of(machine);
}

fn it_is_connected(machine: &Machine) {
    // Ready means that the tunnel carries traffic.
    machine.sh(&format!("ping -c 1 -W 2 -I tun0 {INSIDE}"));
    let status = machine.sh(&format!("systemctl status --no-pager {OFFICE}"));
    assert!(status.contains("Active: active (running)"), "{status}");
    assert!(
        status.contains("Status: \"connected to 10.77.0.1 by tun0 since 20"),
        "{status}"
    );
    assert!(machine.sh("ip route get 198.51.100.9").contains("dev tun0"));
    assert!(machine.sh("resolvectl dns tun0").contains(INSIDE));
}

fn it_reads_its_profile_again(machine: &Machine) {
    let process = machine.fact(OFFICE, "MainPID");
    let device = machine.sh("cat /sys/class/net/tun0/ifindex");
    machine.sh(&format!("systemctl reload {OFFICE}"));
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    assert_eq!(process, machine.fact(OFFICE, "MainPID"));
    assert_eq!(
        device,
        machine.sh("cat /sys/class/net/tun0/ifindex"),
        "it keeps its device"
    );
}

/// With systemd 253 and newer, the TUN device is made on the descriptor of `OpenFile=`.
pub(crate) fn it_needs_no_access_to_the_device_node(machine: &Machine) {
    if machine.systemd() < 253 {
        return;
    }
    let drop_in = "/run/systemd/system/openvpn3-backend@.service.d/no-device-node.conf";
    machine.sh(&format!(
        "mkdir -p $(dirname {drop_in}); \
         printf '[Service]\\nDeviceAllow=\\nInaccessiblePaths=/dev/net\\n' >{drop_in}; systemctl daemon-reload; \
         systemctl start {OFFICE}"
    ));
    let process = machine.fact(OFFICE, "MainPID");
    let node = machine.try_sh(&format!("test -e /proc/{process}/root/dev/net/tun"));
    assert!(!node.status.success(), "the process sees the device node");
    it_is_connected(machine);
    machine.sh(&format!(
        "systemctl stop {OFFICE}; rm {drop_in}; systemctl daemon-reload"
    ));
}

/// Starts and stops it so many times.
pub(crate) fn cycles_leave_nothing(machine: &Machine, cycles: u32) {
    let before = Traces::of(machine);
    for _ in 0..cycles {
        machine.sh(&format!(
            "systemctl start {OFFICE}; ip link show tun0; systemctl stop {OFFICE}"
        ));
    }
    before.assert_those_of(machine);
}

pub(crate) fn what_cannot_start_says_why(machine: &Machine) {
    machine.write(
        "/etc/openvpn3-backend/bad.ovpn",
        "client\ndev tun\nremote 192.0.2.1\nca absent.crt\ncipherr X\n",
    );
    machine.write(
        "/etc/openvpn3-backend/fifo.ovpn",
        "client\ndev tun\nremote 192.0.2.1\nca waits.crt\nkey /dev/zero\n",
    );
    machine.sh("mkfifo /etc/openvpn3-backend/waits.crt");
    login::write_profile(machine, "mixed", login::PORT, "", "client-rsa.key");
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
        (
            "fifo",
            [
                "fifo.ovpn:4:4: ca: the file waits.crt cannot be read: it is no regular file",
                "fifo.ovpn:5:5: key: the file /dev/zero cannot be read: it is no regular file",
            ],
        ),
        (
            "mixed",
            [
                "the profile cannot be used",
                "the private key does not belong to the certificate",
            ],
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
        let status = machine.fact(&unit, "StatusText");
        assert!(status.contains(faults[0]), "{}: {status}", faults[0]);
        let status_report = machine.sh(&format!(
            "systemctl show -P ActiveState -P NRestarts -P ExecMainStatus {unit}"
        ));
        let mut status_report: Vec<&str> = status_report.split_whitespace().collect();
        status_report.sort_unstable();
        assert_eq!(
            status_report,
            ["0", "10", "failed"],
            "it is not tried again"
        );
    }
    machine.sh("chmod 644 /etc/openvpn3-backend/mixed.ovpn");
    machine.fails("systemctl start openvpn3-backend@mixed");
    let journal = machine.sh("journalctl -o cat -u openvpn3-backend@mixed");
    let warning = "mixed.ovpn: others than its owner can read it, and key is secret";
    assert!(journal.contains(warning), "{journal}");
}

fn the_administrator_asks(machine: &Machine) {
    let listed = machine.sh("openvpn3-backend list");
    assert!(
        listed.contains("office") && listed.contains("tun0"),
        "{listed}"
    );
    let status = machine.sh("openvpn3-backend status --json office");
    assert!(status.contains("\"device\":\"tun0\""), "{status}");
    machine.until("openvpn3-backend statistics office | grep BYTES_IN");
    let process = machine.fact(OFFICE, "MainPID");
    machine.sh("openvpn3-backend pause office");
    machine.until("openvpn3-backend status office | grep -q paused");
    machine.sh("openvpn3-backend resume office");
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    machine.sh("openvpn3-backend restart office");
    machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
    assert_eq!(process, machine.fact(OFFICE, "MainPID"));
    let refused = machine.try_sh("setpriv --reuid 65534 openvpn3-backend status office");
    assert!(!refused.status.success(), "others are asked for by polkit");
}
