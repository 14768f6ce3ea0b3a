//! Names, passwords, tokens, and what a server says when it lets nobody in.

use super::super::cell::{AUTHENTICATION, Cell};
use super::super::row::Row;
use super::super::setup::Setup;
use super::renewal::wait_renewed;
use super::transport::connects;
use super::wrapping::{since_2_6, since_2_7};

pub(super) fn rows() -> Vec<Row> {
    let mut rows = ways_in();
    rows.extend(refusals());
    rows.extend(tokens());
    rows
}

fn ways_in() -> Vec<Row> {
    let both = "cert client.crt\nkey client.key\nauth-user-pass right.txt";
    let inline = "<auth-user-pass>\nalice\nopen sesame\n</auth-user-pass>";
    vec![
        connects("user name and password", Setup::new().password()),
        connects(
            "certificate and password",
            Setup::new()
                .password()
                .login(both)
                .server("verify-client-cert require"),
        ),
        connects(
            "optional certificate, not shown",
            Setup::new()
                .password()
                .server("verify-client-cert optional"),
        ),
        connects(
            "inline `<auth-user-pass>`",
            Setup::new().password().login(inline),
        ),
        Row::works("password asked for on the terminal, hidden", asks_password),
        Row::works("user name of the profile, password asked for", |cell| {
            let setup = Setup::new().password();
            let setup = setup.login("<auth-user-pass>\nalice\n</auth-user-pass>");
            let _server = cell.serve(&setup);
            let client = cell.connect_on_terminal(&setup);
            answer(&client, "Auth Password", "open sesame");
            client.wait_connected();
            cell.leave(client);
        }),
        Row::works("`auth-user-pass username-only`", username_only),
        Row::works("password of 120 characters", long_password).quirks(&[10]),
        Row::works(
            "wrong password asked for again, `auth-retry interact`",
            asks_again,
        ),
        Row::works("`static-challenge`, `scrv1`", |cell| {
            static_challenge(cell, "scrv1", "SCRV1:b3BlbiBzZXNhbWU=:NDcxMQ==");
        }),
        Row::works("`static-challenge`, `concat`", |cell| {
            static_challenge(cell, "concat", "open sesame4711");
        }),
    ]
}

fn refusals() -> Vec<Row> {
    vec![
        Row::refused("wrong password", |cell| {
            let setup = Setup::new().password().login("auth-user-pass wrong.txt");
            cell.assert_refuses(&setup, AUTHENTICATION, &["authentication failed"]);
        }),
        Row::refused("password needed, and nobody to ask", |cell| {
            let setup = Setup::new().password().login("auth-user-pass");
            cell.assert_refuses(&setup, AUTHENTICATION, &["asked", "terminal"]);
        }),
        Row::refused("reason of a script, with a line's end", |cell| {
            cell.script(
                "refuse",
                "echo 'come back on Monday' >\"$auth_failed_reason_file\"; exit 1",
            );
            let setup = Setup::new()
                .login("auth-user-pass right.txt")
                .server("verify-client-cert none\nscript-security 2")
                .server("auth-user-pass-verify /mnt/refuse via-file");
            cell.assert_refuses(&setup, AUTHENTICATION, &["come back on monday"]);
        })
        .quirks(&[17])
        .only(since_2_6),
    ]
}

fn tokens() -> Vec<Row> {
    vec![
        Row::works(
            "`auth-gen-token`: keys are renewed by the token",
            renews_by_token,
        )
        .quirks(&[8, 15]),
        Row::works("the token expires: on with the password", |cell| {
            let setup = Setup::new()
                .password()
                .server("auth-gen-token 4")
                .client("auth-nocache\nreneg-sec 2");
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            let said = client.process.count_lines();
            client.wait_connected_after(said);
            cell.assert_passes(&client);
            cell.leave(client);
        }),
        Row::works(
            "stale token after a restart: once more with the password",
            stale_token,
        )
        .quirks(&[16]),
        Row::works("`override-username`: the server changes the name", |cell| {
            cell.file("ccd/DEFAULT", "override-username bob\n");
            let setup = Setup::new()
                .password()
                .server("auth-gen-token 0\nclient-config-dir /mnt/ccd")
                .client("reneg-sec 2");
            let server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            wait_renewed(&server, 3);
            cell.assert_passes(&client);
            cell.leave(client);
        })
        .quirks(&[36, 41])
        .only(since_2_7),
    ]
}

