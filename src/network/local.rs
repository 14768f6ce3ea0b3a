//! The network set up by ourselves: a plan on a TUN device, its DNS, and the record of both.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tracing::{debug, info, warn};

use crate::network::applied::{Applied, Entry, Owner};
use crate::network::dns::{Dns, DnsInForce, Resolver};
use crate::network::host_routes::HostRoutes;
use crate::network::netcfg::record::RemoteRecord;
use crate::network::netlink::Kernel;
use crate::network::next_hops::{Find, Finder};
use crate::network::record::Record;
use crate::network::record_file::Recorded as _;
use crate::network::{NetError, TunDevice, link, requested_routes, route};
use openvpn_engine::netplan::Difference;
use openvpn_engine::netplan::NetPlan;

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
        if self.take_over(tun).await? == Find::New {
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
        let find = if self.applied.is_none() {
            self.take_over(tun).await?
        } else if self.adopted {
            Find::All
        } else {
            Find::New
        };
        self.adopted = false;
        let plan = self.host_routes.looked_up(plan).await;
        match self.establish(&plan, find).await {
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
        let find = match applied.plan.difference(&plan) {
            Difference::NetworkMonitor(changes) => {
                for change in changes {
                    debug!(?change, "the network changes");
                }
                Find::New
            }
            Difference::Rebuild => Find::All,
        };
        self.establish(&plan, find).await
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
        let wanted = if self.adopted {
            self.beside_adopted(address).await?
        } else {
            self.find(Find::New).await?
        };
        self.save(&wanted.entries, None)?;
        self.set_routes(wanted).await?;
        self.save(&[], None)
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
        self.establish(&plan, Find::All).await
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

    /// Begins with nothing in force, or with what a process before us left on the same device.
    async fn take_over(&mut self, tun: TunDevice) -> Result<Find, NetError> {
        let left = match &self.record {
            Some(path) => load(path)?,
            None => None,
        };
        let Some(left) = left else {
            self.applied = Some(Applied::new(tun));
            return Ok(Find::New);
        };
        if left.tun != tun {
            debug!(device = %left.tun.name, "taking back what an earlier process left");
            take_back(left, &mut self.dns).await?;
            self.applied = Some(Applied::new(tun));
            return Ok(Find::New);
        }
        info!(device = %tun.name, "taking over what an earlier process set up");
        let mut applied = Applied::new(tun);
        applied.addresses = left.addresses;
        applied.routes = left.routes.into_iter().map(Entry::left_over).collect();
        self.dns.adopt(left.dns.into_iter().next_back());
        self.applied = Some(applied);
        Ok(Find::All)
    }

    async fn establish(&mut self, plan: &NetPlan, find: Find) -> Result<(), NetError> {
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        applied.plan = plan.clone();
        applied.set_link(kernel, plan).await?;
        if find == Find::All {
            applied.keep_present_addresses(kernel).await?;
        }
        applied.add_addresses(kernel, plan).await?;
        let tun = applied.tun.clone();
        let wanted = self.find(find).await?;
        let names = self.dns.prepare(&tun, &plan.dns).await?;
        self.save(&wanted.entries, names.as_ref())?;
        self.set_routes(wanted).await?;
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        if applied.drop_addresses(kernel, plan).await? {
            let wanted = self.find(Find::All).await?;
            self.set_routes(wanted).await?;
        }
        self.dns.put_in_force(names, &plan.dns).await?;
        self.save(&[], None)
    }

    async fn find(&mut self, find: Find) -> Result<Wanted, NetError> {
        let mut wanted = Wanted::default();
        let stays = self.staying_outside().await;
        let (Some(applied), Some(kernel)) = (&self.applied, &self.kernel) else {
            return Ok(wanted);
        };
        let mut finder = Finder::new(kernel, applied, find);
        for wish in requested_routes::of_plan(&applied.plan, &stays) {
            wanted.entries.extend(finder.fulfil(wish).await?);
        }
        wanted.seen = finder.into_seen().await?;
        Ok(wanted)
    }

    /// The addresses that stay outside of the tunnel, beside those that the plan names.
    async fn staying_outside(&mut self) -> Vec<IpAddr> {
        let Some(applied) = &self.applied else {
            return Vec::new();
        };
        let (tunnel, plan) = (applied.tun.index, &applied.plan);
        let (dns, dhcp) = (plan.bypass_dns, plan.bypass_dhcp);
        let inside: Vec<IpAddr> = plan.dns.servers.iter().map(|it| it.address.ip()).collect();
        let mut stays = applied.protected.clone();
        if dns {
            let servers = self.dns.servers_outside(tunnel).await;
            stays.extend(servers.into_iter().filter(|it| !inside.contains(it)));
        }
        if dhcp {
            stays.extend(self.dns.dhcp_servers().await);
        }
        stays
    }

    /// All routes that were adopted, and one to the address.
    async fn beside_adopted(&self, address: IpAddr) -> Result<Wanted, NetError> {
        let mut wanted = Wanted::default();
        let (Some(applied), Some(kernel)) = (&self.applied, &self.kernel) else {
            return Ok(wanted);
        };
        wanted.entries.clone_from(&applied.routes);
        let mut finder = Finder::new(kernel, applied, Find::New);
        wanted.entries.extend(
            finder
                .fulfil(requested_routes::RouteWish::Bypass(address))
                .await?,
        );
        Ok(wanted)
    }

    async fn set_routes(&mut self, wanted: Wanted) -> Result<(), NetError> {
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        applied
            .set_routes(kernel, wanted.entries, wanted.seen.as_deref())
            .await
    }

    /// Records what is in force and what is about to be.
    fn save(&self, coming: &[Entry], names: Option<&DnsInForce>) -> Result<(), NetError> {
        let (Some(path), Some(applied)) = (&self.record, &self.applied) else {
            return Ok(());
        };
        let mut routes: Vec<_> = applied
            .routes
            .iter()
            .chain(coming)
            .filter(|entry| entry.owner == Owner::Us)
            .map(|entry| entry.route)
            .collect();
        routes.dedup();
        let record = Record {
            tun: applied.tun.clone(),
            addresses: applied.addresses.clone(),
            routes,
            dns: self
                .dns
                .in_force()
                .into_iter()
                .chain(names)
                .cloned()
                .collect(),
        };
        record
            .save(path)
            .map_err(|error| NetError::new("write the record", path.display(), error))
    }

    fn forget(&self) -> Result<(), NetError> {
        self.record.as_deref().map_or(Ok(()), forget)
    }
}

/// Routes to set, and the routes there are if all of them were looked at.
#[derive(Debug, Default)]
struct Wanted {
    entries: Vec<Entry>,
    seen: Option<Vec<route::SeenRoute>>,
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
    applied.routes = left.routes.into_iter().map(Entry::left_over).collect();
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
