//! Ciphers, keys and framings of the data channel.

use super::super::cell::INCOMPATIBLE;
use super::super::release::Release;
use super::super::row::Row;
use super::super::setup::Setup;
use super::transport::connects;
use super::wrapping::{since_2_6, since_2_7};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = ciphers();
    rows.extend(agreement());
    rows.extend(keys());
    rows
}

fn ciphers() -> Vec<Row> {
    let mut rows = Vec::new();
    for cipher in [
        "AES-128-GCM",
        "AES-192-GCM",
        "AES-256-GCM",
        "CHACHA20-POLY1305",
    ] {
        let setup = Setup::new().both(&format!("data-ciphers {cipher}"));
        rows.push(uses(format!("`{cipher}`"), cipher, setup));
    }
    for (bits, digest) in [
        (128, "SHA1"),
        (128, "SHA256"),
        (192, "SHA256"),
        (192, "SHA512"),
        (256, "SHA1"),
        (256, "SHA256"),
        (256, "SHA512"),
    ] {
        let cipher = format!("AES-{bits}-CBC");
        let setup = Setup::new().both(&format!("data-ciphers {cipher}\nauth {digest}"));
        rows.push(uses(format!("`{cipher}` with `{digest}`"), &cipher, setup).quirks(&[31]));
    }
    let setup = Setup::new()
        .tcp()
        .both("data-ciphers AES-256-CBC\nauth SHA256");
    rows.push(uses("`AES-256-CBC` over TCP".into(), "AES-256-CBC", setup));
    rows
}

fn agreement() -> Vec<Row> {
    vec![
        uses(
            "the server's order decides".into(),
            "CHACHA20-POLY1305",
            Setup::new().server("data-ciphers CHACHA20-POLY1305:AES-256-GCM"),
        ),
        uses(
            "no negotiation: the options string decides, `ncp-disable`".into(),
            "AES-256-CBC",
            Setup::new()
                .server("ncp-disable\ncipher AES-256-CBC")
                .client("data-ciphers AES-256-GCM:AES-256-CBC"),
        )
        .quirks(&[5])
        .only(before_2_6),
        uses(
            "no negotiation, no options string: `data-ciphers-fallback`".into(),
            "AES-128-CBC",
            Setup::new()
                .server("ncp-disable\ncipher AES-128-CBC\ndisable-occ")
                .client("data-ciphers-fallback AES-128-CBC"),
        )
        .quirks(&[6])
        .only(before_2_6),
        Row::refused("no common cipher", |cell| {
            let setup = Setup::new().server("data-ciphers AES-128-CBC");
            cell.assert_refuses(&setup, INCOMPATIBLE, &["no shared cipher"]);
        }),
        Row::refused("server without encryption, `cipher none`", |cell| {
            let setup = Setup::new().server("ncp-disable\ncipher none");
            cell.assert_refuses(&setup, INCOMPATIBLE, &["none", "null"]);
        })
        .quirks(&[47])
        .only(before_2_6),
        Row::refused("`BF-CBC` server", |cell| {
            let setup = Setup::new()
                .server("ncp-disable\ncipher BF-CBC")
                .client("data-ciphers-fallback AES-256-CBC");
            cell.assert_refuses(&setup, INCOMPATIBLE, &["bf-cbc"]);
        })
        .only(before_2_6),
    ]
}

fn keys() -> Vec<Row> {
    vec![
        connects("data keys by the PRF", Setup::new())
            .quirks(&[30])
            .only(before_2_6),
        said("data keys by the TLS exporter", "tls-ekm", Setup::new()).only(since_2_6),
        said("epoch data keys", "aead-epoch", Setup::new()).only(since_2_7),
        said(
            "epoch data keys, ChaCha20 over TCP",
            "aead-epoch",
            Setup::new().tcp().both("data-ciphers CHACHA20-POLY1305"),
        )
        .only(since_2_7),
        connects(
            "data without a peer id (`P_DATA_V1`)",
            Setup::new()
                .both("data-ciphers AES-256-CBC")
                .client("pull-filter ignore peer-id"),
        )
        .quirks(&[2]),
    ]
}

fn before_2_6(release: Release) -> bool {
    release.version() < (2, 6)
}

/// The server's words about the data channel name the cipher.
fn uses(feature: String, cipher: &str, setup: Setup) -> Row {
    let cipher = cipher.to_owned();
    Row::works(feature, move |cell| {
        let said = cell.assert_connects(&setup);
        let names = |line: &str| {
            (line.contains("Data Channel") || line.contains("Data key")) && line.contains(&cipher)
        };
        assert!(said.lines().any(names), "it does not use {cipher}:\n{said}");
    })
}

/// The server's log has the word.
fn said(feature: &'static str, word: &'static str, setup: Setup) -> Row {
    Row::works(feature, move |cell| {
        let said = cell.assert_connects(&setup);
        assert!(said.contains(word), "{word} is not said:\n{said}");
    })
}
