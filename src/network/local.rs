//! The network set up by ourselves: a plan on a TUN device, its DNS, and the record of both.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tracing::{debug, info, warn};

use crate::network::applied::{Applied, World};
use crate::network::desired::{Desired, own_table};
use crate::network::dns::{Dns, DnsInForce, Resolver};
use crate::network::host_routes::HostRoutes;
use crate::network::netcfg::record::RemoteRecord;
use crate::network::netlink::Kernel;
use crate::network::record::Record;
use crate::network::record_file::Recorded as _;
use crate::network::route::KernelRoute;
use crate::network::{NetError, TunDevice, link, reconcile};
use openvpn_engine::netplan::{DeviceAddress, NetPlan};

/// Where things are.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The file that says what to undo if this process dies; none: nothing is kept. Its folder must exist.
    pub record: Option<PathBuf>,
    /// The resolver's file.
    pub resolv_conf: PathBuf,
    /// Who is told about DNS.
    pub resolver: Resolver,
    /// The system bus, if there is a connection already; else one is made when it is needed.
    pub bus: Option<zbus::Connection>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            record: None,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            resolver: Resolver::Auto,
            bus: None,
        }
    }
}

/// A network set up by ourselves.
#[derive(Debug)]
pub struct Local {
    record: Option<PathBuf>,
    dns: Dns,
    host_routes: HostRoutes,
    kernel: Option<Kernel>,
    applied: Option<Applied>,
    /// What is in force is another process's work, by a plan that is not known.
    adopted: bool,
}

impl Local {
    /// Nothing is in force yet.
    #[must_use]
    pub fn new(options: LocalOptions) -> Self {
        Self {
            record: options.record,
            dns: Dns::new(options.resolver, options.resolv_conf, options.bus),
            host_routes: HostRoutes::default(),
            kernel: None,
            applied: None,
            adopted: false,
        }
    }

    /// See [`crate::network::Network::adopt`].
    ///
    /// # Errors
    ///
    /// The record cannot be read, or is that of another device.
    pub async fn adopt(&mut self, tun: TunDevice) -> Result<(), NetError> {
        self.kernel = Some(open()?);
        let name = tun.name.clone();
        if !self.take_over(tun).await? {
            self.applied = None;
            let error = io::Error::from(io::ErrorKind::NotFound);
            return Err(NetError::new("find what is in force on", name, error));
        }
        self.adopted = true;
        Ok(())
    }

    /// See [`crate::network::Network::apply`].
    ///
    /// # Errors
    ///
    /// The step that failed; whatever was done before it has been taken back.
    pub async fn apply(&mut self, tun: TunDevice, plan: &NetPlan) -> Result<(), NetError> {
        if self
            .applied
            .as_ref()
            .is_some_and(|applied| applied.tun != tun)
        {
            self.revert().await?;
        }
        if self.kernel.is_none() {
            self.kernel = Some(open()?);
        }
        let device = tun.name.clone();
        if self.applied.is_none() {
            self.take_over(tun).await?;
        }
        self.adopted = false;
        let plan = self.host_routes.looked_up(plan).await;
        match self.establish(&plan).await {
            Ok(()) => {
                info!(%device, "the network is set up");
                Ok(())
            }
            Err(error) => {
                if let Err(second) = self.revert().await {
                    warn!(error = %second, "not everything could be taken back");
                }
                Err(error)
            }
        }
    }

    /// See [`crate::network::Network::change`].
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn change(&mut self, plan: &NetPlan) -> Result<(), NetError> {
        let plan = self.host_routes.looked_up(plan).await;
        let Some(applied) = &mut self.applied else {
            return Ok(());
        };
        applied.protected.clear();
        self.establish(&plan).await
    }

    /// See [`crate::network::Network::protect`].
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn protect(&mut self, address: IpAddr) -> Result<(), NetError> {
        let Some(applied) = &mut self.applied else {
            return Ok(());
        };
        let address = address.to_canonical();
        if !applied.protected.contains(&address) {
            applied.protected.push(address);
        }
        self.reconcile(None).await
    }

    /// See [`crate::network::Network::refresh`].
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn refresh(&mut self) -> Result<(), NetError> {
        let Some(applied) = self.applied.as_ref().filter(|_| !self.adopted) else {
            return Ok(());
        };
        let plan = applied.plan.clone();
        self.establish(&plan).await
    }

