//! Whom the profile trusts, and as whom it comes.

use super::super::cell::{CERTIFICATE, Cell, UNREACHABLE};
use super::super::pki;
use super::super::row::Row;
use super::super::setup::Setup;
use super::transport::connects;
use super::wrapping::since_2_7;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = signed();
    rows.extend(checked());
    rows
}

/// Every kind of authority, with every hash that it signs with.
fn signed() -> Vec<Row> {
    let rows = pki::AUTHORITIES.iter().map(|(authority, _, hashes)| {
        let title = match *authority {
            "ed25519" => "authority on Ed25519".to_owned(),
            "rsa" => "authority with RSA: SHA-256, SHA-384, SHA-512".to_owned(),
            curve => format!(
                "authority on {}: SHA-256, SHA-384, SHA-512",
                curve.replace('p', "P-")
            ),
        };
        Row::works(title, move |cell| {
            for hash in *hashes {
                let setup = Setup::new()
                    .identity(&format!("server-{authority}-{hash}"))
                    .trust(&format!("ca {authority}-ca.crt\nremote-cert-tls server"));
                cell.assert_connects(&setup);
            }
        })
    });
    rows.collect()
}

fn checked() -> Vec<Row> {
    let trust = |lines: &str| Setup::new().trust(lines);
    vec![
        connects("`remote-cert-tls server`", Setup::new()),
        refuses(
            "`remote-cert-tls server`, a client's certificate",
            Setup::new().identity("client"),
            &["usage"],
        ),
        connects(
            "`verify-x509-name`, name",
            trust("ca ca.crt\nverify-x509-name server name"),
        ),
        connects(
            "`verify-x509-name`, prefix",
            trust("ca ca.crt\nverify-x509-name serv name-prefix"),
        ),
        connects(
            "`verify-x509-name`, subject",
            trust("ca ca.crt\nverify-x509-name CN=server"),
        ),
        refuses(
            "`verify-x509-name`, another name",
            trust("ca ca.crt\nverify-x509-name other name"),
            &["name"],
        ),
        Row::works("`peer-fingerprint` without an authority", |cell| {
            cell.assert_connects(&by_fingerprint("server"));
        }),
        Row::refused("`peer-fingerprint` of another server", |cell| {
            let setup = by_fingerprint("client");
            cell.assert_refuses(&setup, CERTIFICATE, &["fingerprint"]);
        }),
        refuses(
            "another authority",
            trust("ca other-ca.crt"),
            &["not in ca"],
        ),
        refuses(
            "expired server",
            Setup::new().identity("server-expired"),
            &["expired"],
        ),
        refuses(
            "revoked server, `crl-verify`",
            Setup::new()
                .identity("server-revoked")
                .client("crl-verify revoked.crl"),
            &["revoked"],
        ),
        Row::refused(
            "revoked client: the server's word is passed on",
            revoked_client,
        ),
        connects(
            "PKCS#12 bundle",
            Setup::new().login("pkcs12 client.p12\naskpass pass.txt"),
        ),
        connects(
            "locked private key, `askpass`",
            Setup::new().login("cert client.crt\nkey client-locked.key\naskpass pass.txt"),
        ),
        Row::works(
            "locked private key, asked for on the terminal",
            asks_passphrase,
        ),
        Row::works("everything inline", |cell| {
            cell.assert_connects(&inline());
        }),
    ]
}

fn refuses(feature: &'static str, setup: Setup, words: &'static [&str]) -> Row {
    Row::refused(feature, move |cell| {
        cell.assert_refuses(&setup, CERTIFICATE, words);
    })
}

fn by_fingerprint(name: &str) -> Setup {
    let output = std::process::Command::new("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in"])
        .arg(pki::folder().join(format!("{name}.crt")))
        .output()
        .expect("openssl is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (_, fingerprint) = text
        .trim()
        .split_once('=')
        .expect("it prints a fingerprint");
    Setup::new().trust(&format!("peer-fingerprint {fingerprint}"))
}

/// Since 2.7 a server says so by an alert; before, it hangs up.
fn revoked_client(cell: &Cell<'_>) {
    let setup = Setup::new()
        .tcp()
        .server("crl-verify revoked.crl")
        .login("cert client-revoked.crt\nkey client-revoked.key");
    if since_2_7(cell.release) {
        cell.assert_refuses(&setup, CERTIFICATE, &["revoked", "certificate"]);
    } else {
        cell.assert_refuses(&setup, UNREACHABLE, &["refuse our certificate"]);
    }
}

fn asks_passphrase(cell: &Cell<'_>) {
    let setup = Setup::new().login("cert client.crt\nkey client-locked.key");
    let _server = cell.serve(&setup);
    let client = cell.connect_on_terminal(&setup);
    super::logins::answer(&client, "Private key passphrase", "barley");
    client.wait_connected();
    cell.assert_passes(&client);
    let said = cell.leave(client);
    assert!(!said.contains("barley"), "the passphrase is shown:\n{said}");
}

fn inline() -> Setup {
    let block = |tag: &str, file: &str| {
        let text = std::fs::read_to_string(pki::folder().join(file)).expect("the file is there");
        format!("<{tag}>\n{text}</{tag}>\n")
    };
    Setup::new()
        .trust(&(block("ca", "ca.crt") + "remote-cert-tls server"))
        .login(&(block("cert", "client.crt") + &block("key", "client.key")))
        .server("tls-crypt crypt.key")
        .client(&block("tls-crypt", "crypt.key"))
}
