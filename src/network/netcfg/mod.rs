//! The network set up by the stock netcfg service: a plan on a device of its making, and the sockets kept out of it.

pub mod plan;
pub mod record;
pub mod service;

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use socket2::{Domain, Socket, Type};
use tracing::{debug, info, warn};
use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, Value};

use crate::bus::names;
use crate::network::NetError;
use crate::network::host_routes::HostRoutes;
use crate::network::netcfg::plan::{Address, Dns, RemotePlan};
use crate::network::netcfg::record::{RemoteRecord, host_routes};
use crate::network::netcfg::service::{Device, Manager, Network};
use crate::network::record::Record;
use crate::network::record_file::Recorded as _;
use crate::network::route::KernelRoute;
use openvpn_engine::netplan::NetPlan;

/// A network set up by the service.
#[derive(Debug)]
pub struct Remote {
    manager: Manager,
    name: String,
    device: Option<Device>,
    plan: NetPlan,
    /// The address that packets stay out of the tunnel to.
    server: Option<IpAddr>,
    host_routes: HostRoutes,
    used: bool,
    record: Option<PathBuf>,
    /// What the record says.
    in_force: RemoteRecord,
}

/// A device that the service has made, with its plan in force.
#[derive(Debug)]
pub struct RemoteDevice {
    /// The open device, without a header in front of its packets.
    pub descriptor: OwnedFd,
    /// The object's path.
    pub path: String,
}

/// What the service wants of every socket to the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketNeeds {
    /// The interface to bind to.
    pub device: Option<String>,
    /// The firewall mark.
    pub mark: Option<u32>,
}

