//! Failures and what they are failures of: of one attempt, of one remote, or of the session.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::client::{Client, Program, Streams};
use super::namespace::{FAR_V4, SERVER_V4};
use super::process::Process;
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::{skipped, skipped_connecting};

/// The documented exit statuses.
const CERTIFICATE: u8 = 12;
const PRIVILEGE: u8 = 15;
const INCOMPATIBLE: u8 = 16;

/// Retries soon, so that the tests are.
const SOON: &str = "connect-retry 1 1\nserver-poll-timeout 4\nhand-window 8\n";

fn server() -> String {
    scene::server(Transport::Udp, Wrapping::TlsCrypt, Login::Certificate)
        .replace("keepalive 2 10", "keepalive 1 3")
}

fn profile() -> String {
    scene::profile(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        SERVER_V4,
    ) + SOON
}

/// The server's lines with another certificate.
pub(crate) fn with_certificate(lines: &str, name: &str) -> String {
    lines.replace(
        "cert server.crt\nkey server.key",
        &format!("cert {name}.crt\nkey {name}.key"),
    )
}

/// The server's lines at another port, with a device and networks of its own.
fn beside(lines: &str) -> String {
    lines
        .replace("port 1194", "port 1195")
        .replace("dev tun0", "dev tun1")
        .replace("10.9.0.0", "10.19.0.0")
        .replace("fd09::", "fd19::")
}

/// Starts a server that may never serve anybody.
pub(crate) fn start(scene: &Scene, name: &str, lines: &str) -> Process {
    let config = scene.file(name, lines);
    let mut command = scene.world.server.command("openvpn");
    command
        .current_dir(super::pki::folder())
        .arg("--config")
        .arg(config);
    let server = Process::start(name, &mut command);
    server.wait_for("that it serves", |line| {
        line.contains("Initialization Sequence Completed")
    });
    server
}

/// The server of the first `remote` line is wrong: the second one's is taken.
fn second_remote_serves(spoil: impl Fn(&str) -> String, more: &str) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _right = start(&scene, "right.conf", &server());
    let _wrong = start(&scene, "wrong.conf", &spoil(&beside(&server())));
    let both = format!("remote {SERVER_V4} 1195\nremote {SERVER_V4} 1194");
    let lines = profile().replace(&format!("remote {SERVER_V4} 1194"), &both);

    let client = scene.connect(&format!("{lines}{more}"));
    client.wait_connected();

    scene.assert_passes(&client);
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_first_remote_of_another_authority_hands_over_to_the_second() {
    second_remote_serves(|lines| with_certificate(lines, "server-elsewhere"), "");
}

#[test]
fn a_first_remote_whose_certificate_has_expired_hands_over_to_the_second() {
    second_remote_serves(|lines| with_certificate(lines, "server-expired"), "");
}

#[test]
fn a_first_remote_with_a_clients_certificate_hands_over_to_the_second() {
    second_remote_serves(|lines| with_certificate(lines, "client"), "");
}

#[test]
fn a_first_remote_without_a_common_cipher_hands_over_to_the_second() {
    second_remote_serves(
        |lines| format!("{lines}data-ciphers AES-128-CBC\n"),
        "data-ciphers AES-256-GCM\n",
    );
}

#[test]
fn a_first_remote_that_pushes_what_is_rejected_hands_over_to_the_second() {
    second_remote_serves(
        |lines| format!("{lines}push \"route 192.0.2.0 255.255.255.0\"\n"),
        "pull-filter reject \"route 192.0.2.\"\n",
    );
}

#[test]
fn a_server_without_a_common_cipher_is_called_incompatible() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&format!("{}data-ciphers AES-128-CBC\n", server()));
    let client = scene.connect(&format!("{}data-ciphers AES-256-GCM\n", profile()));
    let said = client.fail(INCOMPATIBLE);
    assert!(said.contains("data-ciphers"), "{said}");
    assert!(!said.contains("authentication failed"), "{said}");
    scene.assert_as_before();
}

#[test]
fn a_wait_that_the_server_asked_for_is_not_shortened_by_new_addresses() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let script = scene.file(
        "later",
        "#!/bin/sh\nprintf 'TEMP[backoff 12,advance no]:later' >\"$auth_failed_reason_file\"\nexit 1\n",
    );
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).expect("it is our file");
    let (wrapping, login) = (Wrapping::TlsCrypt, Login::Both);
    let lines = scene::server(Transport::Udp, wrapping, login)
        .replace("./check-password", &script.display().to_string());
    let _server = scene.serve(&lines);
    let profile = scene::profile(Transport::Udp, wrapping, login, SERVER_V4);
    let client = scene.connect(&format!("{profile}{SOON}"));
    let refused = |line: &str| line.contains("refused the login for now");
    client.process.wait_for("that it is refused", refused);
    for last in 10..18 {
        let host = &scene.world.client;
        host.ip(&format!("addr add 10.77.0.{last}/24 dev cable"));
        sleep(Duration::from_secs(1));
    }
    assert_eq!(
        client.process.count(refused),
        1,
        "{}",
        client.process.text()
    );
    client
        .process
        .wait_for_times(2, "that it tries again", refused);
    client.leave();
}

