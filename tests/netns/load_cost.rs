//! What carrying much costs: processor time beside the stock client's, and memory.

use std::fs::read_to_string;

use super::namespace::SERVER_V4;
use super::process::Process;
use super::scene::{self, Login, Program, Scene, Transport, Wrapping};
use super::skipped_connecting;
use super::traffic::{Direction, transfer};

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

#[test]
fn carrying_costs_no_more_than_with_the_stock_client() {
    if skipped_connecting(&[]) {
        return;
    }
    let scene = Scene::new();
    let _server = scene.serve(&scene::server(
        Transport::Udp,
        Wrapping::TlsCrypt,
        Login::Certificate,
    ));
    let mut spent = [[0_u64; 2]; 2];
    for _ in 0..2 {
        for (program, spent) in [Program::Ours, Program::Stock].into_iter().zip(&mut spent) {
            let client = scene.connect_by(program, &profile());
            client.wait_connected();
            for (direction, spent) in [Direction::Up, Direction::Down].into_iter().zip(spent) {
                let before = ticks(&client.process);
                transfer(&scene.world, direction, 1 << 27);
                *spent += ticks(&client.process) - before;
            }
            for name in ["VmRSS", "VmHWM", "RssAnon", "RssFile"] {
                println!("{name} {}", kibibytes(&client.process, name));
            }
            client.leave();
        }
    }
    println!("{spent:?}");
    let [ours, stock] = spent;
    for (ours, stock) in ours.into_iter().zip(stock) {
        assert!(ours <= stock);
    }
}
