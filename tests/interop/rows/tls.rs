//! Versions, keys and groups of TLS.

use super::super::cell::{CERTIFICATE, UNREACHABLE};
use super::super::release::Release;
use super::super::row::Row;
use super::super::setup::Setup;
use super::transport::connects;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = served();
    rows.extend(groups());
    rows.extend(beyond_us());
    rows
}

fn served() -> Vec<Row> {
    let of = |server, client| {
        Setup::new()
            .identity(server)
            .login(&format!("cert {client}.crt\nkey {client}.key"))
    };
    vec![
        says(
            "TLS 1.2 only",
            "TLSv1.2",
            Setup::new().server("tls-version-max 1.2"),
        ),
        says(
            "TLS 1.3 only",
            "TLSv1.3",
            Setup::new().server("tls-version-min 1.3"),
        ),
        says(
            "TLS 1.2 by the profile, `tls-version-max 1.2`",
            "TLSv1.2",
            Setup::new().client("tls-version-max 1.2"),
        ),
        says(
            "TLS 1.2 with RSA keys",
            "TLSv1.2",
            of("server-rsa", "client-rsa").server("tls-version-max 1.2"),
        ),
        connects("RSA keys of 2048 bits", of("server-rsa", "client-rsa")),
        connects("ECDSA keys, P-384", of("server-p384", "client-p384")),
        connects("Ed25519 keys", of("server-ed25519", "client-ed25519")),
        connects(
            "server and client key on P-521",
            of("server-p521", "client-p521"),
        ),
        connects(
            "server and client key on P-521, TLS 1.2",
            of("server-p521", "client-p521").client("tls-version-max 1.2"),
        ),
        connects(
            "server key for RSA-PSS only, TLS 1.3",
            Setup::new().identity("server-pss"),
        ),
        connects(
            "ChaCha20 as TLS cipher",
            Setup::new().server("tls-ciphersuites TLS_CHACHA20_POLY1305_SHA256"),
        ),
    ]
}

fn groups() -> Vec<Row> {
    vec![
        connects(
            "group `secp384r1` only (hello retried)",
            Setup::new().server("tls-groups secp384r1"),
        ),
        agrees(
            "group X25519MLKEM768, by default",
            Setup::new(),
            "X25519MLKEM768",
        )
        .only(has_ml_kem),
        agrees(
            "group X25519MLKEM768 only",
            Setup::new().both("tls-groups X25519MLKEM768"),
            "X25519MLKEM768",
        )
        .only(has_ml_kem),
        agrees(
            "group X25519, where the profile wants it",
            Setup::new().client("tls-groups X25519"),
            "X25519",
        ),
        agrees(
            "group `secp521r1` only (hello retried)",
            Setup::new().server("tls-groups secp521r1"),
            "secp521r1",
        ),
    ]
}

/// What there is no cryptography for, refused by name.
fn beyond_us() -> Vec<Row> {
    let old = |version: &str| {
        Setup::new()
            .identity("server-rsa")
            .server(&format!("tls-version-min 1.0\ntls-version-max {version}"))
            .server("tls-cipher DEFAULT:@SECLEVEL=0")
    };
    vec![
        refuses("TLS 1.0 only", old("1.0"), &["neither tls 1.2 nor 1.3"]),
        refuses("TLS 1.1 only", old("1.1"), &["neither tls 1.2 nor 1.3"]),
        refuses(
            "finite-field DHE only",
            Setup::new().identity("server-rsa").server(
                "tls-version-max 1.2\ntls-cipher TLS-DHE-RSA-WITH-AES-256-GCM-SHA384\ndh dh.pem",
            ),
            &["nothing but dhe"],
        ),
        refuses(
            "key exchange by RSA only",
            Setup::new()
                .identity("server-rsa")
                .server("tls-version-max 1.2\ntls-cipher TLS-RSA-WITH-AES-256-GCM-SHA384"),
            &["dhe or rsa for the key exchange"],
        ),
        Row::refused("server key on Ed448", |cell| {
            let setup = Setup::new().identity("server-ed448");
            cell.assert_refuses(&setup, CERTIFICATE, &["ed448"]);
        }),
    ]
}

fn says(feature: &'static str, version: &'static str, setup: Setup) -> Row {
    Row::works(feature, move |cell| {
        let said = cell.assert_connects(&setup);
        let line = said
            .lines()
            .find(|line| line.contains("Control Channel: TLS"));
        assert!(line.is_some_and(|line| line.contains(version)), "{said}");
    })
}

/// The client says which group it became.
fn agrees(feature: &'static str, setup: Setup, group: &'static str) -> Row {
    Row::works(feature, move |cell| {
        let _server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        cell.assert_passes(&client);
        let said = cell.leave(client);
        let is_it =
            |line: &str| line.contains("TLSv1.3, ") && line.contains(&format!(", {group}\""));
        assert!(said.lines().any(is_it), "{said}");
    })
}

/// OpenSSL has ML-KEM since 3.5.
fn has_ml_kem(release: Release) -> bool {
    matches!(release, Release::Trixie | Release::Sid)
}

fn refuses(feature: &'static str, setup: Setup, words: &'static [&str]) -> Row {
    Row::refused(feature, move |cell| {
        cell.assert_refuses(&setup, UNREACHABLE, words);
    })
}