/// A client with this certificate is refused, and says why.
fn own_certificate_is_named(certificate: &str, words: &str) {
    if skipped_connecting(&[]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let scene = Scene::new();
        let (wrapping, login) = (Wrapping::TlsCrypt, Login::Certificate);
        let _server = scene.serve(&scene::server(transport, wrapping, login));
        let profile = scene::profile(transport, wrapping, login, SERVER_V4).replace(
            "cert client.crt\nkey client.key",
            &format!("cert {certificate}.crt\nkey {certificate}.key"),
        );
        let client = scene.connect(&format!("{profile}{SOON}"));
        client
            .process
            .wait_for("what is wrong", |line| line.contains(words));
        let said = client.fail(CERTIFICATE);
        let last = said.lines().rfind(|line| line.contains("cannot go on"));
        assert!(last.is_some_and(|line| line.contains(words)), "{said}");
        scene.assert_as_before();
    }
}

#[test]
fn our_own_certificate_that_has_expired_is_named() {
    own_certificate_is_named("client-expired", "our own certificate expired on");
}

#[test]
fn our_own_certificate_that_is_a_servers_is_named() {
    own_certificate_is_named("server", "does not include TLS client authentication");
}

/// Counts what goes to the world by the cable: nothing may, while all traffic is the tunnel's.
pub(crate) struct Leaks<'a> {
    scene: &'a Scene,
    _traffic: Process,
}

impl<'a> Leaks<'a> {
    pub(crate) fn watch(scene: &'a Scene) -> Self {
        let host = &scene.world.client;
        let rules = format!(
            "table inet watch {{ chain out {{ type filter hook output priority 300; \
             oifname \"cable\" ip daddr {FAR_V4} counter comment \"leaks\"; \
             oifname \"tun*\" ip daddr {FAR_V4} counter comment \"tunnelled\"; }}; }}"
        );
        let done = host.command("nft").arg(rules).status();
        assert!(done.expect("nft is installed").success());
        let mut ping = host.command("ping");
        ping.args(["-n", "-i", "0.1", FAR_V4]);
        Self {
            scene,
            _traffic: Process::start("the traffic", &mut ping),
        }
    }

    pub(crate) fn count(&self, which: &str) -> u64 {
        let mut list = self.scene.world.client.command("nft");
        let output = list.args(["list", "table", "inet", "watch"]).output();
        let text = String::from_utf8(output.expect("nft runs").stdout).expect("it is text");
        let line = text.lines().find(|line| line.contains(which));
        let line = line.expect("the rule is there");
        let mut words = line.split_whitespace().skip_while(|it| *it != "packets");
        let number = words.nth(1).expect("packets are counted");
        number.parse().expect("it is a number")
    }

    pub(crate) fn stop(self) {
        let mut command = self.scene.world.client.command("nft");
        let done = command.args(["delete", "table", "inet", "watch"]).status();
        assert!(done.expect("nft is installed").success());
    }
}