    /// See [`crate::network::Network::revert`].
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn revert(&mut self) -> Result<(), NetError> {
        self.host_routes.forget();
        let (Some(mut applied), Some(kernel)) = (self.applied.take(), &self.kernel) else {
            return Ok(());
        };
        let names = self.dns.take_back().await;
        let rest = applied.take_back(kernel).await;
        names.and(rest)?;
        info!(device = %applied.tun.name, "the network is as before");
        self.forget()
    }

    /// Begins with nothing in force, or with what a process before us left on the same device. The answer is whether
    /// there was something.
    async fn take_over(&mut self, tun: TunDevice) -> Result<bool, NetError> {
        let left = match &self.record {
            Some(path) => load(path)?,
            None => None,
        };
        let Some(left) = left else {
            self.applied = Some(Applied::new(tun));
            return Ok(false);
        };
        if left.tun != tun {
            debug!(device = %left.tun.name, "taking back what an earlier process left");
            take_back(left, &mut self.dns).await?;
            self.applied = Some(Applied::new(tun));
            return Ok(false);
        }
        info!(device = %tun.name, "taking over what an earlier process set up");
        let mut applied = Applied::new(tun);
        applied.addresses = left.addresses;
        applied.routes = left
            .routes
            .into_iter()
            .map(|route| (route.key(), route))
            .collect();
        self.dns.adopt(left.dns.into_iter().next_back());
        self.applied = Some(applied);
        Ok(true)
    }

    async fn establish(&mut self, plan: &NetPlan) -> Result<(), NetError> {
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        applied.refuse_addresses_in_use(kernel, plan).await?;
        applied.want(plan);
        applied.set_link(kernel, plan).await?;
        let tun = applied.tun.clone();
        let names = self.dns.prepare(&tun, &plan.dns).await?;
        self.reconcile(names.as_ref()).await?;
        self.dns.put_in_force(names, &plan.dns).await?;
        self.save_or_go_on(None, &World::default(), &Desired::default())
    }

    /// Records what is coming. Without room for it, what is in force goes on where a record of the device is there: given
    /// up, all traffic would go outside. What is not in it is found by the device and its own table.
    fn save_or_go_on(
        &self,
        names: Option<&DnsInForce>,
        world: &World,
        coming: &Desired,
    ) -> Result<(), NetError> {
        let result = self.save(names, world, coming);
        let (Err(error), Some(path), Some(applied)) = (&result, &self.record, &self.applied) else {
            return result;
        };
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        let recorded = || load(path).is_ok_and(|it| it.is_some_and(|it| it.tun == applied.tun));
        if full && recorded() {
            warn!(%error, "the record of an earlier moment stays");
            return Ok(());
        }
        result
    }

    /// Makes what is desired what is there, and reads it back: the kernel takes some things along with others, and other
    /// programs act at the same time.
    async fn reconcile(&mut self, names: Option<&DnsInForce>) -> Result<(), NetError> {
        let stays = self.staying_outside().await;
        for _ in 0..MOST_ROUNDS {
            let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
                return Ok(());
            };
            let world = applied.observe(kernel).await?;
            let desired = if self.adopted {
                beside_adopted(applied, kernel, &world).await?
            } else {
                applied.desire(kernel, &world, &stays).await?
            };
            let changes = reconcile::reconcile(&desired, &world.ours);
            if changes.is_empty() {
                return Ok(());
            }
            self.save_or_go_on(names, &world, &desired)?;
            let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
                return Ok(());
            };
            applied.perform(kernel, &changes).await?;
        }
        let error = io::Error::new(
            io::ErrorKind::ResourceBusy,
            "another program changes them at the same time",
        );
        Err(NetError::new("put in force", "the routes", error))
    }

    /// The addresses that stay outside of the tunnel, the server's first.
    async fn staying_outside(&mut self) -> Vec<IpAddr> {
        let Some(applied) = &self.applied else {
            return Vec::new();
        };
        let (tunnel, plan) = (applied.tun.index, &applied.plan);
        let (dns, dhcp) = (plan.bypass_dns, plan.bypass_dhcp);
        let inside: Vec<IpAddr> = plan.dns.servers.iter().map(|it| it.address.ip()).collect();
        let named = plan.bypass.iter().chain(&applied.protected);
        let mut stays: Vec<IpAddr> = named.map(IpAddr::to_canonical).collect();
        if dns {
            let servers = self.dns.servers_outside(tunnel).await;
            stays.extend(servers.into_iter().filter(|it| !inside.contains(it)));
        }
        if dhcp {
            stays.extend(self.dns.dhcp_servers().await);
        }
        stays
    }

    /// Records what is in force and what is about to be, before the kernel is asked.
    fn save(
        &self,
        names: Option<&DnsInForce>,
        world: &World,
        coming: &Desired,
    ) -> Result<(), NetError> {
        let (Some(path), Some(applied)) = (&self.record, &self.applied) else {
            return Ok(());
        };
        let table = own_table(applied.tun.index);
        let mut routes: Vec<KernelRoute> = Vec::new();
        let mut keys = HashSet::new();
        let all = applied.routes.values().chain(&world.ours.routes);
        for route in all.chain(&coming.routes) {
            if route.table != table && keys.insert(route.key()) {
                routes.push(*route);
            }
        }
        let mut addresses = applied.addresses.clone();
        let missing = |it: &&DeviceAddress| !applied.addresses.contains(it);
        addresses.extend(coming.addresses.iter().filter(missing));
        let dns = self.dns.in_force().into_iter().chain(names);
        let record = Record {
            tun: applied.tun.clone(),
            addresses,
            routes,
            dns: dns.cloned().collect(),
        };
        record
            .save(path)
            .map_err(|error| NetError::new("write the record", path.display(), error))
    }

    fn forget(&self) -> Result<(), NetError> {
        self.record.as_deref().map_or(Ok(()), forget)
    }
}

