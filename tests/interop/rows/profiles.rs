//! Profiles that are refused before anything is sent, each with the name of what is refused.

use super::super::cell::PROFILE;
use super::super::row::Row;
use super::super::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        refuses("`dev tap`", "dev tap", "layer-2"),
        refuses("`secret`, static keys", "secret ta.key", "secret"),
        refuses(
            "`client-nat`",
            "client-nat snat 10.1.0.0 255.255.0.0 10.2.0.0",
            "client-nat",
        ),
        refuses(
            "`tls-version-max 1.1`",
            "tls-version-max 1.1",
            "tls-version",
        ),
        refuses("`data-ciphers none`", "data-ciphers none", "none"),
        refuses("`data-ciphers BF-CBC`", "data-ciphers BF-CBC", "bf-cbc"),
        refuses(
            "a misspelt option",
            "data-cypher AES-256-GCM",
            "data-cypher",
        ),
    ]
}

fn refuses(feature: &'static str, line: &'static str, word: &'static str) -> Row {
    Row::refused(feature, move |cell| {
        let client = cell.connect(&Setup::new().client(line));
        cell.assert_refused(client, PROFILE, &[word]);
    })
}
