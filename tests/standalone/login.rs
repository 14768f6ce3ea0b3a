//! Logins without a terminal: password agents and encrypted credentials.

use std::fs;

use crate::common::pki;
use crate::common::process::Process;
use crate::machine::{Machine, SERVER};

const UNIT: &str = "openvpn3-backend@login";
/// Answers the question that is asked, as an agent does.
const REPLY: &str = "reply() {
    for _ in $(seq 100); do
        socket=$(sed -n 's/^Socket=//p' /run/systemd/ask-password/ask.* 2>/dev/null || true)
        [ \"$socket\" = \"${last-}\" ] || [ -z \"$socket\" ] || break
        sleep 0.1
    done
    last=$socket
    agent=/usr/lib/systemd/systemd-reply-password
    [ -x $agent ] || agent=/lib/systemd/systemd-reply-password
    printf %s \"$1\" | $agent 1 \"$socket\"
}
";

fn serve(machine: &Machine) -> Process {
    let text =
        |name: &str| fs::read_to_string(pki::folder().join(name)).expect("the file is there");
    machine.write(
        "/etc/openvpn3-backend/login.ovpn",
        &format!(
            "client\ndev tun\nremote {SERVER} 1195\nremote-cert-tls server\nnobind\nauth-user-pass\n<ca>\n{}</ca>\n\
             <cert>\n{}</cert>\n<key>\n{}</key>\n",
            text("ca.crt"),
            text("client.crt"),
            text("client.key")
        ),
    );
    machine.server(
        "--port 1195 --server 10.10.0.0 255.255.255.0 --script-security 2 \
         --auth-user-pass-verify ./check-password via-file",
    )
}

/// State, restarts and exit status after the unit has settled.
fn outcome(machine: &Machine) -> String {
    let facts = machine.sh(&format!(
        "until case $(systemctl show -P ActiveState {UNIT}) in active | failed | inactive) true ;; *) false ;; esac; \
         do sleep 0.1; done; for fact in ActiveState NRestarts ExecMainStatus; do systemctl show -P $fact {UNIT}; done"
    ));
    facts.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn an_agent_answers_and_a_wrong_password_fails_once(machine: &Machine) {
    let _server = serve(machine);
    let begin = format!("{REPLY}systemctl start --no-block {UNIT}; reply alice;");
    machine.sh(&format!("{begin} reply 'open sesame'"));
    assert_eq!(outcome(machine), "active 0 0");
    machine.sh(&format!("systemctl stop {UNIT}"));
    machine.sh(&format!("{begin} reply 'open barley'"));
    assert_eq!(
        outcome(machine),
        "failed 0 11",
        "it fails once and stays down"
    );
    let status = machine.try_sh(&format!("systemctl status --no-pager {UNIT}"));
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(status.contains("authentication failed"), "{status}");
    let journal = machine.journal();
    assert!(
        !journal.contains("sesame") && !journal.contains("barley"),
        "{journal}"
    );
}

pub(crate) fn encrypted_credentials_answer(machine: &Machine) {
    let _server = serve(machine);
    let store = |password: &str| {
        machine.sh(&format!(
            "mkdir -p /etc/credstore.encrypted /etc/systemd/system/{UNIT}.service.d; cd /etc/credstore.encrypted; \
             systemd-creds setup; \
             printf alice | systemd-creds encrypt --with-key=host --name=openvpn3.username - username; \
             printf '{password}' | systemd-creds encrypt --with-key=host --name=openvpn3.password - password; \
             {{ echo '[Service]'; for name in username password; do \
             echo LoadCredentialEncrypted=openvpn3.$name:$PWD/$name; done; }} \
             >/etc/systemd/system/{UNIT}.service.d/login.conf; systemctl daemon-reload"
        ));
    };
    store("open sesame");
    machine.sh(&format!("systemctl start {UNIT}"));
    assert_eq!(outcome(machine), "active 0 0");
    machine.sh(&format!("systemctl stop {UNIT}"));
    store("open barley");
    machine.fails(&format!("systemctl start {UNIT}"));
    assert_eq!(outcome(machine), "failed 0 11");
}
