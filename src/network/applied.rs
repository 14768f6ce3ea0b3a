//! `Applied`: what is in force on a device: observed, reconciled with what is desired, and read back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use tracing::{debug, warn};

use crate::network::desired::{Desired, Known, Remark, own_table};
use crate::network::link::LinkSettings;
use crate::network::netlink::Kernel;
use crate::network::next_hop;
use crate::network::reconcile::{Change, Observed, reconcile};
use crate::network::route::{KernelRoute, Leads, RouteKey, SeenRoute, Target, Way};
use crate::network::{NetError, TunDevice, link, route, rule};
use openvpn_engine::netplan::{DeviceAddress, NetPlan};

/// What is in force.
#[derive(Debug)]
pub(crate) struct Applied {
    pub(crate) tun: TunDevice,
    pub(crate) plan: NetPlan,
    pub(crate) protected: Vec<IpAddr>,
    /// How the link was found.
    link_before: Option<LinkSettings>,
    /// Ours.
    pub(crate) addresses: Vec<DeviceAddress>,
    /// Ours, but for those of the device's own table, which are ours by that.
    pub(crate) routes: BTreeMap<RouteKey, KernelRoute>,
    /// IPv6 works on the device.
    ipv6: bool,
    /// What the kernel does not take, with whether it leads into the tunnel.
    rejected: Vec<(IpNet, bool)>,
    /// What was said already.
    said: BTreeSet<String>,
}

