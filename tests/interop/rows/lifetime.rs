//! How sessions end, and how they survive.

use std::time::Duration;

use rustix::process::Signal;

use super::super::cell::{Cell, ENDED, UNREACHABLE};
use super::super::namespace::SERVER_V6;
use super::super::row::Row;
use super::super::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        survives("the server restarts, UDP", Setup::new(), Signal::TERM),
        survives("the server restarts, TCP", Setup::new().tcp(), Signal::TERM),
        survives(
            "the server dies in silence, UDP",
            Setup::new().keepalive("keepalive 1 3"),
            Signal::KILL,
        )
        .quirks(&[45]),
        survives(
            "the server dies in silence, TCP",
            Setup::new().tcp().keepalive("keepalive 1 3"),
            Signal::KILL,
        ),
        Row::works("`RESTART,[N]` leads to the next remote", leads_on).quirks(&[35]),
        ends(
            "`ping-exit` pushed, the server dies",
            Setup::new().keepalive("").server("push \"ping-exit 3\""),
            UNREACHABLE,
        ),
        ends(
            "`inactive` pushed",
            Setup::new().server("push \"inactive 2\""),
            ENDED,
        ),
        ends(
            "`session-timeout` pushed",
            Setup::new().server("push \"session-timeout 2\""),
            ENDED,
        ),
        Row::works("the client sends an exit notification, UDP", |cell| {
            says_goodbye(cell, &Setup::new());
        }),
        Row::works("the client sends an exit notification, TCP", |cell| {
            says_goodbye(cell, &Setup::new().tcp());
        }),
        Row::works("an idle tunnel is kept by pings", |cell| {
            let setup = Setup::new().keepalive("keepalive 1 7");
            let _server = cell.serve(&setup);
            let client = cell.connect(&setup);
            client.wait_connected();
            // That nothing happens for a while is the event.
            std::thread::sleep(Duration::from_secs(9));
            let text = client.process.text();
            assert!(!text.contains("the attempt ended"), "{text}");
            cell.assert_passes(&client);
            cell.leave(client);
        }),
    ]
}

fn survives(feature: &'static str, setup: Setup, end: Signal) -> Row {
    Row::works(feature, move |cell| {
        let mut server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        let said = client.process.count_lines();
        server.signal(end);
        server.wait();
        let _next = cell.serve(&setup);
        client.wait_connected_after(said);
        cell.assert_passes(&client);
        cell.leave(client);
    })
}

fn leads_on(cell: &Cell<'_>) {
    let setup = Setup::new()
        .exit_notify(2)
        .client(&format!("remote {SERVER_V6} 1194 udp6"));
    let mut server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    let said = client.process.count_lines();
    server.signal(Signal::TERM);
    server.wait();
    let _next = cell.serve(&setup);
    let connected = client.wait_connected_after(said);
    let text = client.process.text();
    assert!(connected.contains(SERVER_V6), "{text}");
    // Before 2.6 it may be the server that is about to end that let it in.
    client.leave();
    cell.assert_as_before();
}

/// The session ends by itself with this status; a dead server is silent.
fn ends(feature: &'static str, setup: Setup, status: u8) -> Row {
    Row::works(feature, move |cell| {
        let server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        if status == UNREACHABLE {
            server.signal(Signal::KILL);
        }
        let words = ["inactive", "limit", "nothing was heard"];
        cell.assert_refused(client, status, &words);
    })
}

/// The server knows by a word that the client has left.
fn says_goodbye(cell: &Cell<'_>, setup: &Setup) {
    let server = cell.serve(setup);
    let client = cell.connect(setup);
    client.wait_connected();
    cell.leave(client);
    // A server of 2.6 that is told by the control channel lets the client go after five seconds.
    server.wait_for("that the client has left", |line| {
        ["remote-exit", "delayed-exit", "connection-reset"]
            .iter()
            .any(|word| line.contains(word))
    });
}
