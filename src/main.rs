//! One binary, `openvpn3-backend`: parses the command line and calls one room.

use std::process::ExitCode;

use clap::Parser;
use openvpn3_backend::service::administrate::{self, Verb};
use openvpn3_backend::service::cli::{self, Cli, Command};
use openvpn3_backend::service::standalone::upkeep;
use openvpn3_backend::service::{backend, dns_helper, kill_switch, managed_unit, manual, starter};

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => cli::check(args),
        Command::Cleanup(args) => upkeep::cleanup(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Connect(args) => cli::connect(args),
        Command::Describe(args) => managed_unit::describe(&args),
        Command::DnsHelper => dns_helper::main(),
        Command::Disconnect(args) => administrate::one(&args, Verb::Disconnect),
        Command::Forget(args) => managed_unit::forget(&args),
        Command::List(args) => administrate::list(&args),
        Command::Pause(args) => administrate::one(&args, Verb::Pause),
        Command::Restart(args) => administrate::one(&args, Verb::Restart),
        Command::Resume(args) => administrate::one(&args, Verb::Resume),
        Command::Statistics(args) => administrate::one(&args, Verb::Statistics),
        Command::Status(args) => administrate::one(&args, Verb::Status),
        Command::KillSwitch(command) => kill_switch::command::main(&command),
        Command::Manual(args) => manual::manual(&args),
        Command::Prepare(args) => upkeep::prepare(&args),
        Command::Session(args) => backend::main(&args),
        Command::Starter(args) => starter::main(&args),
    }
}