/// What the kernel tells.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// Ours.
    pub(crate) ours: Observed,
    /// Everybody else's routes.
    pub(crate) foreign: Vec<SeenRoute>,
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
            routes: BTreeMap::new(),
            ipv6: true,
            rejected: Vec::new(),
            said: BTreeSet::new(),
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

    /// Takes a plan as the wanted one: what was not possible under the one before may be under this one.
    pub(crate) fn want(&mut self, plan: &NetPlan) {
        self.plan = plan.clone();
        self.ipv6 = plan.mtu == 0 || plan.mtu >= IPV6_MIN_MTU;
        self.rejected.clear();
        if !self.ipv6 {
            self.say_no_ipv6();
        }
    }

    fn say_no_ipv6(&mut self) {
        let mut addresses = self.plan.addresses.iter();
        if addresses.any(|address| address.network.addr().is_ipv6()) {
            let mtu = self.plan.mtu;
            self.say(format!(
                "IPv6 is off on the device (MTU {mtu}), so the tunnel has none"
            ));
        }
    }

    /// Refuses addresses that are those of this host on the network that it is in, or of its router.
    pub(crate) async fn refuse_addresses_in_use(
        &self,
        kernel: &Kernel,
        plan: &NetPlan,
    ) -> Result<(), NetError> {
        let new = |it: &&DeviceAddress| !self.addresses.contains(it);
        let new: Vec<&DeviceAddress> = plan.addresses.iter().filter(new).collect();
        if new.is_empty() {
            return Ok(());
        }
        let world = self.observe(kernel).await?;
        let defaults = world
            .foreign
            .iter()
            .filter_map(|seen| match seen.route.target {
                Target::Way(way) if seen.route.destination.prefix_len() == 0 && !seen.ours => {
                    Some(way)
                }
                Target::Way(_) | Target::Throw | Target::Unreachable => None,
            });
        for way in defaults.filter(|way| way.interface != self.tun.index) {
            let own = link::addresses(kernel, way.interface)
                .await
                .map_err(|error| {
                    NetError::new("list the addresses beside", &self.tun.name, error)
                })?;
            let taken = |address: &IpAddr| {
                way.gateway == Some(*address) || own.iter().any(|it| it.network.addr() == *address)
            };
            for address in &new {
                if taken(&address.network.addr()) {
                    let error = io::Error::new(
                        io::ErrorKind::AddrInUse,
                        "it is the address of this host or of its router",
                    );
                    return Err(NetError::new("add the address", address.network, error));
                }
            }
        }
        Ok(())
    }

    /// Looks at what is there.
    pub(crate) async fn observe(&self, kernel: &Kernel) -> Result<World, NetError> {
        let mut world = World::default();
        let index = self.tun.index;
        let present = link::addresses(kernel, index)
            .await
            .map_err(|error| NetError::new("list the addresses of", &self.tun.name, error))?;
        let is_there = |ours: &&DeviceAddress| present.iter().any(|it| it.network == ours.network);
        world.ours.addresses = self.addresses.iter().filter(is_there).copied().collect();
        world.ours.rules = rule::list(kernel, own_table(index))
            .await
            .map_err(|error| NetError::new("list", "the rules of routing", error))?;
        for v6 in [false, true] {
            let seen = route::list(kernel, v6).await;
            for seen in seen.map_err(|error| NetError::new("list", "the routes", error))? {
                if self.owns(&seen) {
                    world.ours.routes.push(seen.route.normal());
                } else {
                    world.foreign.push(seen);
                }
            }
        }
        Ok(world)
    }

    /// Whether a route is one of this device. Those of another tunnel of ours carry our protocol number too.
    fn owns(&self, seen: &SeenRoute) -> bool {
        let here =
            seen.route.table == own_table(self.tun.index) || seen.route.is_through(self.tun.index);
        seen.ours && (here || self.routes.contains_key(&seen.route.key()))
    }

    /// What is desired by the plan, as the world is; what is odd about it is said once.
    pub(crate) async fn desire(
        &mut self,
        kernel: &Kernel,
        world: &World,
        outside: &[IpAddr],
    ) -> Result<Desired, NetError> {
        let mut ways = Vec::new();
        for address in outside {
            if let Some(way) = self.next_hop(kernel, world, *address).await? {
                ways.push((*address, way));
            }
        }
        let (desired, remarks) = Desired::of(&Known {
            plan: &self.plan,
            tunnel: self.tun.index,
            ipv6: self.ipv6,
            outside: &ways,
            foreign: &world.foreign,
            rejected: &self.rejected,
        });
        for remark in remarks {
            self.say(match remark {
                Remark::Rejected(destination, why) => format!("the route to {destination} is rejected: {why}"),
                Remark::Overruled(destination) => format!(
                    "another route to {destination} exists: while the tunnel is up, the tunnel's counts"
                ),
            });
        }
        Ok(desired)
    }

    /// The next hop to an address outside of the tunnel; none for one of this host's own.
    async fn next_hop(
        &mut self,
        kernel: &Kernel,
        world: &World,
        address: IpAddr,
    ) -> Result<Option<Way>, NetError> {
        let by_us = |route: &KernelRoute| route.destination.contains(&address);
        if !world.ours.routes.iter().any(by_us) {
            let leads = route::way_to(kernel, address)
                .await
                .map_err(|error| NetError::new("find the next hop to", address, error))?;
            match leads {
                Leads::Here => return Ok(None),
                Leads::Out(way) if way.interface != self.tun.index => return Ok(Some(way)),
                Leads::Out(_) | Leads::Nowhere => {}
            }
        }
        let way = next_hop::best_way(&world.foreign, address, self.tun.index);
        if way.is_none() {
            self.say(format!("no route outside of the tunnel leads to {address}"));
        }
        Ok(way)
    }

    fn say(&mut self, text: String) {
        if !self.said.contains(&text) {
            warn!(device = %self.tun.name, "{text}");
            self.said.insert(text);
        }
    }

    /// Makes the changes. Goes on after a failed removal, stops at anything else that fails.
    pub(crate) async fn perform(
        &mut self,
        kernel: &Kernel,
        changes: &[Change],
    ) -> Result<(), NetError> {
        let mut first_error = None;
        for change in changes {
            debug!(?change, "the network changes");
            match *change {
                Change::AddAddress(address) => self.add_address(kernel, address).await?,
                Change::AddRoute(route) => self.add_route(kernel, route, false).await?,
                Change::ReplaceRoute(route) => self.add_route(kernel, route, true).await?,
                Change::AddRule(rule) => rule::add(kernel, rule)
                    .await
                    .map_err(|error| NetError::new("add the rule", rule, error))?,
                Change::RemoveRule(_) | Change::RemoveRoute(_) | Change::RemoveAddress(_) => {
                    if let Err(error) = self.remove(kernel, *change).await {
                        first_error.get_or_insert(error);
                    }
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn add_address(
        &mut self,
        kernel: &Kernel,
        address: DeviceAddress,
    ) -> Result<(), NetError> {
        match link::add_address(kernel, self.tun.index, address).await {
            Ok(()) => {
                if !self.addresses.contains(&address) {
                    self.addresses.push(address);
                }
            }
            Err(error) if address.network.addr().is_ipv6() && is_off(&error) => {
                self.ipv6 = false;
                self.say_no_ipv6();
            }
            Err(error) => return Err(NetError::new("add the address", address.network, error)),
        }
        Ok(())
    }

    /// Adds a route. One of somebody else that is there already is seen the next time, and one that the kernel has no
    /// next hop for is not wanted any more.
    async fn add_route(
        &mut self,
        kernel: &Kernel,
        route: KernelRoute,
        replace: bool,
    ) -> Result<(), NetError> {
        let inside = route.leads_into(self.tun.index);
        let mut result = route::add(kernel, &route, replace).await;
        let named = matches!(route.target, Target::Way(way) if way.gateway.is_some());
        if named && !inside && result.as_ref().is_err_and(route::has_no_way) {
            // The gateway is one of the host's own routes, which names it as on the link.
            let on_link = route::add_on_link(kernel, &route, replace).await;
            result = on_link.or(result);
        }
        let off = |error: &io::Error| route.destination.addr().is_ipv6() && is_off(error);
        match result {
            Ok(()) => {
                self.routes.insert(route.key(), route);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if off(&error) && route.is_through(self.tun.index) && self.ipv6 => {
                self.ipv6 = false;
                self.say_no_ipv6();
            }
            Err(error) if off(&error) || (!inside && route::has_no_way(&error)) => {
                self.say(format!("the route to {route} is rejected: {error}"));
                self.rejected.push((route.destination, inside));
            }
            Err(error) => return Err(NetError::new("add the route", route, error)),
        }
        Ok(())
    }

    async fn remove(&mut self, kernel: &Kernel, change: Change) -> Result<(), NetError> {
        match change {
            Change::RemoveRule(rule) => rule::remove(kernel, rule)
                .await
                .map_err(|error| NetError::new("remove the rule", rule, error)),
            Change::RemoveRoute(route) => {
                route::remove(kernel, &route)
                    .await
                    .map_err(|error| NetError::new("remove the route", route, error))?;
                self.routes.remove(&route.key());
                Ok(())
            }
            Change::RemoveAddress(address) => {
                remove_address(kernel, self.tun.index, address).await?;
                self.addresses.retain(|known| *known != address);
                Ok(())
            }
            Change::AddAddress(_)
            | Change::AddRoute(_)
            | Change::ReplaceRoute(_)
            | Change::AddRule(_) => Ok(()),
        }
    }

    /// Takes everything back; goes on after a failure and says the first one.
    pub(crate) async fn take_back(&mut self, kernel: &Kernel) -> Result<(), NetError> {
        let world = self.observe(kernel).await?;
        let changes = reconcile(&Desired::default(), &world.ours);
        let mut result = self.perform(kernel, &changes).await;
        if let Some(before) = self.link_before.take() {
            link::unmark(kernel, self.tun.index, &self.tun.name).await;
            match link::write(kernel, self.tun.index, before).await {
                Err(error) if !route::is_gone(&error) => {
                    let error = NetError::new("reset the device", &self.tun.name, error);
                    result = result.and(Err(error));
                }
                _ => {}
            }
        }
        result
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
