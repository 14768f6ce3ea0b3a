//! `Applied`: a plan in force on a device, and how to change it or take it back.

use std::io;
use std::net::IpAddr;

use tracing::{debug, warn};

use crate::network::link::LinkSettings;
use crate::network::netlink::Kernel;
use crate::network::requested_routes::RouteWish;
use crate::network::route::{KernelRoute, SeenRoute, Target};
use crate::network::{NetError, TunDevice, link, route};
use openvpn_engine::netplan::{DeviceAddress, NetPlan};

/// What is in force, in the order in which it was set up.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) tun: TunDevice,
    pub(crate) plan: NetPlan,
    pub(crate) protected: Vec<IpAddr>,
    /// How the link was found.
    pub(crate) link_before: Option<LinkSettings>,
    pub(crate) addresses: Vec<DeviceAddress>,
    pub(crate) routes: Vec<Entry>,
    /// IPv6 works on the device.
    pub(crate) ipv6: bool,
}

/// One route in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) wish: RouteWish,
    pub(crate) route: KernelRoute,
    pub(crate) owner: Owner,
}

/// Whose a route is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Somebody had put it there before; it is never touched.
    Foreign,
    /// Ours to remove.
    Us,
}

impl Applied {
    /// Nothing is in force yet.
    pub(crate) fn new(tun: TunDevice) -> Self {
        Self {
            tun,
            plan: NetPlan::default(),
            protected: Vec::new(),
            link_before: None,
            addresses: Vec::new(),
            routes: Vec::new(),
            ipv6: true,
        }
    }

    /// Makes the link as the plan wants it.
    pub(crate) async fn set_link(
        &mut self,
        kernel: &Kernel,
        plan: &NetPlan,
    ) -> Result<(), NetError> {
        let index = self.tun.index;
        let name = self.tun.name.clone();
        let (_, found) = link::read(kernel, index)
            .await
            .map_err(|error| NetError::new("read the device", &name, error))?;
        let before = *self.link_before.get_or_insert(found);
        let wanted = LinkSettings {
            mtu: if plan.mtu == 0 {
                before.mtu
            } else {
                u32::from(plan.mtu)
            },
            queue_length: plan.queue_length.or(before.queue_length),
            up: true,
        };
        if found == wanted {
            return Ok(());
        }
        if let Err(error) = link::mark_as_ours(kernel, index, &name).await {
            debug!(device = %name, %error, "the device has no alternative name");
        }
        if let Err(error) = link::generate_no_addresses(kernel, index).await {
            debug!(device = %name, %error, "the kernel may add a link-local IPv6 address");
        }
        link::write(kernel, index, wanted)
            .await
            .map_err(|error| NetError::new("set up the device", &name, error))
    }

    /// Adds the addresses that the plan has and the device has not.
    pub(crate) async fn add_addresses(
        &mut self,
        kernel: &Kernel,
        plan: &NetPlan,
    ) -> Result<(), NetError> {
        self.ipv6 = plan.mtu == 0 || plan.mtu >= IPV6_MIN_MTU;
        for address in &plan.addresses {
            let v6 = address.network.addr().is_ipv6();
            if self.addresses.contains(address) || (v6 && !self.ipv6) {
                continue;
            }
            match link::add_address(kernel, self.tun.index, *address).await {
                Ok(()) => self.addresses.push(*address),
                Err(error) if v6 && is_off(&error) => self.ipv6 = false,
                Err(error) => return Err(NetError::new("add the address", address.network, error)),
            }
        }
        if !self.ipv6
            && plan
                .addresses
                .iter()
                .any(|address| address.network.addr().is_ipv6())
        {
            warn!(device = %self.tun.name, mtu = plan.mtu, "IPv6 is off on the device, so the tunnel has none");
        }
        Ok(())
    }

    /// Forgets addresses that somebody has removed.
    pub(crate) async fn keep_present_addresses(&mut self, kernel: &Kernel) -> Result<(), NetError> {
        let present = link::addresses(kernel, self.tun.index)
            .await
            .map_err(|error| NetError::new("list the addresses of", &self.tun.name, error))?;
        self.addresses
            .retain(|kept| present.iter().any(|seen| seen.network == kept.network));
        Ok(())
    }

