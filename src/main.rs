//! One binary, `openvpn3-backend`: parses the command line and calls one room.

use std::process::ExitCode;

use clap::Parser;
use openvpn3_backend::service::cli::{self, Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => cli::check(args),
        Command::Connect(args) => cli::connect(args),
    }
}
