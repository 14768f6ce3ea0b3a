//! Steps on the network: how each is taken, and what it means for a session when one fails.

use std::io;
use std::net::IpAddr;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tracing::warn;

use crate::daemon::stored_device::{Making, Source, StoredDevice};
use crate::network::{NetError, Network, RemoteDevice, SocketNeeds, TunDevice};
use crate::tunnel::Tun;
use openvpn_engine::netplan::NetPlan;
use openvpn_engine::session::{AttemptId, ExitClass, Step};

/// A step on the network; they are taken one after the other.
pub(crate) enum NetworkTask {
    /// The connection is told that the path has changed, once the steps before are taken.
    Follow,
    /// Keep packets to the server of an attempt out of the tunnel.
    Protect(AttemptId, IpAddr),
    Refresh,
    Step(Step),
}

/// How a step on the network ended.
pub(crate) enum NetworkEnd {
    Applied(Result<Ready, NetworkFailure>),
    /// With another device, if it took one.
    Changed(Result<Option<Ready>, NetworkFailure>),
    Followed,
    Protected(AttemptId, Result<SocketNeeds, NetError>),
    Refreshed(Result<(), NetError>),
    Reverted(Result<(), NetError>),
}

/// A device with its plan in force.
pub(crate) struct Ready {
    pub(crate) tun: Tun,
    pub(crate) index: u32,
    /// Its object at netcfg, if that service made it.
    pub(crate) path: Option<String>,
}

/// Why a plan is not in force.
pub(crate) struct NetworkFailure {
    pub(crate) class: ExitClass,
    pub(crate) reason: String,
}

/// Takes a step. `making`: what becomes of devices that are made; `source`: what of.
pub(crate) async fn take(
    network: &mut Network,
    task: NetworkTask,
    making: Making,
    source: Source,
) -> NetworkEnd {
    match task {
        NetworkTask::Follow => NetworkEnd::Followed,
        NetworkTask::Protect(id, address) => {
            NetworkEnd::Protected(id, network.protect(address).await)
        }
        NetworkTask::Refresh => NetworkEnd::Refreshed(network.refresh().await),
        NetworkTask::Step(Step::Apply(plan)) => NetworkEnd::Applied(match network {
            Network::Remote(remote) => match remote.establish(&plan).await {
                Ok(device) => made_for_us(network, device).await,
                Err(error) => Err(failure(&error)),
            },
            Network::Local(_) | Network::Nobody => {
                let tun = StoredDevice::make(making, source, &plan.device);
                set_up(network, tun, &plan).await
            }
        }),
        NetworkTask::Step(Step::Change { to, .. }) => {
            NetworkEnd::Changed(match network.change(&to).await {
                Ok(None) => Ok(None),
                Ok(Some(device)) => made_for_us(network, device).await.map(Some),
                Err(error) => Err(failure(&error)),
            })
        }
        NetworkTask::Step(Step::Revert) => NetworkEnd::Reverted(network.revert().await),
    }
}

/// Puts the plan in force on the device. Without success there is no device.
async fn set_up(
    network: &mut Network,
    tun: io::Result<Tun>,
    plan: &NetPlan,
) -> Result<Ready, NetworkFailure> {
    let ready = ready(tun, None)?;
    let device = TunDevice {
        name: ready.tun.name().to_owned(),
        index: ready.index,
    };
    let applied = network.apply(device, plan).await;
    applied.map_err(|error| failure(&error))?;
    Ok(ready)
}

/// A device that the service made. If it is of no use it is taken back.
async fn made_for_us(network: &mut Network, device: RemoteDevice) -> Result<Ready, NetworkFailure> {
    let RemoteDevice { descriptor, path } = device;
    let ready = ready(Tun::from_fd(descriptor), Some(path));
    if ready.is_err() {
        if let Err(error) = network.revert().await {
            warn!(%error, "not everything could be taken back");
        }
    }
    ready
}

fn ready(tun: io::Result<Tun>, path: Option<String>) -> Result<Ready, NetworkFailure> {
    let tun = tun.map_err(|error| NetworkFailure {
        class: class(error.kind()),
        reason: error.to_string(),
    })?;
    let index = index_of(tun.name()).map_err(|error| NetworkFailure {
        class: ExitClass::NetworkSetupFailed,
        reason: format!("the device {} has vanished: {error}", tun.name()),
    })?;
    Ok(Ready { tun, index, path })
}

/// The index of an interface.
pub(crate) fn index_of(name: &str) -> io::Result<u32> {
    let socket = rustix::net::socket_with(
        AddressFamily::INET,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    Ok(name_to_index(&socket, name)?)
}

/// What an error means for the session.
fn failure(error: &NetError) -> NetworkFailure {
    NetworkFailure {
        class: class(error.kind()),
        reason: error.to_string(),
    }
}

fn class(kind: io::ErrorKind) -> ExitClass {
    if matches!(
        kind,
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotFound
    ) {
        ExitClass::PrivilegeMissing
    } else {
        ExitClass::NetworkSetupFailed
    }
}
