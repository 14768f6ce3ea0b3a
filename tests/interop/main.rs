//! Every feature with every release of the server: a table whose rows are features, whose columns are servers.
//!
//! `cargo test --test interop -- [WORD...] [--release R] [--jobs N] [--list] [--write-table]`: only rows that contain a
//! word, only one release, so many cells at once, only names, and the table written to the document. Without words and
//! releases the table must be the document's.
//!
//! Needs root, iproute2, `/dev/net/tun`, openvpn and openssl; the servers live in roots that mmdebstrap makes once.
//! What cannot run prints `skipped:` and why.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a test program"
)]

#[expect(dead_code, reason = "every test program uses its part of it")]
#[path = "../common/mod.rs"]
mod common;

mod arguments;
mod cell;
mod release;
mod row;
mod rows;
mod run;
mod setup;
mod table;

use std::process::ExitCode;

use arguments::Arguments;
use common::needs::obstacle;
use common::{client, lines, management, namespace, pki, process, state, traffic};

fn main() -> ExitCode {
    let arguments = Arguments::read();
    let rows = rows::all();
    if arguments.list {
        for row in &rows {
            println!("{}", row.title());
        }
        return ExitCode::SUCCESS;
    }
    let chosen: Vec<_> = rows.iter().filter(|row| arguments.chose(row)).collect();
    if chosen.is_empty() {
        return ExitCode::SUCCESS;
    }
    let tools = [
        "openvpn",
        "openssl",
        "ping",
        "ss",
        "mmdebstrap",
        "setsid",
        "nft",
    ];
    if let Some(why) = obstacle(&tools) {
        println!("skipped: {why}");
        return ExitCode::SUCCESS;
    }
    let releases = arguments.releases();
    for release in &releases {
        if let Err(why) = release.prepare() {
            println!("skipped: no root for {release}: {why}");
            return ExitCode::SUCCESS;
        }
    }
    let outcomes = run::all(&chosen, &releases, arguments.jobs);
    let table = table::Table::new(&chosen, &releases, &outcomes);
    println!("{table}");
    let mut fine = table.report_failures();
    if arguments.is_everything() && fine {
        fine = if arguments.write_table {
            table.write_table()
        } else {
            table.is_in_document()
        };
    }
    if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
