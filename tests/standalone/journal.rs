//! The journal of a session: a story for people, explained by the catalogue, with fields for programs.

use crate::machine::{INSIDE, Machine, OFFICE, SERVER};

const BEGINS: &str = "3df5878c1c1b461e8100a554d8346c1e";
const CONNECTED: &str = "140a2db5968240e5a9734b413b6dc0c8";
const FAILED: &str = "0d6ffba050754ae9bad5307d240a13aa";
const OVER: &str = "00192c1500684ba485a5ff60a7af98c8";

pub(crate) fn it_is_a_story_with_fields_and_explanations(machine: &Machine) {
    machine.sh(&format!(
        "systemctl start {OFFICE}; ping -c 1 -W 2 -I tun0 {INSIDE}"
    ));
    let run = machine.fact(OFFICE, "InvocationID");
    machine.sh(&format!("systemctl stop {OFFICE}"));
    let story = machine.sh(&format!("journalctl -o cat _SYSTEMD_INVOCATION_ID={run}"));
    let mut rest = story.as_str();
    for line in [
        "the session of this profile begins (profile /etc/openvpn/client/office.conf)",
        "connecting (host 10.77.0.1",
        "connected (device tun0, host 10.77.0.1, server 10.77.0.1:1194, addresses 10.9.0.",
        "disconnecting",
        "the session is over: ",
    ] {
        let at = rest.find(line);
        rest = at.map_or_else(|| panic!("{line}: {story}"), |at| &rest[at..]);
    }

    let entry = |message_id: &str, selection: &str| {
        machine.sh(&format!(
            "journalctl -n 1 -o export MESSAGE_ID={message_id} {selection} | tr -d '\\0'"
        ))
    };
    let selection = format!("_SYSTEMD_INVOCATION_ID={run}");
    for (message_id, fields) in [
        (
            BEGINS,
            vec!["PROFILE=/etc/openvpn/client/office.conf".to_owned()],
        ),
        (
            CONNECTED,
            vec![
                "DEVICE=tun0".to_owned(),
                "ADDRESSES=10.9.0.".to_owned(),
                "CIPHER=AES-256-GCM".to_owned(),
                format!("HOST={SERVER}"),
                format!("SERVER={SERVER}:1194"),
                "SYSLOG_IDENTIFIER=openvpn3-backend".to_owned(),
            ],
        ),
        (
            OVER,
            vec!["BYTES_RECEIVED=".to_owned(), "BYTES_SENT=".to_owned()],
        ),
    ] {
        let entry = entry(message_id, &selection);
        for field in fields {
            assert!(
                entry.lines().any(|line| line.starts_with(&field)),
                "{field}: {entry}"
            );
        }
    }
    for counter in ["BYTES_RECEIVED", "BYTES_SENT"] {
        let entry = entry(OVER, &selection);
        assert!(!entry.contains(&format!("{counter}=0\n")), "{entry}");
    }

    it_is_explained(machine, &selection);
}

fn it_is_explained(machine: &Machine, selection: &str) {
    let explained = machine.sh(&format!(
        "journalctl --update-catalog; journalctl -x --no-pager {selection}"
    ));
    for explanation in [
        "Subject: An OpenVPN session begins",
        "Subject: An OpenVPN tunnel carries traffic",
        "addresses, routes and DNS of the tunnel",
        "Subject: An OpenVPN session ends as asked",
        "man:openvpn3-backend@.service(8)",
    ] {
        assert!(
            explained.contains(explanation),
            "{explanation}: {explained}"
        );
    }
}

pub(crate) fn a_refused_login_is_explained(machine: &Machine) {
    let unit = "openvpn3-backend@login.service";
    let entry = machine.sh(&format!(
        "journalctl -n 1 -o export MESSAGE_ID={FAILED} _SYSTEMD_UNIT={unit}"
    ));
    assert!(
        entry
            .lines()
            .any(|line| line.starts_with("ERROR=") && line.contains("authentication failed")),
        "{entry}"
    );
    let explained = machine.sh(&format!(
        "journalctl -x --no-pager -n 1 MESSAGE_ID={FAILED} _SYSTEMD_UNIT={unit}"
    ));
    assert!(
        explained.contains("stays down, so that no account is locked"),
        "{explained}"
    );
}
