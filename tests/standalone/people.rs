//! People who are not root: those whom polkit's rules let may start, stop and administer sessions, others may not.

use crate::machine::{Machine, OFFICE};

const RULES: &str = "/usr/share/doc/openvpn3-backend/examples/openvpn3-backend-users.rules";

const PEOPLE: &str = "/etc/sysusers.d/people.conf";

pub(crate) fn members_of_the_group_may_and_others_may_not(machine: &Machine) {
    machine.write(PEOPLE, "g vpn -\nu ann -\nm ann vpn\nu bob -\n");
    machine.sh(&format!(
        "systemd-sysusers {PEOPLE}; cp {RULES} /etc/polkit-1/rules.d/; chmod 0644 /etc/polkit-1/rules.d/*; \
         systemctl restart polkit"
    ));
    let ann = |command: &str| machine.sh(&format!("runuser -u ann -- {command}"));
    let bob = |command: &str| machine.fails(&format!("runuser -u bob -- {command}"));

    bob(&format!("systemctl --no-ask-password start {OFFICE}"));
    ann(&format!("systemctl --no-ask-password start {OFFICE}"));
    assert!(ann("openvpn3-backend status office").contains("tun0"));
    for command in ["status", "statistics", "pause", "restart", "disconnect"] {
        let said = bob(&format!("openvpn3-backend {command} office"));
        assert!(said.contains("polkit"), "{said}");
    }
    // While polkit thinks about one caller, others are answered.
    machine.sh("systemctl kill -s STOP polkit; \
         (runuser -u bob -- openvpn3-backend status office >/dev/null 2>&1 &); \
         for _ in 1 2 3 4 5 6 7 8; do openvpn3-backend status office | grep -q tun0; done; \
         systemctl kill -s CONT polkit");
    assert_eq!(machine.fact(OFFICE, "ActiveState"), "active");
    ann("openvpn3-backend pause office");
    machine.until("openvpn3-backend status office | grep -q paused");
    ann("openvpn3-backend resume office");
    machine.until("openvpn3-backend status office | grep -q connected");
    ann(&format!("systemctl --no-ask-password reload {OFFICE}"));
    ann(&format!("systemctl --no-ask-password restart {OFFICE}"));
    ann("openvpn3-backend disconnect office");
    machine.until(&format!(
        "[ $(systemctl show -P ActiveState {OFFICE}) = inactive ]"
    ));
    // The rule is about sessions and nothing else.
    machine.fails("runuser -u ann -- systemctl --no-ask-password restart dbus.socket");
    machine.sh(&format!(
        "rm /etc/polkit-1/rules.d/openvpn3-backend-users.rules {PEOPLE}"
    ));
}