/// All that was adopted, and routes to the protected addresses beside it.
async fn beside_adopted(
    applied: &mut Applied,
    kernel: &Kernel,
    world: &World,
) -> Result<Desired, NetError> {
    let protected = applied.protected.clone();
    let mut plan = applied.desire(kernel, world, &protected).await?;
    let hosts = std::mem::take(&mut plan.routes);
    plan.addresses.clone_from(&world.ours.addresses);
    plan.rules.clone_from(&world.ours.rules);
    let mut all = Vec::new();
    for rule in &world.ours.rules {
        let of_family = |route: &&KernelRoute| route.destination.addr().is_ipv6() == rule.v6;
        let table = rule.table;
        all.extend(
            hosts
                .iter()
                .filter(of_family)
                .map(|route| KernelRoute { table, ..*route }),
        );
    }
    all.extend(hosts.iter().chain(&world.ours.routes));
    plan.set_routes(all);
    Ok(plan)
}

/// Takes back what a process that died left in force, by the record that it kept. Says whether there was a record.
///
/// # Errors
///
/// The first step that failed; the record stays then.
pub async fn cleanup(record: &Path, bus: Option<zbus::Connection>) -> Result<bool, NetError> {
    let remote = RemoteRecord::load(record);
    let remote =
        remote.map_err(|error| NetError::new("read the record", record.display(), error))?;
    if let Some(remote) = remote {
        let taken_back = remote.take_back(bus).await;
        taken_back.map_err(|error| NetError::new("take back", "what netcfg did", error))?;
        forget(record)?;
        return Ok(true);
    }
    let Some(left) = load(record)? else {
        return Ok(false);
    };
    let mut dns = Dns::new(Resolver::Nobody, PathBuf::new(), bus);
    take_back(left, &mut dns).await?;
    forget(record)?;
    Ok(true)
}

async fn take_back(left: Record, dns: &mut Dns) -> Result<(), NetError> {
    let kernel = open()?;
    let found = link::read(&kernel, left.tun.index).await;
    let same_device = found.is_ok_and(|(name, _)| name == left.tun.name);
    let mut first_error = None;
    for names in left.dns.into_iter().rev() {
        if matches!(names, DnsInForce::Resolved(_)) && !same_device {
            continue;
        }
        dns.adopt(Some(names));
        if let Err(error) = dns.take_back().await {
            first_error.get_or_insert(error);
        }
    }
    let mut applied = Applied::new(left.tun);
    applied.routes = left
        .routes
        .into_iter()
        .map(|route| (route.key(), route))
        .collect();
    if same_device {
        applied.addresses = left.addresses;
    }
    if let Err(error) = applied.take_back(&kernel).await {
        first_error.get_or_insert(error);
    }
    first_error.map_or(Ok(()), Err)
}

fn open() -> Result<Kernel, NetError> {
    Kernel::open().map_err(|error| NetError::new("open", "a netlink socket", error))
}

fn load(path: &Path) -> Result<Option<Record>, NetError> {
    Record::load(path).map_err(|error| NetError::new("read the record", path.display(), error))
}

fn forget(path: &Path) -> Result<(), NetError> {
    Record::forget(path).map_err(|error| NetError::new("remove the record", path.display(), error))
}

/// So often the result is read back and put right; more means that another program fights for the same routes.
const MOST_ROUNDS: usize = 6;
