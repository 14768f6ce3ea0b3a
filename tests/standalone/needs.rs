//! Services that need the tunnel: they start once what is behind it answers, and end with it.

use crate::common::process::Process;
use crate::machine::{INSIDE, Machine, OFFICE};
use crate::web;

const TARGET: &str = "openvpn3-backend-online@office.target";

/// Asked for while there is no server; gives the server that was started then.
pub(crate) fn what_needs_the_tunnel_starts_once_it_is_there(machine: &Machine) -> Process {
    let needed = format!("{OFFICE}.service");
    for (unit, needed) in [("fetch-session", needed.as_str()), ("fetch-target", TARGET)] {
        machine.write(
            &format!("/etc/systemd/system/{unit}.service"),
            &fetcher(needed),
        );
    }
    machine.sh("systemctl daemon-reload; systemctl start --no-block fetch-session fetch-target");
    machine.until(&format!(
        "journalctl -o cat -u {OFFICE} | grep '^trying again'"
    ));
    for unit in [OFFICE, "fetch-session", "fetch-target"] {
        assert_ne!(machine.fact(unit, "ActiveState"), "active");
        assert_eq!(machine.fact(unit, "Result"), "success");
    }
    let server = machine.office();
    for unit in [OFFICE, "fetch-session", "fetch-target", TARGET] {
        machine.until(&format!("systemctl is-active {unit}"));
    }
    machine.sh(&format!("systemctl stop {OFFICE}"));
    for unit in ["fetch-session", "fetch-target", TARGET] {
        machine.until(&format!(
            "[ $(systemctl show -P ActiveState {unit}) = inactive ]"
        ));
    }
    machine.sh("rm /etc/systemd/system/fetch-*.service; systemctl daemon-reload");
    server
}

/// A unit that fetches a page from behind the tunnel, once.
fn fetcher(needed: &str) -> String {
    format!(
        "[Unit]\nRequires={needed}\nAfter={needed}\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=bash -ec 'exec 3<>/dev/tcp/{INSIDE}/{}; echo -e \"HEAD /big HTTP/1.0\\\\r\\\\n\\\\r\" >&3; \
         grep \"200 OK\" <&3'\n",
        web::PORT
    )
}