impl Remote {
    /// Nothing is in force yet. `name` is what the service calls our device: the session's token, if there is one.
    /// `record` is the file that says what to undo if this process dies; none: nothing is kept. Its folder must exist.
    #[must_use]
    pub fn new(connection: Connection, name: &str, record: Option<PathBuf>) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        Self {
            manager: Manager::new(connection),
            name: name.chars().map(plain).collect(),
            device: None,
            plan: NetPlan::default(),
            server: None,
            host_routes: HostRoutes::default(),
            used: false,
            record,
            in_force: RemoteRecord::default(),
        }
    }

    /// Keeps packets to `address` out of the tunnel, in place of the address before. To be done before each attempt,
    /// whether or not there is a device yet.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there: a connection would not survive the set-up of the tunnel.
    pub async fn protect(&mut self, address: IpAddr) -> Result<SocketNeeds, NetError> {
        let address = address.to_canonical();
        self.used = true;
        let before = self.host_routes(address).await;
        let needs = self.protect_socket(address).await;
        let needs = needs.map_err(|error| NetError::new("protect the route to", address, error))?;
        self.server = Some(address);
        let mut after = self.host_routes(address).await;
        // The service replaces the route that it made before.
        let made_before = &self.in_force.bypasses;
        after.retain(|route| !before.contains(route) || made_before.contains(route));
        self.in_force.bypasses = after;
        self.save();
        Ok(needs)
    }

    async fn host_routes(&self, address: IpAddr) -> Vec<KernelRoute> {
        if self.record.is_none() {
            return Vec::new();
        }
        host_routes(address).await.unwrap_or_else(|error| {
            debug!(%error, "the routes cannot be listed");
            Vec::new()
        })
    }

    fn save(&self) {
        let Some(path) = &self.record else { return };
        if let Err(error) = self.in_force.save(path) {
            warn!(%error, "what is in force cannot be recorded");
        }
    }

    /// Makes a device with the plan in force. One that was there before is destroyed.
    ///
    /// # Errors
    ///
    /// The step that failed; there is no device then.
    pub async fn establish(&mut self, plan: &NetPlan) -> Result<RemoteDevice, NetError> {
        self.revert().await?;
        self.used = true;
        let device = self
            .create()
            .await
            .map_err(|error| NetError::new("create the device", &self.name, error))?;
        self.device = Some(device.clone());
        self.in_force.device = Some(device.path().to_owned());
        self.save();
        let looked_up = self.host_routes.looked_up(plan).await;
        match self.tell(&device, &looked_up).await {
            Ok(descriptor) => {
                self.plan = plan.clone();
                info!(object = device.path(), "netcfg has set up the network");
                Ok(RemoteDevice {
                    descriptor,
                    path: device.path().to_owned(),
                })
            }
            Err(error) => {
                if let Err(second) = self.revert().await {
                    warn!(error = %second, "not everything could be taken back");
                }
                Err(error)
            }
        }
    }

    /// Whether another plan needs another device: all of it is said before a device is made, and nothing after that.
    #[must_use]
    pub fn needs_new_device(&self, plan: &NetPlan) -> bool {
        let same_but_bypass = NetPlan {
            bypass: plan.bypass.clone(),
            ..self.plan.clone()
        };
        self.device.is_none() || same_but_bypass != *plan
    }

    /// Makes another plan the one in force; the answer is the new device if it takes one. The old one must have been
    /// closed, or the new one gets another name.
    ///
    /// # Errors
    ///
    /// The step that failed; there is no device then.
    pub async fn change(&mut self, plan: &NetPlan) -> Result<Option<RemoteDevice>, NetError> {
        if self.needs_new_device(plan) {
            return self.establish(plan).await.map(Some);
        }
        self.plan.clone_from(plan);
        Ok(None)
    }

    /// Has the way to the server found again.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn refresh(&mut self) -> Result<(), NetError> {
        match self.server {
            Some(server) => self.protect(server).await.map(drop),
            None => Ok(()),
        }
    }

    /// Takes the device back, if there is one; the server stays protected.
    ///
    /// # Errors
    ///
    /// The service refuses, or is not there.
    pub async fn revert(&mut self) -> Result<(), NetError> {
        let Some(device) = self.device.take() else {
            return Ok(());
        };
        match device.tell("Destroy", &()).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                debug!(%error, "netcfg knows nothing of the device any more");
                Ok(())
            }
            outcome => {
                outcome.map_err(|error| NetError::new("destroy the device", device.path(), error))
            }
        }
    }

    /// Takes everything back that this process had set up.
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn close(&mut self) -> Result<(), NetError> {
        let reverted = self.revert().await;
        if !std::mem::take(&mut self.used) {
            return reverted;
        }
        self.server = None;
        let cleaned = self.manager.cleanup().await;
        reverted?;
        cleaned.map_err(|error| NetError::new("clean up with", names::NETCFG, error))?;
        match &self.record {
            Some(path) => Record::forget(path)
                .map_err(|error| NetError::new("remove the record", path.display(), error)),
            None => Ok(()),
        }
    }

    /// The service sets mark and interface on the socket it is given. A socket that is never connected shows which
    /// ones, for all that follow: those of proxies too.
    async fn protect_socket(&self, address: IpAddr) -> io::Result<SocketNeeds> {
        let domain = match address {
            IpAddr::V4(_) => Domain::IPV4,
            IpAddr::V6(_) => Domain::IPV6,
        };
        let socket = Socket::new(domain, Type::DGRAM.cloexec(), None)?;
        let handed_over = socket.try_clone()?.into();
        self.manager
            .protect_socket(address, self.device.as_ref(), handed_over)
            .await?;
        let device = socket.device()?;
        Ok(SocketNeeds {
            device: device.and_then(|name| String::from_utf8(name).ok()),
            mark: Some(socket.mark()?).filter(|mark| *mark != 0),
        })
    }

    /// Makes the object. Calls of other processes may get in between within the service: the path tells whose it is.
    async fn create(&self) -> io::Result<Device> {
        let own = format!(
            "{}/{}_{}",
            names::NETCFG_PATH,
            std::process::id(),
            self.name
        );
        let mut tries = 0;
        loop {
            tries += 1;
            let error = match self.manager.create(&self.name).await {
                Ok(device) if device.path() == own => return Ok(device),
                Ok(device) => io::Error::other(format!("{} is not ours", device.path())),
                Err(error) => error,
            };
            if tries == TRIES || error.kind() == io::ErrorKind::PermissionDenied {
                return Err(error);
            }
            debug!(%error, "once more");
            // One that is left from before would stand in the way.
            let left = OwnedObjectPath::try_from(own.as_str()).map_err(io::Error::other)?;
            if let Err(error) = self.manager.device(left).tell("Destroy", &()).await {
                debug!(%error, "nothing was left");
            }
        }
    }

    /// Says the plan in the order of the stock client, and has the device made.
    async fn tell(&self, device: &Device, plan: &NetPlan) -> Result<OwnedFd, NetError> {
        let told = RemotePlan::of(plan);
        for address in &told.addresses {
            add_address(device, address).await?;
        }
        for (on, property) in [
            (told.reroute_ipv4, "reroute_ipv4"),
            (told.reroute_ipv6, "reroute_ipv6"),
        ] {
            if on {
                set(device, property, Value::Bool(true)).await?;
            }
        }
        if let Some(dns) = &told.dns {
            add_dns(device, dns).await?;
        }
        self.set_server(device, plan).await?;
        set_link(device, &told).await?;
        if !told.networks.is_empty() {
            add_networks(device, &told.networks).await?;
        }
        device
            .establish()
            .await
            .map_err(|error| NetError::new("establish", device.path(), error))
    }

    async fn set_server(&self, device: &Device, plan: &NetPlan) -> Result<(), NetError> {
        let server = self.server.or_else(|| plan.bypass.first().copied());
        let server = server.ok_or_else(|| {
            let error = io::Error::other("the server's address is not known");
            NetError::new("set up", device.path(), error)
        })?;
        device
            .tell("SetRemoteAddress", &(server.to_string(), server.is_ipv6()))
            .await
            .map_err(|error| NetError::new("set the server", server, error))
    }
}

