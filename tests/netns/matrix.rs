//! {UDP, TCP} x {none, tls-auth, tls-crypt, tls-crypt-v2} x {AES-256-GCM, AES-128-GCM, CHACHA20-POLY1305} x
//! {certificate, password, both}, over IPv4 and IPv6, with both families inside.

use super::scene::{self, Login, Scene, Transport, Wrapping};
use super::skipped_connecting;

const CIPHERS: [&str; 3] = ["AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"];

/// Every cipher and every login with one transport and one wrapping.
fn all_of(transport: Transport, wrapping: Wrapping) {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    for (turn, login) in [Login::Certificate, Login::Password, Login::Both]
        .into_iter()
        .enumerate()
    {
        let server = scene.serve(&scene::server(transport, wrapping, login));
        for (next, cipher) in CIPHERS.into_iter().enumerate() {
            let remote = scene::remote(turn + next);
            let profile = scene::profile(transport, wrapping, login, remote);
            let before = server.count_lines();

            let client = scene.connect(&format!("{profile}data-ciphers {cipher}\n"));
            client.wait_connected();

            scene.assert_passes(&client);
            server.wait_for_from(before, &format!("that it uses {cipher}"), |line| {
                line.contains("Data Channel") && line.contains(cipher)
            });
            client.leave();
            scene.assert_as_before();
        }
    }
}

#[test]
fn udp_without_wrapping_connects_with_every_cipher_and_login() {
    all_of(Transport::Udp, Wrapping::None);
}

#[test]
fn udp_with_tls_auth_connects_with_every_cipher_and_login() {
    all_of(Transport::Udp, Wrapping::TlsAuth);
}

#[test]
fn udp_with_tls_crypt_connects_with_every_cipher_and_login() {
    all_of(Transport::Udp, Wrapping::TlsCrypt);
}

#[test]
fn udp_with_tls_crypt_v2_connects_with_every_cipher_and_login() {
    all_of(Transport::Udp, Wrapping::TlsCryptV2);
}

#[test]
fn tcp_without_wrapping_connects_with_every_cipher_and_login() {
    all_of(Transport::Tcp, Wrapping::None);
}

#[test]
fn tcp_with_tls_auth_connects_with_every_cipher_and_login() {
    all_of(Transport::Tcp, Wrapping::TlsAuth);
}

#[test]
fn tcp_with_tls_crypt_connects_with_every_cipher_and_login() {
    all_of(Transport::Tcp, Wrapping::TlsCrypt);
}

#[test]
fn tcp_with_tls_crypt_v2_connects_with_every_cipher_and_login() {
    all_of(Transport::Tcp, Wrapping::TlsCryptV2);
}
