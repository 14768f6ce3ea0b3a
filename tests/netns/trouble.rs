//! Servers that go away, and logins that fail.

use super::namespace::{SERVER_V4, SERVER_V6};
use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;

/// The documented exit statuses.
const AUTHENTICATION: u8 = 11;
const CERTIFICATE: u8 = 12;
const UNREACHABLE: u8 = 13;

/// Retries soon, so that the tests are.
const SOON: &str = "connect-retry 1 1\nserver-poll-timeout 4\n";
/// Tries once; who answers on a busy machine may do so late.
const ONCE: &str = "connect-retry-max 1\nserver-poll-timeout 60\nhand-window 60\n";
/// Tries once to reach somebody who says nothing.
const ONCE_IN_VAIN: &str = "connect-retry-max 1\nserver-poll-timeout 4\nhand-window 10\n";

/// The server ends in one way or another, another one begins: the client finds it by itself.
fn survives(transport: Transport, end: rustix::process::Signal) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let config = scene::server(transport, Wrapping::TlsCrypt, Login::Both)
        .replace("keepalive 2 10", "keepalive 1 3");
    let mut server = scene.serve(&config);
    let client = scene
        .connect(&(scene::profile(transport, Wrapping::TlsCrypt, Login::Both, SERVER_V4) + SOON));
    client.wait_connected();
    let said = client.process.count_lines();

    server.signal(end);
    server.wait();
    let _next = scene.serve(&config);
    client.wait_connected_after(said);

    scene.assert_passes(&client);
    client.leave();
    scene.assert_as_before();
}

#[test]
fn a_restarted_server_is_found_again_over_udp() {
    survives(Transport::Udp, rustix::process::Signal::TERM);
}

#[test]
fn a_restarted_server_is_found_again_over_tcp() {
    survives(Transport::Tcp, rustix::process::Signal::TERM);
}

#[test]
fn a_killed_server_is_missed_and_its_successor_found_over_udp() {
    survives(Transport::Udp, rustix::process::Signal::KILL);
}

#[test]
fn a_killed_server_is_missed_and_its_successor_found_over_tcp() {
    survives(Transport::Tcp, rustix::process::Signal::KILL);
}

/// The client must end with `status`, say one of `words`, and leave nothing behind.
fn is_refused(server_says: (&str, &str), client_says: (&str, &str), status: u8, words: &[&str]) {
    if skipped_connecting(&[]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let scene = Scene::new();
        let config = scene::server(transport, Wrapping::TlsAuth, Login::Both);
        let profile = scene::profile(transport, Wrapping::TlsAuth, Login::Both, SERVER_V6);
        let _server = scene.serve(&config.replace(server_says.0, server_says.1));
        let profile = profile.replace(client_says.0, client_says.1);

        let tries = if status == UNREACHABLE {
            ONCE_IN_VAIN
        } else {
            ONCE
        };
        let client = scene.connect(&format!("{profile}{tries}"));
        let said = client.fail(status).to_lowercase();

        assert!(words.iter().any(|word| said.contains(word)), "{said}");
        scene.assert_as_before();
    }
}

#[test]
fn a_wrong_password_is_an_authentication_failure() {
    is_refused(
        ("", ""),
        ("right.txt", "wrong.txt"),
        AUTHENTICATION,
        &["auth"],
    );
}

#[test]
fn a_server_of_another_authority_is_refused() {
    let words = [
        "unable to get local issuer",
        "issuer",
        "unknown",
        "not in ca",
    ];
    is_refused(
        ("", ""),
        ("ca ca.crt", "ca other-ca.crt"),
        CERTIFICATE,
        &words,
    );
}

#[test]
fn an_expired_server_certificate_is_refused() {
    is_refused(
        (
            "cert server.crt\nkey server.key",
            "cert server-expired.crt\nkey server-expired.key",
        ),
        ("", ""),
        CERTIFICATE,
        &["expired"],
    );
}

#[test]
fn a_revoked_server_certificate_is_refused() {
    is_refused(
        (
            "cert server.crt\nkey server.key",
            "cert server-revoked.crt\nkey server-revoked.key",
        ),
        ("ca ca.crt", "ca ca.crt\ncrl-verify revoked.crl"),
        CERTIFICATE,
        &["revoked"],
    );
}

#[test]
fn a_revoked_client_gets_no_tunnel() {
    // OpenVPN 2.6 drops such a client without a word: its alert never leaves the server.
    is_refused(
        ("ca ca.crt", "ca ca.crt\ncrl-verify revoked.crl"),
        (
            "cert client.crt\nkey client.key",
            "cert client-revoked.crt\nkey client-revoked.key",
        ),
        UNREACHABLE,
        &["handshake", "tls", "connection", "closed"],
    );
}

#[test]
fn a_host_without_a_server_is_unreachable() {
    if skipped_connecting(&[]) {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let scene = Scene::new();
        let profile = scene::profile(transport, Wrapping::None, Login::Certificate, SERVER_V4);

        let client = scene.connect(&format!("{profile}{ONCE_IN_VAIN}"));
        client.fail(UNREACHABLE);

        scene.assert_as_before();
    }
}
