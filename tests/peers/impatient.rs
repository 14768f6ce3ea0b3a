//! What impatient people do: ending what has hardly begun, restarting without end, starting the same thing twice.

use crate::front::Front;

const RESTARTS: usize = 20;

pub(crate) fn a_session_is_ended_while_it_connects(front: &Front<'_>) {
    // Nobody answers: by the command's own patience, and by hand.
    let late = front.asks("session-start --config plain --timeout 1", "");
    let said = String::from_utf8_lossy(&late.stdout).into_owned();
    assert!(
        !late.status.success() && said.contains("Failed to connect (timeout)"),
        "{said}"
    );
    front.assert_nothing_is_left();
    front.openvpn3("session-start --config plain --background");
    front.wait_for_status("Client connecting");
    front.disconnect("plain");
    // Somebody answers: in the midst of it.
    let _server = front.serve(1194, 20, "");
    front.openvpn3("session-start --config plain --background");
    front.disconnect("plain");
}

pub(crate) fn twenty_restarts_in_a_row(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    let (path, process) = (front.path(), front.process());
    front.machine.sh(&format!(
        "for i in $(seq {RESTARTS}); do openvpn3 session-manage --path {path} --restart >/dev/null; done"
    ));
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    assert_eq!(process, front.process());
    front.disconnect("plain");
}

/// Profiles name devices that others have already; the stock backend takes the first free one whatever they say.
pub(crate) fn profiles_are_started_twice_and_devices_are_taken(front: &Front<'_>) {
    let _server = front.serve(1194, 20, "--duplicate-cn");
    front.machine.sh(
        "sed 's/^dev tun$/dev tun5/' /root/plain.ovpn >/root/five.ovpn; \
         for name in five five-too; do openvpn3 config-import --config /root/five.ovpn --name $name; done; \
         ip tuntap add tun0 mode tun",
    );
    for (name, device) in [
        ("plain", "Device: tun1"),
        ("five", "Device: tun5"),
        ("five-too", "Device: tun2"),
    ] {
        front.start(name);
        let list = front.openvpn3("sessions-list");
        assert!(list.contains(device), "{name}: {list}");
    }
    // The session manager of 27.1 runs each profile once.
    let again = front.asks("session-start --config plain", "");
    let many = 3 + usize::from(again.status.success());
    assert_eq!(
        again.status.success(),
        front.openvpn3("version").contains(" v24."),
        "{again:?}"
    );
    let list = front.openvpn3("sessions-list");
    assert_eq!(list.matches("Client connected").count(), many, "{list}");
    front.machine.sh(
        "for path in $(openvpn3 sessions-list | sed -n 's/.*Path: //p'); do \
         openvpn3 session-manage --path $path --disconnect; done; \
         ip tuntap del tun0 mode tun; \
         for name in five five-too; do openvpn3 config-remove --config $name --force; done",
    );
    front.assert_nothing_is_left();
}
