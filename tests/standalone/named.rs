//! Names of instances: whatever systemd can escape is one, and what cannot be one fails once.

use crate::machine::{INSIDE, Machine};

pub(crate) fn profiles_with_spaces_and_umlauts_run(machine: &Machine) {
    // What needs no escape may have one all the same; it is an instance of its own then.
    for (name, asked) in [
        ("home office", "home office"),
        ("büro", "büro"),
        ("my-office", r"my\x2doffice"),
    ] {
        let folder = "/etc/openvpn/client";
        machine.sh(&format!("cp {folder}/office.conf '{folder}/{name}.conf'"));
        let unit = machine.sh(&format!(
            "systemd-escape --template=openvpn3-backend@.service '{name}'"
        ));
        let unit = unit.trim();
        machine.sh(&format!("systemctl enable --now '{unit}'"));
        machine.sh(&format!("ping -c 1 -W 5 -I tun0 {INSIDE}"));
        machine.sh(&format!("openvpn3-backend status '{asked}'"));
        machine.sh(&format!("systemctl reload '{unit}'"));
        machine.until(&format!("ping -c 1 -W 1 -I tun0 {INSIDE}"));
        machine.sh(&format!("systemctl stop '{unit}'"));
        // What ended it, and when.
        let said = machine.fails(&format!("openvpn3-backend status '{asked}' 2>&1"));
        assert!(said.contains("it ended at 20"), "{said}");
        assert!(said.contains("stopped as asked"), "{said}");
        assert!(!said.contains("connected to"), "{said}");
        machine.sh(&format!("systemctl disable '{unit}'"));
    }
}

pub(crate) fn what_can_be_no_profile_fails_once(machine: &Machine) {
    for instance in [r"a\x2fb", r"b\xfcro"] {
        let unit = format!("openvpn3-backend@{instance}.service");
        machine.fails(&format!("timeout 60 systemctl start '{unit}'"));
        let fact = |name: &str| machine.sh(&format!("systemctl show -P {name} '{unit}'"));
        assert_eq!(fact("ExecMainStatus").trim(), "10");
        assert_eq!(fact("NRestarts").trim(), "0");
        assert_eq!(fact("ActiveState").trim(), "failed");
        let said = machine.sh(&format!("systemctl status '{unit}' 2>&1 || true"));
        assert!(said.contains("no profile can have this name"), "{said}");
        machine.sh(&format!("systemctl reset-failed '{unit}'"));
    }
}