/// Waits for a question that contains the word, and answers it.
pub(super) fn answer(client: &super::super::client::Client, word: &str, text: &str) {
    let question = format!("{word}: ");
    client
        .process
        .wait_for(&question, |line| line.contains(&question));
    client.process.enter(text);
}

fn asks_password(cell: &Cell<'_>) {
    let setup = Setup::new().password().login("auth-user-pass");
    let _server = cell.serve(&setup);
    let client = cell.connect_on_terminal(&setup);
    answer(&client, "Auth User name", "alice");
    answer(&client, "Auth Password", "open sesame");
    client.wait_connected();
    cell.assert_passes(&client);
    let said = cell.leave(client);
    assert!(!said.contains("sesame"), "the password is shown:\n{said}");
}

/// The mark for no password is that of OpenVPN 2.7.
fn username_only(cell: &Cell<'_>) {
    cell.file("expected", "alice\n[[BLANK]]\n");
    cell.script("check", "cmp -s \"$1\" /mnt/expected");
    let setup = Setup::new()
        .login("auth-user-pass username-only")
        .server("verify-client-cert none\nscript-security 2")
        .server("auth-user-pass-verify /mnt/check via-file");
    let _server = cell.serve(&setup);
    let client = cell.connect_on_terminal(&setup);
    answer(&client, "Auth User name", "alice");
    client.wait_connected();
    cell.leave(client);
}

fn long_password(cell: &Cell<'_>) {
    let password = "0123456789".repeat(12);
    cell.file("expected", &format!("alice\n{password}\n"));
    cell.script("check", "cmp -s \"$1\" /mnt/expected");
    let setup = Setup::new()
        .login(&format!(
            "<auth-user-pass>\nalice\n{password}\n</auth-user-pass>"
        ))
        .server("verify-client-cert none\nscript-security 2")
        .server("auth-user-pass-verify /mnt/check via-file");
    cell.assert_connects(&setup);
}

fn asks_again(cell: &Cell<'_>) {
    let setup = Setup::new()
        .password()
        .login("auth-user-pass wrong.txt")
        .client("auth-retry interact");
    let _server = cell.serve(&setup);
    let client = cell.connect_on_terminal(&setup);
    answer(&client, "Auth User name", "alice");
    answer(&client, "Auth Password", "open sesame");
    client.wait_connected();
    cell.leave(client);
}

fn static_challenge(cell: &Cell<'_>, format: &str, password: &str) {
    cell.file("expected", &format!("alice\n{password}\n"));
    cell.script("check", "cmp -s \"$1\" /mnt/expected");
    let setup = Setup::new()
        .login("auth-user-pass right.txt")
        .client(&format!("static-challenge \"Your PIN\" 1 {format}"))
        .server("verify-client-cert none\nscript-security 2")
        .server("auth-user-pass-verify /mnt/check via-file");
    let _server = cell.serve(&setup);
    let client = cell.connect_on_terminal(&setup);
    answer(&client, "Your PIN", "4711");
    client.wait_connected();
    cell.assert_passes(&client);
    cell.leave(client);
}

/// The script is asked once, however often keys are renewed.
fn renews_by_token(cell: &Cell<'_>) {
    cell.script("check", "echo asked >>/mnt/asked; cmp -s \"$1\" right.txt");
    cell.file("asked", "");
    let setup = Setup::new()
        .login("auth-user-pass right.txt")
        .client("auth-nocache\nreneg-sec 2")
        .server("verify-client-cert none\nscript-security 2\nauth-gen-token 0")
        .server("auth-user-pass-verify /mnt/check via-file");
    let server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    wait_renewed(&server, 3);
    cell.assert_passes(&client);
    cell.leave(client);
    assert_eq!(cell.read("asked").lines().count(), 1, "{}", server.text());
}

/// The server forgets what it has signed tokens with.
fn stale_token(cell: &Cell<'_>) {
    let setup = Setup::new()
        .password()
        .exit_notify(0)
        .keepalive("keepalive 1 3")
        .server("auth-gen-token 0")
        .client("connect-retry-max 10\nserver-poll-timeout 4");
    let mut server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    let said = client.process.count_lines();
    server.signal(rustix::process::Signal::KILL);
    server.wait();
    let _next = cell.serve(&setup);
    client.wait_connected_after(said);
    cell.assert_passes(&client);
    cell.leave(client);
}
