//! What the tunnel needs of the host: addresses, routes, rules, DNS, the kill switch; put in force, followed, taken back.

pub mod applied;
pub mod desired;
pub mod dhcp_servers;
pub mod dns;
pub mod error;
pub mod foreground_record;
pub mod host_routes;
pub mod kill_switch;
pub mod link;
pub mod local;
pub mod monitor;
pub mod netcfg;
pub mod netlink;
pub mod next_hop;
pub mod outside;
pub mod reconcile;
pub mod record;
pub mod record_file;
pub mod requested_routes;
pub mod resolver;
pub mod route;
pub mod rule;

use std::net::IpAddr;
use std::path::PathBuf;

pub use error::NetError;
pub use local::{Local, LocalOptions, cleanup};
pub use netcfg::{Remote, RemoteDevice, SocketNeeds};
pub(crate) use netlink::{Kernel, Listener, Notice};
pub(crate) use outside::{Outside, find as outside_way};

pub use crate::systemd::unit::NetworkBy;
use openvpn_engine::netplan::NetPlan;

/// The TUN device that a plan is put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunDevice {
    /// The interface's name.
    pub name: String,
    /// The interface's index.
    pub index: u32,
}

/// Who sets up the network.
#[derive(Debug)]
pub enum Network {
    /// We ourselves.
    Local(Box<Local>),
    /// Nobody: addresses, routes and DNS are somebody else's business (`--network none`).
    Nobody,
    /// The stock netcfg service, which makes the device too (`--network netcfg`).
    Remote(Box<Remote>),
}

impl Network {
    /// We set up the network ourselves.
    #[must_use]
    pub fn local(options: LocalOptions) -> Self {
        Self::Local(Box::new(Local::new(options)))
    }

    /// The stock netcfg service sets up the network, called over `bus`, the process's one connection to the system bus.
    /// `name` is what it calls our device, `record` the file that says what to undo if this process dies.
    #[must_use]
    pub fn remote(bus: zbus::Connection, name: &str, record: Option<PathBuf>) -> Self {
        Self::Remote(Box::new(Remote::new(bus, name, record)))
    }

    /// Takes over what an earlier process with the same record left in force on this device, as it is: the way to a
    /// server can be protected, and the plan that is applied later changes what it must.
    ///
    /// # Errors
    ///
    /// The record cannot be read, or is that of another device.
    pub async fn adopt(&mut self, tun: TunDevice) -> Result<(), NetError> {
        match self {
            Self::Local(local) => local.adopt(tun).await,
            Self::Nobody | Self::Remote(_) => Ok(()),
        }
    }

    /// Puts a plan in force on a device that we made. What an earlier process with the same record left there is adopted
    /// or taken back.
    ///
    /// # Errors
    ///
    /// The step that failed; whatever was done before it has been taken back.
    pub async fn apply(&mut self, tun: TunDevice, plan: &NetPlan) -> Result<(), NetError> {
        match self {
            Self::Local(local) => local.apply(tun, plan).await,
            // It makes devices itself, see [`Remote::establish`].
            Self::Nobody | Self::Remote(_) => Ok(()),
        }
    }

    /// Makes another plan the one in force, with the fewest changes. A `protect`ed address that the plan does not name
    /// as a bypass loses its protection. The answer is a device that takes the place of the one before.
    ///
    /// # Errors
    ///
    /// The step that failed; what is in force then is a mixture, and [`Network::revert`] takes back all of it.
    pub async fn change(&mut self, plan: &NetPlan) -> Result<Option<RemoteDevice>, NetError> {
        match self {
            Self::Local(local) => local.change(plan).await.map(|()| None),
            Self::Nobody => Ok(None),
            Self::Remote(remote) => remote.change(plan).await,
        }
    }

    /// Keeps packets to `address` out of the tunnel while a plan is in force: the way to a server that is about to be
    /// tried. Does nothing without a plan, and nothing twice, where we set up the network ourselves. The answer is what
    /// is wanted of the sockets to the server.
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn protect(&mut self, address: IpAddr) -> Result<SocketNeeds, NetError> {
        match self {
            Self::Local(local) => local
                .protect(address)
                .await
                .map(|()| SocketNeeds::default()),
            Self::Nobody => Ok(SocketNeeds::default()),
            Self::Remote(remote) => remote.protect(address).await,
        }
    }

    /// Puts right what the world around has changed: ways outside of the tunnel that lead elsewhere by now, routes that
    /// somebody removed, DNS that a restarted resolver forgot.
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn refresh(&mut self) -> Result<(), NetError> {
        match self {
            Self::Local(local) => local.refresh().await,
            Self::Nobody => Ok(()),
            Self::Remote(remote) => remote.refresh().await,
        }
    }

    /// Takes everything back, in reverse order. Goes on after a failed step, and does nothing without a plan.
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn revert(&mut self) -> Result<(), NetError> {
        match self {
            Self::Local(local) => local.revert().await,
            Self::Nobody => Ok(()),
            Self::Remote(remote) => remote.revert().await,
        }
    }

    /// The last thing: has the service forget all that it has set up for this process. What we set up ourselves was
    /// reverted or goes with the device.
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn close(&mut self) -> Result<(), NetError> {
        match self {
            Self::Local(_) | Self::Nobody => Ok(()),
            Self::Remote(remote) => remote.close().await,
        }
    }
}

#[cfg(test)]
mod tests;
