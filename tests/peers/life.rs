//! The ordinary life of a session, as the stock command shows it.

use std::fs;

use crate::common::pki;
use crate::common::process::Process;
use crate::front::FrontEnd;
use crate::machine::SERVER;

/// Sessions at once.
const MANY: usize = 20;

pub(crate) fn a_session_lives_as_the_command_shows_it(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    front.passes("10.20.0.1");
    a_file_is_fetched(front);

    let list = front.openvpn3("sessions-list");
    for part in [
        "Config name: plain",
        "Device: tun0",
        "Connected to: udp:10.77.0.1:1194",
        "Status: Connection, Client connected",
    ] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let dns = front.machine.sh("resolvectl dns tun0");
    assert!(dns.contains("10.20.0.1"), "{dns}");
    let path = front.path();
    let counters = ["BYTES_IN", "BYTES_OUT", "TUN_PACKETS_IN", "TUN_PACKETS_OUT"];
    front.wait_until(
        "all counters",
        || front.openvpn3(&format!("session-stats --json --path {path}")),
        |told| counters.iter().all(|counter| told.contains(counter)),
    );
    the_unit_tells_its_status(front);
    pausing_resuming_and_restarting_are_told_to_the_log(front, &path);
    front.disconnect("plain");
    // A second one finds nothing, and breaks nothing.
    let again = front.asks("session-manage --config plain --disconnect", "");
    assert!(!again.status.success());
}

/// By curl, from the server's end of the tunnel.
fn a_file_is_fetched(front: &FrontEnd<'_>) {
    let mut server = front.machine.outside.command("python3");
    server
        .args(["-um", "http.server", "--bind", "10.20.0.1", "8000"])
        .current_dir(pki::folder());
    let server = Process::start("the files' server", &mut server);
    server.wait_for("that it serves", |line| line.contains("Serving HTTP"));
    let mut curl = front.machine.on_network("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30"]);
    curl.args(["--interface", "tun0", "http://10.20.0.1:8000/ca.crt"]);
    let fetched = curl.output().expect("curl is installed");
    let file = fs::read(pki::folder().join("ca.crt")).expect("it is there");
    assert_eq!(fetched.stdout, file, "{fetched:?}");
}

fn the_unit_tells_its_status(front: &FrontEnd<'_>) {
    let status = front
        .machine
        .sh("systemctl status --no-pager 'openvpn3-backend@*'");
    assert!(
        status.contains("Status: \"connected to 10.77.0.1 by tun0 since 20"),
        "{status}"
    );
    let path = front.path();
    front.wait_until(
        "a description",
        || {
            front
                .machine
                .sh("systemctl show -P Description 'openvpn3-backend@*'")
        },
        |description| description.contains("plain") && description.contains(&path),
    );
    // The token travels in no unit name, argument or environment.
    let shown = front.machine.sh(
        "pid=$(pgrep -f '^/usr/bin/openvpn3-backend session'); tr '\\0' ' ' </proc/$pid/cmdline; \
         tr '\\0' ' ' </proc/$pid/environ; systemctl list-units --no-legend 'openvpn3-backend@*'",
    );
    let token = front
        .machine
        .sh("journalctl -o cat -F O3_SESSION_TOKEN || true");
    assert!(
        token.trim().is_empty() || !shown.contains(token.trim()),
        "{shown}"
    );
}

fn pausing_resuming_and_restarting_are_told_to_the_log(front: &FrontEnd<'_>, path: &str) {
    let log = front.log(path);
    for (action, status) in [
        ("pause", "Client connection paused"),
        ("resume", "Client connected"),
        ("restart", "Client connected"),
    ] {
        front.openvpn3(&format!("session-manage --path {path} --{action}"));
        front.wait_for_status(status);
    }
    front.passes("10.20.0.1");
    for line in [
        "Client pausing connection: Reason: Front-end request",
        "Client connection paused",
        "Client connection resuming",
        "Client reconnect",
        "Client INFO: connected",
        "Client connected",
    ] {
        log.wait_for(line, |said| said.contains(line));
    }
}

pub(crate) fn a_profile_that_may_be_used_once_is_used_once(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    // A file given to session-start is imported for one use.
    front.start("/root/plain.ovpn");
    let configs = front.openvpn3("configs-list");
    assert!(!configs.contains("/root/plain.ovpn"), "{configs}");
    let path = front.path();
    front.openvpn3(&format!("session-manage --path {path} --restart"));
    front.wait_for_status("Client connected");
    front.openvpn3(&format!("session-manage --path {path} --disconnect"));
    front.assert_nothing_is_left();
}

pub(crate) fn twenty_sessions_live_at_once(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "--duplicate-cn");
    front.machine.sh(&format!(
        "for i in $(seq {MANY}); do openvpn3 config-import --config /root/plain.ovpn --name many$i >/dev/null; done"
    ));
    // The session manager takes nearly a second for each, one after the other, and the command waits for five.
    for_each_of_many(
        front,
        3,
        "session-start --config many$i >/root/many$i.log 2>&1",
    );
    let list = front.openvpn3("sessions-list");
    let connected = list.matches("Client connected").count();
    let failed = front.machine.sh("tail -n 3 /root/many*.log");
    assert_eq!(connected, MANY, "{list}\n{failed}");
    for_each_of_many(
        front,
        4,
        "session-manage --config many$i --disconnect >/dev/null",
    );
    front.assert_nothing_is_left();
}

