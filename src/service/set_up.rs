//! A plan put in force on its device, and what it means for a session when that fails.

use std::io;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::netcfg::{NetError, Network, TunDevice};
use super::tunnel::Tun;
use crate::engine::netplan::NetPlan;
use crate::engine::session::ended::EndClass;

/// Why a plan is not in force.
pub(super) struct NetworkFailure {
    pub(super) class: EndClass,
    pub(super) reason: String,
}

/// Puts the plan in force on the device. Without success there is no device.
pub(super) async fn set_up(
    network: &mut Network,
    tun: io::Result<Tun>,
    plan: &NetPlan,
) -> Result<(Tun, u32), NetworkFailure> {
    let tun = tun.map_err(|error| NetworkFailure {
        class: class(error.kind()),
        reason: error.to_string(),
    })?;
    let index = index_of(tun.name()).map_err(|error| NetworkFailure {
        class: EndClass::NetworkSetupFailed,
        reason: format!("the device {} has vanished: {error}", tun.name()),
    })?;
    let device = TunDevice {
        name: tun.name().to_owned(),
        index,
    };
    let applied = network.apply(device, plan).await;
    applied.map_err(|error| failure(&error))?;
    Ok((tun, index))
}

/// The index of an interface.
pub(super) fn index_of(name: &str) -> io::Result<u32> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(name_to_index(&socket, name)?)
}

/// What an error means for the session.
pub(super) fn failure(error: &NetError) -> NetworkFailure {
    NetworkFailure {
        class: class(error.kind()),
        reason: error.to_string(),
    }
}

fn class(kind: io::ErrorKind) -> EndClass {
    if matches!(
        kind,
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    ) {
        EndClass::PrivilegeMissing
    } else {
        EndClass::NetworkSetupFailed
    }
}
