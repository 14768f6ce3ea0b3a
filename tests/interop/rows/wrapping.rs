//! How the control channel is protected.

use super::super::cell::{Cell, UNREACHABLE};
use super::super::release::Release;
use super::super::row::Row;
use super::super::setup::Setup;
use super::transport::connects;

pub(super) fn rows() -> Vec<Row> {
    let auth = |server: &str, client: &str| {
        let setup = Setup::new().server(&format!("tls-auth ta.key{server}"));
        setup.client(&format!("tls-auth ta.key{client}"))
    };
    let crypt = || Setup::new().both("tls-crypt crypt.key");
    vec![
        connects("`tls-auth`, SHA1, direction 1", auth(" 0", " 1")),
        connects("`tls-auth`, SHA1, direction 0", auth(" 1", " 0")),
        connects("`tls-auth`, both directions", auth("", "")),
        connects(
            "`tls-auth` by `auth SHA256` with an AEAD cipher",
            auth(" 0", " 1").both("auth SHA256"),
        )
        .quirks(&[22]),
        connects("`tls-auth`, SHA384", auth(" 0", " 1").both("auth SHA384")),
        connects("`tls-auth`, SHA512", auth(" 0", " 1").both("auth SHA512")),
        connects("`tls-auth` over TCP", auth(" 0", " 1").tcp()),
        connects("`tls-crypt`", crypt()).quirks(&[23]),
        connects("`tls-crypt` over TCP", crypt().tcp()),
        connects("`tls-crypt-v2`", v2("", "v2-client.key")),
        connects("`tls-crypt-v2` over TCP", v2("", "v2-client.key").tcp()),
        connects(
            "`tls-crypt-v2`, `force-cookie`",
            v2(" force-cookie", "v2-client.key"),
        )
        .quirks(&[11, 12, 33])
        .only(since_2_6),
        connects(
            "`tls-crypt-v2`, `allow-noncookie`",
            v2(" allow-noncookie", "v2-client.key"),
        )
        .only(since_2_6),
        connects(
            "`tls-crypt-v2-max-age`, young key",
            v2("", "v2-client.key").server("tls-crypt-v2-max-age 10000"),
        )
        .only(since_2_7),
        Row::refused("`tls-crypt-v2-max-age`, key without an age", |cell| {
            let setup = v2("", "v2-client-old.key").server("tls-crypt-v2-max-age 10000");
            cell.assert_refuses(&setup, UNREACHABLE, &["answer"]);
        })
        .quirks(&[42])
        .only(since_2_7),
        Row::works("dynamic `tls-crypt`, alone", |cell| {
            renews_dynamically(cell, &Setup::new());
        })
        .quirks(&[14])
        .only(since_2_6),
        Row::works("dynamic `tls-crypt` upon `tls-auth`", move |cell| {
            renews_dynamically(cell, &auth(" 0", " 1"));
        })
        .only(since_2_6),
        Row::works("dynamic `tls-crypt` upon `tls-crypt-v2`", |cell| {
            renews_dynamically(cell, &v2("", "v2-client.key"));
        })
        .only(since_2_6),
        Row::refused("another `tls-crypt` key", |cell| {
            let setup = Setup::new()
                .server("tls-crypt crypt.key")
                .client("tls-crypt ta.key");
            cell.assert_refuses(&setup, UNREACHABLE, &["answer"]);
        }),
    ]
}

fn v2(mode: &str, key: &str) -> Setup {
    Setup::new()
        .server(&format!("tls-crypt-v2 v2-server.key{mode}"))
        .client(&format!("tls-crypt-v2 {key}"))
}

pub(super) fn since_2_6(release: Release) -> bool {
    release.version() >= (2, 6)
}

pub(super) fn since_2_7(release: Release) -> bool {
    release.version() >= (2, 7)
}

/// The second negotiation is wrapped by a key that the first one gave.
fn renews_dynamically(cell: &Cell<'_>, setup: &Setup) {
    let setup = setup.clone().server("reneg-sec 2");
    let server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    server.wait_for("that dynamic tls-crypt is on", |line| {
        line.contains("dyn-tls-crypt") || line.contains("dynamic tls-crypt")
    });
    super::renewal::wait_renewed(&server, 2);
    cell.assert_passes(&client);
    cell.leave(client);
}
