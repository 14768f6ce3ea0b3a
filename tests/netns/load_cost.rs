//! What carrying much costs: processor time beside the stock client's, and memory.

use std::fs::read_to_string;

use super::namespace::SERVER_V4;
use super::process::Process;
use super::scene::{self, Login, Program, Scene, Transport, Wrapping};
use super::skipped_connecting;
use super::traffic::{Direction, eight_transfers, transfer};

/// Processor time so far, of the user and of the system, in the kernel's ticks.
fn ticks(process: &Process) -> u64 {
    let stat = read_to_string(format!("/proc/{}/stat", process.id())).expect("it runs");
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let number = |field: usize| -> u64 {
        let field = fields.split_whitespace().nth(field);
        field
            .and_then(|field| field.parse().ok())
            .expect("a number")
    };
    number(11) + number(12)
}

/// A figure of the memory in KiB.
pub(super) fn kibibytes(process: &Process, name: &str) -> u64 {
    let status = read_to_string(format!("/proc/{}/status", process.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(name));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number
        .and_then(|number| number.parse().ok())
        .expect("the kernel tells it")
}

fn profile() -> String {
    scene::profile(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
        SERVER_V4,
    )
}

/// Says that a test of what a user's build costs is skipped, if it must be.
fn skipped_measuring() -> bool {
    if Program::optimized_path().is_none() {
        println!(
            "skipped: OPENVPN3_BACKEND_OPTIMIZED names no optimized build, as tests/run makes one"
        );
        return true;
    }
    skipped_connecting(&[])
}

#[test]
fn carrying_costs_no_more_processor_time_than_with_the_stock_client() {
    if skipped_measuring() {
        return;
    }
    let scene = Scene::new();
    let server = scene::server(Transport::Udp, Wrapping::TlsCrypt, Login::Certificate);
    let _server = scene.serve(&server);
    let mut spent = [[0_u64; 2]; 2];
    // In turns: what else the machine does meets both, and the more often, the more alike.
    for round in 1..=MOST_ROUNDS {
        let programs = [Program::Optimized, Program::Stock];
        for (program, spent) in programs.into_iter().zip(&mut spent) {
            let client = scene.connect_by(program, &profile());
            client.wait_connected();
            for (direction, spent) in [Direction::Up, Direction::Down].into_iter().zip(spent) {
                let before = ticks(&client.process);
                transfer(&scene.world, direction, 1 << 26);
                *spent += ticks(&client.process) - before;
            }
            client.leave();
        }
        let [ours, stock] = spent;
        if round >= FEWEST_ROUNDS && ours[0] <= stock[0] && ours[1] <= stock[1] {
            println!("ticks up and down of ours and of the stock client: {spent:?}");
            return;
        }
    }
    panic!("{spent:?} in {MOST_ROUNDS} rounds");
}

/// So often at least, and more often if it is not yet so.
const FEWEST_ROUNDS: u32 = 2;
/// It will not be so any more.
const MOST_ROUNDS: u32 = 12;

#[test]
fn a_connected_session_that_carried_much_stays_below_15_megabytes() {
    if skipped_measuring() {
        return;
    }
    for transport in [Transport::Udp, Transport::Tcp] {
        let scene = Scene::new();
        let _server = scene.serve(&scene::server(
            transport,
            Wrapping::TlsCrypt,
            Login::Certificate,
        ));
        let profile = scene::profile(transport, Wrapping::TlsCrypt, Login::Certificate, SERVER_V4);
        let client = scene.connect_by(Program::Optimized, &profile);
        client.wait_connected();

        eight_transfers(&scene.world, 1 << 22);

        let [all, own] = ["VmRSS", "RssAnon"].map(|name| kibibytes(&client.process, name));
        println!("{transport:?}: {all} KiB, {own} of them its own");
        assert!(all < 15_000_000 / 1024, "{all} KiB");
        client.leave();
    }
}