async fn set_link(device: &Device, told: &RemotePlan) -> Result<(), NetError> {
    set(device, "layer", Value::U32(LAYER_TUN)).await?;
    if let Some(mtu) = told.mtu {
        set(device, "mtu", Value::U16(mtu)).await?;
    }
    if let Some(length) = told.queue_length {
        set(device, "txqueuelen", Value::U16(length)).await?;
    }
    Ok(())
}

async fn add_networks(device: &Device, networks: &[Network]) -> Result<(), NetError> {
    let form = device
        .networks_form()
        .await
        .map_err(|error| NetError::new("find out", "how routes are added", error))?;
    device
        .add_networks(networks, form)
        .await
        .map_err(|error| NetError::new("add", "the routes", error))
}

async fn add_address(device: &Device, address: &Address) -> Result<(), NetError> {
    let Address { network, gateway } = address;
    let ip = network.addr();
    let arguments = (
        ip.to_string(),
        u32::from(network.prefix_len()),
        gateway.to_string(),
        ip.is_ipv6(),
    );
    let added = device.tell("AddIPAddress", &arguments).await;
    added.map_err(|error| NetError::new("add the address", network, error))
}

async fn add_dns(device: &Device, dns: &Dns) -> Result<(), NetError> {
    let scope = device.set("dns_scope", Value::from(dns.scope)).await;
    if let Err(error) = scope {
        warn!(%error, scope = dns.scope, "netcfg has no DNS scope");
    }
    for (member, mode) in [
        ("SetDNSSEC", dns.dnssec),
        ("SetDNSTransport", dns.transport),
    ] {
        let Some(mode) = mode else { continue };
        if let Err(error) = device.tell(member, &mode).await {
            warn!(%error, mode, "{member} is refused");
        }
    }
    for (member, list) in [("AddDNSSearch", &dns.domains), ("AddDNS", &dns.servers)] {
        if !list.is_empty() {
            let added = device.tell(member, &(list,)).await;
            added.map_err(|error| NetError::new("set up DNS with", member, error))?;
        }
    }
    Ok(())
}

async fn set(device: &Device, property: &'static str, value: Value<'_>) -> Result<(), NetError> {
    let set = device.set(property, value).await;
    set.map_err(|error| NetError::new("set the device's", property, error))
}

const LAYER_TUN: u32 = 3;
const TRIES: u32 = 3;

#[cfg(test)]
mod tests;
