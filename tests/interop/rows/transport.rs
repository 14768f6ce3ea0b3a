//! UDP and TCP over both families, and what moves underneath.

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use super::super::cell::{Cell, UNREACHABLE};
use super::super::client::Client;
use super::super::lines::PATIENCE;
use super::super::namespace::{CLIENT_V4, SERVER_V4};
use super::super::row::Row;
use super::super::setup::Setup;

pub(super) fn rows() -> Vec<Row> {
    vec![
        connects("UDP over IPv4", Setup::new()),
        connects("UDP over IPv6", Setup::new().over_v6()),
        connects("TCP over IPv4", Setup::new().tcp()),
        connects("TCP over IPv6", Setup::new().tcp().over_v6()),
        Row::works("`port-share` with a web server", shares_its_port).quirks(&[24]),
        Row::works(
            "reply from another address of the server, with `float`",
            answers_from_elsewhere,
        )
        .quirks(&[13]),
        Row::refused(
            "reply from another address of the server, without `float`",
            |cell| {
                with_second_address(cell, || {
                    let setup = Setup::new().to(SECOND);
                    cell.assert_refuses(&setup, UNREACHABLE, &["no answer"]);
                });
            },
        )
        .quirks(&[13]),
        Row::works("the client's address changes, UDP: on within 5 s", |cell| {
            moves(cell, &Setup::new());
        }),
        Row::works("the client's address changes, TCP: on within 5 s", |cell| {
            moves(cell, &Setup::new().tcp());
        }),
        Row::works(
            "two clients with one certificate, `duplicate-cn`",
            two_of_one_name,
        ),
    ]
}

/// A row whose trial is the plain one.
pub(super) fn connects(feature: &'static str, setup: Setup) -> Row {
    Row::works(feature, move |cell| {
        cell.assert_connects(&setup);
    })
}

fn shares_its_port(cell: &Cell<'_>) {
    let web = cell
        .world
        .server
        .inside(|| TcpListener::bind("127.0.0.1:8080").expect("the port is free"));
    let setup = Setup::new().tcp().server("port-share 127.0.0.1 8080");
    let mut server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    cell.assert_passes(&client);
    cell.leave(client);

    // What is no OpenVPN client lands at the web server.
    cell.world.client.inside(|| {
        use std::io::Write;
        let mut browser =
            std::net::TcpStream::connect((SERVER_V4, 1194)).expect("the server listens");
        browser
            .write_all(b"GET / HTTP/1.0\r\n\r\n")
            .expect("it takes requests");
        set_socket_timeout(&web, Timeout::Recv, Some(PATIENCE)).expect("a time-out can be set");
        let (mut asked, _) = web.accept().expect("the request is passed on");
        let mut begin = [0; 3];
        asked.read_exact(&mut begin).expect("there is a request");
        assert_eq!(&begin, b"GET");
    });
    // It has a child that passes requests on, and takes it along.
    server.signal(rustix::process::Signal::TERM);
    server.wait();
}

fn answers_from_elsewhere(cell: &Cell<'_>) {
    with_second_address(cell, || {
        cell.assert_connects(&Setup::new().to(SECOND).client("float"));
    });
}

/// The server listens on all addresses, also on a second one, and answers from the first of its interface.
fn with_second_address(cell: &Cell<'_>, work: impl FnOnce()) {
    let host = &cell.world.server;
    host.ip(&format!("addr add {SECOND}/24 dev cable"));
    work();
    host.ip(&format!("addr del {SECOND}/24 dev cable"));
}

const SECOND: &str = "10.77.0.9";

fn moves(cell: &Cell<'_>, setup: &Setup) {
    // On a busy machine it may take more than one move until one is over in time.
    const ADDRESSES: [&str; 5] = [
        CLIENT_V4,
        "10.77.0.3",
        "10.77.0.4",
        "10.77.0.5",
        "10.77.0.6",
    ];
    let _server = cell.serve(setup);
    let client = cell.connect(setup);
    client.wait_connected();
    cell.assert_passes(&client);

    let mut moves = ADDRESSES.windows(2).map(|pair| (pair[0], pair[1]));
    let in_time = moves.find(|(from, to)| {
        take_address(cell, from, to);
        is_on_in_time(cell, &client)
    });
    let Some((_, last)) = in_time else {
        panic!(
            "nothing passes 5 s after any move; the client said:\n{}",
            client.process.text()
        );
    };
    client.leave();

    take_address(cell, last, CLIENT_V4);
    cell.assert_as_before();
}

/// The client's host has another address from now on.
fn take_address(cell: &Cell<'_>, from: &str, to: &str) {
    let host = &cell.world.client;
    host.ip(&format!("addr del {from}/24 dev cable"));
    host.ip(&format!("addr add {to}/24 dev cable"));
    let _left_with_the_address = host.try_ip(&format!("route add default via {SERVER_V4}"));
}

/// Whether something passes five seconds after a move; waits until it does.
fn is_on_in_time(cell: &Cell<'_>, client: &Client) -> bool {
    let moved = Instant::now();
    let passes = || {
        let words = "-n -q -c 1 -W 1 -w 1 10.9.0.1";
        let mut ping = cell.world.client.command("ping");
        ping.args(words.split_whitespace())
            .output()
            .is_ok_and(|output| output.status.success())
    };
    let mut in_time = true;
    while !passes() {
        in_time &= moved.elapsed() < Duration::from_secs(5);
        assert!(
            moved.elapsed() < PATIENCE,
            "nothing passes after the move; the client said:\n{}",
            client.process.text()
        );
    }
    in_time
}

fn two_of_one_name(cell: &Cell<'_>) {
    let setup = Setup::new().server("duplicate-cn");
    let _server = cell.serve(&setup);
    let client = cell.connect(&setup);
    client.wait_connected();
    let second = cell.connect_another(&setup, "second");
    second.wait_connected();
    for one in [&client, &second] {
        one.process.assert_running();
        cell.ping(one, "10.9.0.1");
    }
    client.leave();
    second.leave();
    cell.assert_as_before();
}
