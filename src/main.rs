//! One binary, `openvpn3-backend`: parses the command line and calls one room.

mod bus;
mod cli;
mod control;
mod daemon;
mod log;
mod network;
mod openvpn3;
mod sys;
mod systemd;
#[cfg(test)]
mod testing;
mod tunnel;

use std::process::ExitCode;

use clap::Parser;

use self::cli::sessions::{self, Verb};
use self::cli::{Cli, Command, kill_switch, manual};
use self::daemon::managed::unit;
use self::daemon::standalone::exec_steps;
use self::daemon::{managed, starter};
use self::network::dns;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Check(args) => cli::check(args),
        Command::Cleanup(args) => exec_steps::cleanup(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Connect(args) => cli::connect(args),
        Command::Describe(args) => unit::describe(&args),
        Command::DnsHelper => dns::helper::main(),
        Command::Disconnect(args) => sessions::tell(&args, Verb::Disconnect),
        Command::Forget(args) => unit::forget(&args),
        Command::KillSwitch(command) => kill_switch::main(&command),
        Command::List(args) => sessions::list(&args),
        Command::Login(args) => cli::login::main(&args),
        Command::Manual(args) => manual::manual(&args),
        #[cfg(feature = "benchmark")]
        Command::Mirror(args) => cli::mirror::main(&args),
        Command::Pause(args) => sessions::tell(&args, Verb::Pause),
        Command::Prepare(args) => exec_steps::prepare(&args),
        Command::Restart(args) => sessions::tell(&args, Verb::Restart),
        Command::Resume(args) => sessions::tell(&args, Verb::Resume),
        Command::Session(args) => managed::main(&args),
        Command::Starter(args) => starter::main(&args),
        Command::Statistics(args) => sessions::statistics(&args),
        Command::Status(args) => sessions::status(&args),
    }
}
