//! What impatient people do: ending what has hardly begun, restarting without end, starting the same thing twice.

use crate::front::FrontEnd;

const RESTARTS: usize = 20;

pub(crate) fn a_session_is_ended_while_it_connects(front: &FrontEnd<'_>) {
    // Nobody answers.
    front.openvpn3("session-start --config plain --background");
    front.wait_for_status("Client connecting");
    front.disconnect("plain");
    // Somebody answers, and it is ended in the midst of it.
    let _server = front.serve(1194, 20, "");
    front.openvpn3("session-start --config plain --background");
    front.disconnect("plain");
}

pub(crate) fn twenty_restarts_in_a_row(front: &FrontEnd<'_>) {
    let _server = front.serve(1194, 20, "");
    front.start("plain");
    let (path, process) = (front.path(), front.process());
    for _ in 0..RESTARTS {
        front.openvpn3(&format!("session-manage --path {path} --restart"));
    }
    front.wait_for_status("Client connected");
    front.passes("10.20.0.1");
    assert_eq!(process, front.process());
    front.disconnect("plain");
}

/// Profiles name devices that others have already; the stock backend takes the first free one whatever they say.
pub(crate) fn profiles_are_started_twice_and_devices_are_taken(front: &FrontEnd<'_>) {
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
