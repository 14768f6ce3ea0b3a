//! New keys while traffic flows.

use std::time::{Duration, Instant};

use super::super::namespace::World;
use super::super::process::Process;
use super::super::row::Row;
use super::super::setup::Setup;
use super::super::traffic::{Direction, stream};

pub(super) fn rows() -> Vec<Row> {
    vec![
        renews(
            "keys renewed by the server under traffic, UDP",
            Setup::new(),
            "reneg-sec 2",
            "reneg-sec 0",
        ),
        renews(
            "keys renewed by the client under traffic, UDP",
            Setup::new(),
            "reneg-sec 0",
            "reneg-sec 2",
        ),
        renews(
            "keys renewed by both under traffic, TCP",
            Setup::new().tcp(),
            "reneg-sec 2",
            "reneg-sec 2",
        ),
    ]
}

fn renews(feature: &'static str, setup: Setup, server_says: &str, client_says: &str) -> Row {
    let setup = setup.server(server_says).client(client_says);
    Row::works(feature, move |cell| {
        let server = cell.serve(&setup);
        let client = cell.connect(&setup);
        client.wait_connected();
        stream_until(cell.world, || {
            client.process.assert_running();
            negotiations(&server) >= 3
        });
        cell.assert_passes(&client);
        cell.leave(client);
    })
}

/// How many key negotiations the server has finished.
pub(super) fn negotiations(server: &Process) -> usize {
    server.count(is_negotiated)
}

/// Waits until the server has finished so many negotiations.
pub(super) fn wait_renewed(server: &Process, times: usize) {
    server.wait_for_times(times, "that keys are negotiated", is_negotiated);
}

fn is_negotiated(line: &str) -> bool {
    line.contains("Control Channel: TLS")
}

/// A stream down the tunnel, gently, until something is so.
pub(super) fn stream_until(world: &World, is_so: impl Fn() -> bool + Send + Sync) {
    let began = Instant::now();
    stream(world, Direction::Down, |_| {
        !is_so() && began.elapsed() < PATIENCE
    });
    assert!(is_so(), "it never happens");
}

/// How long a stream goes on at most.
const PATIENCE: Duration = Duration::from_secs(90);
