//! The network set up by ourselves: a plan on a TUN device through netlink.

use std::net::IpAddr;
use std::path::PathBuf;

use tracing::{debug, info, warn};

use super::applied::Applied;
use super::finder::{Find, Finder};
use super::kernel::Kernel;
use super::{NetError, TunDevice, wishes};
use crate::engine::netplan::NetPlan;

/// Where things are.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The file that says what to undo if this process dies; none: nothing is kept. Its folder must exist.
    pub record: Option<PathBuf>,
    /// The resolver's file.
    pub resolv_conf: PathBuf,
    /// Who is told about DNS.
    pub resolver: Resolver,
}

/// Who is told about DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolver {
    /// systemd-resolved if it runs or can be started over the system bus, else the file.
    #[default]
    Auto,
    /// The file, `resolv.conf`.
    File,
    /// Nobody.
    Nobody,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            record: None,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
            resolver: Resolver::Auto,
        }
    }
}

/// A network set up by ourselves.
#[derive(Debug)]
pub struct Local {
    options: LocalOptions,
    kernel: Option<Kernel>,
    applied: Option<Applied>,
}

impl Local {
    /// Nothing is in force yet.
    #[must_use]
    pub fn new(options: LocalOptions) -> Self {
        Self {
            options,
            kernel: None,
            applied: None,
        }
    }

    /// See [`super::Network::apply`].
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
            let kernel =
                Kernel::open().map_err(|error| NetError::new("open", "a netlink socket", error))?;
            self.kernel = Some(kernel);
        }
        let device = tun.name.clone();
        debug!(%device, options = ?self.options, "setting up the network");
        self.applied.get_or_insert_with(|| Applied::new(tun));
        match self.establish(plan, Find::New).await {
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

    /// See [`super::Network::change`].
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn change(&mut self, plan: &NetPlan) -> Result<(), NetError> {
        if let Some(applied) = &mut self.applied {
            applied.protected.clear();
        }
        self.establish(plan, Find::New).await
    }

    /// See [`super::Network::protect`].
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
        self.set_routes(Find::New).await
    }

    /// See [`super::Network::refresh`].
    ///
    /// # Errors
    ///
    /// The step that failed.
    pub async fn refresh(&mut self) -> Result<(), NetError> {
        let Some(applied) = &self.applied else {
            return Ok(());
        };
        let plan = applied.plan.clone();
        self.establish(&plan, Find::All).await
    }

    /// See [`super::Network::revert`].
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub async fn revert(&mut self) -> Result<(), NetError> {
        let (Some(mut applied), Some(kernel)) = (self.applied.take(), &self.kernel) else {
            return Ok(());
        };
        applied.take_back(kernel).await
    }

    async fn establish(&mut self, plan: &NetPlan, find: Find) -> Result<(), NetError> {
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        applied.plan = plan.clone();
        applied.set_link(kernel, plan).await?;
        applied.add_addresses(kernel, plan).await?;
        self.set_routes(find).await?;
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        if applied.drop_addresses(kernel, plan).await? {
            self.set_routes(Find::All).await?;
        }
        Ok(())
    }

    async fn set_routes(&mut self, find: Find) -> Result<(), NetError> {
        let (Some(applied), Some(kernel)) = (&mut self.applied, &self.kernel) else {
            return Ok(());
        };
        let plan = applied.plan.clone();
        let mut finder = Finder::new(kernel, applied, &plan, find);
        let mut wanted = Vec::new();
        for wish in wishes::of_plan(&plan, &applied.protected) {
            wanted.extend(finder.fulfil(wish).await?);
        }
        let seen = finder.into_seen().await?;
        applied.set_routes(kernel, wanted, seen.as_deref()).await
    }
}
