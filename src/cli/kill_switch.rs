//! `kill-switch up` and `kill-switch down`.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use rustix::thread::CapabilitySet;
use tracing::{error, info};

use crate::log;
use crate::network::kill_switch::{FOLDER, KillSwitch};
use crate::sys::owner::become_owner_of;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY};

/// What is done to the kill switch of an instance.
#[derive(Debug, Clone, Subcommand)]
pub enum KillSwitchCommand {
    /// Let nothing leave this machine but through the tunnel of an instance, until `down`.
    Up {
        /// The instance of the unit openvpn3-backend@.service.
        instance: String,
        /// The local network stays within reach.
        #[arg(long)]
        allow_lan: bool,
    },
    /// Let everything leave again.
    Down {
        /// The instance of the unit openvpn3-backend@.service.
        instance: String,
    },
}

/// Does it.
#[must_use]
pub fn main(command: &KillSwitchCommand) -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    match obey(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "the kill switch stays as it is");
            ExitCode::FAILURE
        }
    }
}

fn obey(command: &KillSwitchCommand) -> io::Result<()> {
    let (KillSwitchCommand::Up { instance, .. } | KillSwitchCommand::Down { instance }) = command;
    let instance = Instance::from_person(instance)
        .ok_or_else(|| io::Error::other("this cannot be the name of an instance"))?;
    become_owner_of(Path::new(RUNTIME_DIRECTORY), CapabilitySet::NET_ADMIN)?;
    let folder = Path::new(FOLDER);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let switch = KillSwitch::new(folder);
    match command {
        KillSwitchCommand::Up { allow_lan, .. } => {
            switch.up(instance.name(), *allow_lan)?;
            info!(instance = instance.name(), "the kill switch is up");
        }
        KillSwitchCommand::Down { .. } => {
            switch.down(instance.name())?;
            info!(instance = instance.name(), "the kill switch is down");
        }
    }
    Ok(())
}

const LOG_LEVEL: u32 = 3;
