//! Logins that a manager decides upon, and the questions it asks.

use std::time::Instant;

use super::super::cell::{AUTHENTICATION, Cell, ENDED};
use super::super::management::Management;
use super::super::row::Row;
use super::super::setup::Setup;
use super::logins::answer;
use super::wrapping::since_2_6;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        Row::works("login decided upon later, by a manager", |cell| {
            let setup = managed();
            let _server = cell.serve(&setup);
            let manager = cell.management();
            let client = cell.connect(&setup);
            let who = next_login(&manager, 0).who;
            manager.order(&format!("client-auth-nt {who}"));
            client.wait_connected();
            cell.assert_passes(&client);
            cell.leave(client);
        }),
        Row::refused("`AUTH_FAILED` with a reason", |cell| {
            let setup = managed();
            let _server = cell.serve(&setup);
            let manager = cell.management();
            let client = cell.connect(&setup);
            let who = next_login(&manager, 0).who;
            manager.order(&format!(
                "client-deny {who} \"no\" \"your account is locked\""
            ));
            cell.assert_refused(client, AUTHENTICATION, &["your account is locked"]);
        }),
        Row::works("`AUTH_FAILED,TEMP[backoff 2]`", temporarily).quirks(&[44]),
        Row::works("dynamic challenge, `CRV1`", dynamic_challenge),
    ];
    rows.extend(outside());
    rows.extend(orders());
    rows
}

fn outside() -> Vec<Row> {
    vec![
        Row::works("`AUTH_PENDING` with `CR_TEXT`", |cell| {
            let manager = pending(cell, "CR_TEXT:R,E:Which colour?", |client| {
                answer(client, "Which colour?", "green");
            });
            let said = manager.wait_for_from(0, ">CLIENT:CR_RESPONSE,");
            assert!(said.ends_with(",Z3JlZW4="), "{said}");
        }),
        Row::works("`AUTH_PENDING` with `WEB_AUTH`", |cell| {
            pending(cell, "WEB_AUTH::https://login.example/?a=1,2", |client| {
                client.process.wait_for("where to log in", |line| {
                    line.contains("https://login.example/?a=1,2")
                });
            });
        }),
        Row::works("`AUTH_PENDING` with `OPEN_URL`", |cell| {
            pending(cell, "OPEN_URL:https://login.example/", |client| {
                client.process.wait_for("where to log in", |line| {
                    line.contains("https://login.example/")
                });
            });
        }),
        Row::refused("`AUTH_PENDING` that nobody ends", |cell| {
            let setup = managed().client("connect-retry-max 1");
            let _server = cell.serve(&setup);
            let manager = cell.management();
            let client = cell.connect(&setup);
            let who = next_login(&manager, 0).who;
            manager.order(&format!(
                "client-pending-auth {who} WEB_AUTH::https://x.example 5"
            ));
            cell.assert_refused(client, AUTHENTICATION, &["authentication failed"]);
        })
        .only(since_2_6),
        Row::refused("`CR_TEXT` that the user does not answer", |cell| {
            let setup = managed().client("connect-retry-max 1");
            let _server = cell.serve(&setup);
            let manager = cell.management();
            let client = cell.connect_on_terminal(&setup);
            let who = next_login(&manager, 0).who;
            manager.order(&format!(
                "client-pending-auth {who} \"CR_TEXT:R,E:Which colour?\" 5"
            ));
            client
                .process
                .wait_for("a question", |line| line.contains("Which colour?"));
            cell.assert_refused(client, AUTHENTICATION, &["authentication failed"]);
        })
        .only(since_2_6),
        Row::refused("`AUTH_FAILED,TEMP` again and again", |cell| {
            let setup = managed().client("connect-retry-max 2");
            let _server = cell.serve(&setup);
            let manager = cell.management();
            let client = cell.connect(&setup);
            let mut heard = 0;
            for _ in 0..2 {
                let login = next_login(&manager, heard);
                let who = login.who;
                manager.order(&format!(
                    "client-deny {who} \"busy\" \"TEMP[backoff 1]:come back later\""
                ));
                heard = login.heard;
            }
            cell.assert_refused(client, AUTHENTICATION, &["come back later"]);
        })
        .only(since_2_6),
    ]
}