/// A full tunnel lives on while `impostor` stands in the server's place for a while.
fn lives_through(impostor: impl FnOnce(&Scene) -> Process, persist: &str) {
    if skipped(&["openvpn", "openssl", "ping", "nft"]) {
        return;
    }
    let scene = Scene::new();
    let lines = format!("{}push \"redirect-gateway def1\"\n", server());
    let mut right = scene.serve(&lines);
    let client = scene.connect(&format!("{}{persist}", profile()));
    client.wait_connected();
    let leaks = Leaks::watch(&scene);
    let said = client.process.count_lines();

    right.signal(rustix::process::Signal::KILL);
    right.wait();
    let mut wrong = impostor(&scene);
    sleep(Duration::from_secs(12));
    client.process.assert_running();
    wrong.signal(rustix::process::Signal::KILL);
    wrong.wait();
    let _right = scene.serve(&lines);
    client.wait_connected_after(said);

    scene.ping(&client, FAR_V4, &[]);
    assert!(leaks.count("tunnelled") > 0);
    assert_eq!(leaks.count("leaks"), 0, "{}", client.process.text());
    leaks.stop();
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_full_tunnel_lives_through_an_impostor_of_another_authority() {
    lives_through(
        |scene| {
            start(
                scene,
                "wrong.conf",
                &with_certificate(&server(), "server-elsewhere"),
            )
        },
        "persist-tun\n",
    );
}

#[test]
fn a_full_tunnel_without_persist_tun_keeps_its_traffic_in() {
    lives_through(
        |scene| {
            start(
                scene,
                "wrong.conf",
                &with_certificate(&server(), "server-expired"),
            )
        },
        "",
    );
}

#[test]
fn a_full_tunnel_lives_through_a_server_that_refuses_its_certificate() {
    lives_through(
        |scene| {
            let lines = server().replace("ca ca.crt", "ca other-ca.crt");
            start(
                scene,
                "wrong.conf",
                &with_certificate(&lines, "server-elsewhere"),
            )
        },
        "",
    );
}

#[test]
fn a_full_tunnel_lives_through_a_server_with_no_common_cipher() {
    lives_through(
        |scene| {
            let lines = format!("{}data-ciphers AES-128-CBC\n", server());
            start(scene, "wrong.conf", &lines)
        },
        "data-ciphers AES-256-GCM\n",
    );
}

#[test]
fn a_full_tunnel_lives_through_garbage() {
    lives_through(
        |scene| {
            let mut socat = scene.world.server.command("python3");
            socat.args(["-c", GARBAGE]);
            Process::start("garbage", &mut socat)
        },
        "",
    );
}

/// Answers each datagram with noise.
pub(crate) const GARBAGE: &str = "
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', 1194))
while True:
    data, peer = s.recvfrom(2048)
    for _ in range(5):
        s.sendto(os.urandom(len(data)), peer)
    s.sendto(data, peer)
";

/// Where a library that lies about the time is.
pub(crate) fn false_clock() -> Option<&'static str> {
    [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    ]
    .into_iter()
    .find(|path| Path::new(path).exists())
}

#[test]
fn a_client_without_a_clock_waits_for_the_right_time() {
    if skipped_connecting(&[]) {
        return;
    }
    let Some(library) = false_clock() else {
        println!("skipped: there is no libfaketime");
        return;
    };
    let scene = Scene::new();
    let file = scene.file("time", "@2019-06-01 00:00:00\n");
    let _server = scene.serve(&server());
    let profile = scene.file("client.ovpn", &profile());
    let variables = [
        ("LD_PRELOAD", library),
        (
            "FAKETIME_TIMESTAMP_FILE",
            file.to_str().expect("it is text"),
        ),
        ("FAKETIME_CACHE_DURATION", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ];
    let client = Client::start_with(
        Program::Ours,
        &scene.world.client,
        &profile,
        Streams::Pipes,
        &[],
        &variables,
    );
    client
        .process
        .wait_for_times(4, "that it tries again", |line| {
            line.contains("not valid before")
        });
    client.process.assert_running();
    scene.file("time", "+0\n");
    client.wait_connected();
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_certificate_of_the_future_ends_it_when_the_clock_can_be_believed() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&with_certificate(&server(), "server-future"));
    let profile = scene.file("client.ovpn", &profile());
    let mut command = scene.world.client.command("sh");
    super::pki::offer_in(profile.parent().expect("it is in a folder"));
    command
        .current_dir(profile.parent().expect("it is in a folder"))
        .args(["-ec", TIME_IS_KNOWN])
        .arg(Program::path())
        .arg(&profile)
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    let mut client = Process::start("the client", &mut command);
    let status = client.wait();
    assert_eq!(
        status.code(),
        Some(i32::from(CERTIFICATE)),
        "{}",
        client.text()
    );
    assert!(
        client.text().contains("not valid before"),
        "{}",
        client.text()
    );
    scene.assert_as_before();
}

/// As systemd-timesyncd leaves it.
const TIME_IS_KNOWN: &str = "mount -t tmpfs tmpfs /run/systemd 2>/dev/null || {
        mkdir -p /run/systemd; mount -t tmpfs tmpfs /run/systemd; }
    mkdir /run/systemd/timesync
    touch /run/systemd/timesync/synchronized
    exec \"$0\" connect \"$1\"";

#[test]
fn a_missing_device_is_found_before_the_login_is_sent() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let server = scene.serve(&server());
    let profile = scene.file("client.ovpn", &profile());
    let folder = profile.parent().expect("it is in a folder");
    super::pki::offer_in(folder);
    let mut command = scene.world.client.command("sh");
    command
        .current_dir(folder)
        .args(["-ec", NO_DEVICE])
        .arg(Program::path())
        .arg(&profile)
        .env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
    let mut client = Process::start("the client", &mut command);
    let status = client.wait();
    assert_eq!(
        status.code(),
        Some(i32::from(PRIVILEGE)),
        "{}",
        client.text()
    );
    assert!(client.text().contains("/dev/net/tun"), "{}", client.text());
    assert!(
        !server.text().contains("TLS: Initial packet"),
        "{}",
        server.text()
    );
    scene.assert_as_before();
}

const NO_DEVICE: &str = "mount -t tmpfs tmpfs /dev/net
    exec \"$0\" connect \"$1\"";