    /// Removes the addresses that the plan has not. What the kernel takes along with one (other addresses of its
    /// subnet, routes that need it) is put back by the caller.
    pub(crate) async fn drop_addresses(
        &mut self,
        kernel: &Kernel,
        plan: &NetPlan,
    ) -> Result<bool, NetError> {
        let obsolete: Vec<DeviceAddress> = self
            .addresses
            .iter()
            .filter(|address| !plan.addresses.contains(address))
            .copied()
            .collect();
        for address in obsolete.iter().rev() {
            remove_address(kernel, self.tun.index, *address).await?;
            self.addresses.retain(|kept| kept != address);
        }
        for address in &self.addresses {
            if !obsolete.is_empty() {
                link::add_address(kernel, self.tun.index, *address)
                    .await
                    .map_err(|error| NetError::new("add the address", address.network, error))?;
            }
        }
        Ok(!obsolete.is_empty())
    }

    /// Makes the routes in force the wanted ones: adds, replaces, then removes what is left over, last first.
    pub(crate) async fn set_routes(
        &mut self,
        kernel: &Kernel,
        wanted: Vec<Entry>,
        seen: Option<&[SeenRoute]>,
    ) -> Result<(), NetError> {
        let mut before = std::mem::take(&mut self.routes);
        for entry in wanted {
            if self
                .routes
                .iter()
                .any(|set| same_key(&set.route, &entry.route))
            {
                debug!(route = %entry.route, "another route of ours leads there already");
                continue;
            }
            let old = before
                .iter()
                .position(|old| same_key(&old.route, &entry.route));
            let old = old.map(|at| before.remove(at));
            let result = self.set_route(kernel, entry, old.as_ref(), seen).await;
            if let Err(error) = result {
                self.routes.extend(old);
                self.routes.append(&mut before);
                return Err(error);
            }
        }
        let mut first_error = None;
        for entry in before.iter().rev().filter(|entry| entry.owner == Owner::Us) {
            if let Err(error) = route::remove(kernel, &entry.route).await {
                first_error
                    .get_or_insert_with(|| NetError::new("remove the route", entry.route, error));
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn set_route(
        &mut self,
        kernel: &Kernel,
        mut entry: Entry,
        old: Option<&Entry>,
        seen: Option<&[SeenRoute]>,
    ) -> Result<(), NetError> {
        let present = |route: &KernelRoute| {
            seen.is_none_or(|seen| {
                seen.iter()
                    .any(|seen| seen.ours && same_route(&seen.route, route))
            })
        };
        let ours = old.filter(|old| old.owner == Owner::Us);
        if ours.is_some_and(|old| old.route == entry.route && present(&old.route)) {
            entry.owner = Owner::Us;
            self.routes.push(entry);
            return Ok(());
        }
        let replace = ours.is_some_and(|old| present(&old.route));
        match put(kernel, &mut entry, replace).await {
            Ok(()) => self.routes.push(entry),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.meet(kernel, entry, old.is_some()).await?;
            }
            Err(error) if !self.must_succeed(&entry, &error) => {
                warn!(route = %entry.route, %error, "this route cannot be had");
            }
            Err(error) => return Err(NetError::new("add the route", entry.route, error)),
        }
        Ok(())
    }

    /// A route with the same destination and metric is there already.
    async fn meet(
        &mut self,
        kernel: &Kernel,
        mut entry: Entry,
        known: bool,
    ) -> Result<(), NetError> {
        let v6 = entry.route.destination.addr().is_ipv6();
        let seen = route::list(kernel, v6)
            .await
            .map_err(|error| NetError::new("list the routes beside", entry.route, error))?;
        let there = seen.iter().find(|seen| same_key(&seen.route, &entry.route));
        let through_tunnel = there.is_some_and(|there| there.route.is_through(self.tun.index));
        if there.is_some_and(|there| there.ours) && through_tunnel {
            entry.owner = Owner::Us;
        } else {
            entry.owner = Owner::Foreign;
            if through_tunnel || known {
                debug!(route = %entry.route, "the route is there already");
            } else {
                warn!(route = %entry.route, "a route to this destination exists already and stays as it is");
            }
        }
        self.routes.push(entry);
        Ok(())
    }

    /// Whether the tunnel is not worth having without the route: what leads into it, and what blocks.
    fn must_succeed(&self, entry: &Entry, error: &io::Error) -> bool {
        let v6 = entry.route.destination.addr().is_ipv6();
        if v6 && is_off(error) {
            return false;
        }
        match entry.route.target {
            Target::Unreachable => true,
            Target::Way(way) => way.interface == self.tun.index || !route::has_no_way(error),
        }
    }

    /// Takes everything back, last first; goes on after a failure and says the first one.
    pub(crate) async fn take_back(&mut self, kernel: &Kernel) -> Result<(), NetError> {
        let mut first_error = None;
        for entry in self
            .routes
            .drain(..)
            .rev()
            .filter(|entry| entry.owner == Owner::Us)
        {
            if let Err(error) = route::remove(kernel, &entry.route).await {
                first_error
                    .get_or_insert_with(|| NetError::new("remove the route", entry.route, error));
            }
        }
        for address in self.addresses.drain(..).rev() {
            if let Err(error) = remove_address(kernel, self.tun.index, address).await {
                first_error.get_or_insert(error);
            }
        }
        if let Some(before) = self.link_before.take() {
            match link::write(kernel, self.tun.index, before).await {
                Err(error) if !route::is_gone(&error) => {
                    first_error.get_or_insert_with(|| {
                        NetError::new("reset the device", &self.tun.name, error)
                    });
                }
                _ => {}
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

/// Adds the route. If the kernel does not know how to reach its gateway: without it, where it only names the device, else
/// with the word that it is on the link.
async fn put(kernel: &Kernel, entry: &mut Entry, replace: bool) -> io::Result<()> {
    let first = route::add(kernel, &entry.route, replace).await;
    let (Err(error), Target::Way(mut way)) = (&first, entry.route.target) else {
        return first;
    };
    if !route::has_no_way(error) || way.gateway.is_none() {
        return first;
    }
    if !entry.may_drop_gateway() {
        let again = route::add_on_link(kernel, &entry.route, replace).await;
        return again.or(first);
    }
    way.gateway = None;
    entry.route.target = Target::Way(way);
    route::add(kernel, &entry.route, replace).await
}

impl Entry {
    /// A route of a process before this one, ours by its protocol number.
    pub(crate) fn left_over(route: KernelRoute) -> Self {
        Self {
            wish: RouteWish::Leftover,
            route,
            owner: Owner::Us,
        }
    }

    /// Whether the route leads into the tunnel, where the gateway only names the device.
    fn may_drop_gateway(&self) -> bool {
        use openvpn_engine::netplan::RouteVia;
        matches!(&self.wish, RouteWish::Planned(route) if matches!(route.via, RouteVia::Tunnel(_)))
    }
}

async fn remove_address(
    kernel: &Kernel,
    index: u32,
    address: DeviceAddress,
) -> Result<(), NetError> {
    match link::remove_address(kernel, index, address).await {
        Err(error) if !route::is_gone(&error) => {
            Err(NetError::new("remove the address", address.network, error))
        }
        _ => Ok(()),
    }
}

/// Whether the kernel takes two routes for one: it has a single route per destination, table and metric.
fn same_key(one: &KernelRoute, other: &KernelRoute) -> bool {
    one.destination == other.destination
        && one.table == other.table
        && metric_of(one) == metric_of(other)
}

fn same_route(one: &KernelRoute, other: &KernelRoute) -> bool {
    same_key(one, other) && one.target == other.target
}

/// The metric as the kernel stores it: where none is wanted it is 0, for IPv6 1024.
fn metric_of(route: &KernelRoute) -> u32 {
    let default = if route.destination.addr().is_ipv6() {
        1024
    } else {
        0
    };
    route
        .metric
        .filter(|metric| *metric != 0)
        .unwrap_or(default)
}

/// Whether an error says that this host (or this device) has no IPv6.
fn is_off(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        Errno::from_io_error(error),
        Some(Errno::ACCESS | Errno::OPNOTSUPP | Errno::AFNOSUPPORT)
    )
}

/// Below this a device has no IPv6 (RFC 8200, section 5).
const IPV6_MIN_MTU: u16 = 1280;