fn orders() -> Vec<Row> {
    vec![
        Row::works("`HALT` by a manager", |cell| {
            let setup = Setup::new();
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            let manager = cell.management();
            manager.order("client-kill 0 \"HALT,closing time\"");
            cell.assert_refused(client, ENDED, &["closing time"]);
        }),
        Row::works("`RESTART` by a manager", |cell| {
            let setup = Setup::new();
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            let said = client.process.count_lines();
            let manager = cell.management();
            manager.order("client-kill 0 RESTART");
            client.wait_connected_after(said);
            cell.assert_passes(&client);
            cell.leave(client);
        }),
    ]
}

/// A manager decides on logins.
fn managed() -> Setup {
    Setup::new()
        .login("auth-user-pass right.txt")
        .server("verify-client-cert none\nmanagement-client-auth")
}

/// A login that waits for a decision.
struct Login {
    /// Client and key, as orders name them.
    who: String,
    password: String,
    /// So many lines the manager had when it had heard of it.
    heard: usize,
}

fn next_login(manager: &Management, skip: usize) -> Login {
    let who = manager
        .wait_for_from(skip, ">CLIENT:CONNECT,")
        .replace(',', " ");
    let password = manager.wait_for_from(skip, ">CLIENT:ENV,password=");
    manager.wait_for_from(skip, ">CLIENT:ENV,END");
    Login {
        who,
        password,
        heard: manager.count_lines(),
    }
}

fn temporarily(cell: &Cell<'_>) {
    let setup = managed();
    let _server = cell.serve(&setup);
    let manager = cell.management();
    let client = cell.connect(&setup);
    let first = next_login(&manager, 0);
    let denied = Instant::now();
    manager.order(&format!(
        "client-deny {} \"busy\" \"TEMP[backoff 2]:busy\"",
        first.who
    ));
    let second = next_login(&manager, first.heard);
    let waited = denied.elapsed().as_secs_f32();
    // Without a word of the server it would wait for one.
    assert!(waited > 1.9, "it waited for {waited} s");
    manager.order(&format!("client-auth-nt {}", second.who));
    client.wait_connected();
    cell.assert_passes(&client);
    cell.leave(client);
}

fn dynamic_challenge(cell: &Cell<'_>) {
    let setup = managed();
    let _server = cell.serve(&setup);
    let manager = cell.management();
    let client = cell.connect_on_terminal(&setup);
    let first = next_login(&manager, 0);
    let challenge = "CRV1:R,E:state-7:YWxpY2U=:Which colour?";
    manager.order(&format!(
        "client-deny {} \"asks\" \"{challenge}\"",
        first.who
    ));
    answer(&client, "Which colour?", "green");
    let second = next_login(&manager, first.heard);
    assert_eq!(second.password, "CRV1::state-7::green");
    manager.order(&format!("client-auth-nt {}", second.who));
    client.wait_connected();
    cell.assert_passes(&client);
    cell.leave(client);
}

/// The login is put off for something that the user has to do.
fn pending(
    cell: &Cell<'_>,
    extra: &str,
    user: impl FnOnce(&super::super::client::Client),
) -> Management {
    let setup = managed();
    let _server = cell.serve(&setup);
    let manager = cell.management();
    let client = cell.connect_on_terminal(&setup);
    let login = next_login(&manager, 0);
    if since_2_6(cell.release) {
        manager.order(&format!("client-pending-auth {} \"{extra}\" 30", login.who));
    } else {
        let (cid, _) = login.who.split_once(' ').expect("a client and a key");
        manager.order(&format!("client-pending-auth {cid} \"{extra}\""));
    }
    user(&client);
    if extra.starts_with("CR_TEXT") {
        manager.wait_for_from(login.heard, ">CLIENT:CR_RESPONSE,");
    }
    manager.order(&format!("client-auth-nt {}", login.who));
    client.wait_connected();
    cell.assert_passes(&client);
    cell.leave(client);
    manager
}