/// Runs the command for each, so many at once.
fn for_each_of_many(front: &FrontEnd<'_>, at_once: usize, words: &str) {
    let all: Vec<String> = (1..=MANY).map(|number| number.to_string()).collect();
    for some in all.chunks(at_once) {
        let some = some.join(" ");
        front.machine.sh(&format!(
            "for i in {some}; do openvpn3 {words} & done; wait"
        ));
    }
}

pub(crate) fn the_stock_service_sets_up_the_network_where_it_is_asked_to(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "--push route\\ 10.99.0.0\\ 255.255.0.0");
    front.with_netcfg();
    // It is woken for this session, and has its name before its object is there.
    front.machine.try_sh("pkill -f [s]ervice-netcfg");
    front.start("plain");
    front.passes("10.20.0.1");
    let journal = front.machine.journal();
    assert!(!journal.contains("cannot protect the way"), "{journal}");
    let path = front
        .machine
        .sh("busctl tree --list net.openvpn.v3.netcfg || true");
    assert!(path.contains("/net/openvpn/v3/netcfg/"), "{path}");
    let route = front.machine.sh("ip route get 10.99.1.1");
    assert!(route.contains("dev tun0"), "{route}");
    let dns = front.machine.sh("resolvectl dns tun0");
    assert!(dns.contains("10.20.0.1"), "{dns}");
    front.openvpn3("session-manage --config plain --restart");
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    front.disconnect("plain");

    // A device that is to stay stays; but not when the session is killed.
    front.openvpn3("config-manage --config plain --persist-tun true");
    front.start("plain");
    let index = || front.machine.sh("cat /sys/class/net/tun0/ifindex");
    let before = index();
    front.openvpn3("session-manage --config plain --restart");
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    assert_eq!(before, index());
    front.machine.sh(&format!("kill -9 {}", front.process()));
    front.openvpn3("config-manage --config plain --unset-override persist-tun");
    front.assert_nothing_is_left();
    front.clean_up();
    without_a_resolver(front);
    front.undo_drop_in();
    front.machine.sh("pgrep -f [s]ervice-netcfg");
}

/// The service knows none, and leaves DNS alone.
fn without_a_resolver(front: &FrontEnd<'_>) {
    let configure = |how: &str| {
        front.machine.sh(&format!(
            "openvpn3-admin netcfg-service --config-{how}; pkill -f [s]ervice-netcfg"
        ));
    };
    configure("unset systemd-resolved");
    front.start("plain");
    front.passes("10.20.0.1");
    let dns = front.machine.sh("resolvectl dns");
    assert!(!dns.contains("10.20.0.1"), "{dns}");
    front.disconnect("plain");
    configure("set systemd-resolved yes");
    // It is there again for the next session.
    front
        .machine
        .sh("openvpn3-admin netcfg-service --list-subscribers");
}

pub(crate) fn overrides_of_the_profile_hold(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "--push dhcp-option\\ DOMAIN\\ corp.example");
    front.import("elsewhere", 9, "");
    front.openvpn3(&format!(
        "config-manage --config elsewhere --server-override {SERVER} --port-override 1194 --dns-setup-disabled true \
         --persist-tun true --allow-compression asym --tls-version-min tls_1_2 --ipv6 no"
    ));
    front.start("elsewhere");
    let dns = front.machine.sh("resolvectl dns");
    assert!(!dns.contains("10.20.0.1"), "{dns}");
    let index = || front.machine.sh("cat /sys/class/net/tun0/ifindex");
    let before = index();
    front.openvpn3("session-manage --config elsewhere --restart");
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    assert_eq!(before, index(), "the device stays");
    front.disconnect("elsewhere");
    let config = "config-manage --config elsewhere";
    front.openvpn3(&format!("{config} --unset-override dns-setup-disabled"));
    for (scope, all_names) in [("tunnel", false), ("global", true)] {
        front.openvpn3(&format!("{config} --dns-scope {scope}"));
        front.start("elsewhere");
        let names = front
            .machine
            .sh("resolvectl domain tun0; resolvectl dns tun0");
        assert!(
            names.contains("corp.example") && names.contains("10.20.0.1"),
            "{names}"
        );
        assert_eq!(names.contains("~."), all_names, "{scope}: {names}");
        front.disconnect("elsewhere");
    }
}

/// The command comes back at once, and the session goes on.
pub(crate) fn a_session_starts_in_the_background(front: &FrontEnd<'_>) {
    let said = front.openvpn3("session-start --config plain --background");
    assert!(
        said.contains("Session is running in the background"),
        "{said}"
    );
    front.wait_for_status("Client connecting");
    let _server = front.serve(1194, 20, "");
    front.wait_for_status("Client connected");
    front.disconnect("plain");
}
