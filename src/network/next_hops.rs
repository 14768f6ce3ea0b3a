//! From wishes to routes: finds the way of each.

use std::net::IpAddr;

use tracing::warn;

use crate::network::applied::{Applied, Entry, Owner};
use crate::network::netlink::Kernel;
use crate::network::requested_routes::{self, RouteWish};
use crate::network::route::{KernelRoute, Leads, MAIN_TABLE, SeenRoute, Target, Way};
use crate::network::{NetError, next_hop, route};
use openvpn_engine::netplan::{Route, RouteVia};

/// Which ways are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Find {
    /// All of them again.
    All,
    /// Those of wishes that have none yet.
    New,
}

/// Finds ways, as long as nothing changes in between.
#[derive(Debug)]
pub(crate) struct Finder<'a> {
    kernel: &'a Kernel,
    applied: &'a Applied,
    find: Find,
    seen: Option<Vec<SeenRoute>>,
}

impl<'a> Finder<'a> {
    /// A finder for the wishes of `plan`.
    pub(crate) fn new(kernel: &'a Kernel, applied: &'a Applied, find: Find) -> Self {
        Self {
            kernel,
            applied,
            find,
            seen: None,
        }
    }

    /// The routes that fulfil a wish; none if there is no way, which is logged.
    pub(crate) async fn fulfil(&mut self, wish: RouteWish) -> Result<Vec<Entry>, NetError> {
        if self.find == Find::New {
            let known = self
                .applied
                .routes
                .iter()
                .filter(|entry| entry.wish == wish);
            let known: Vec<Entry> = known.cloned().collect();
            if !known.is_empty() {
                return Ok(known);
            }
        }
        let table = self.table();
        let routes = match &wish {
            RouteWish::BlockIpv4 => requested_routes::block(requested_routes::all_ipv4(), table),
            RouteWish::BlockIpv6 => requested_routes::block(requested_routes::all_ipv6(), table),
            RouteWish::BlockLocal => self.block_local().await?,
            RouteWish::Bypass(address) => self.bypass(*address).await?,
            RouteWish::Leftover => Vec::new(),
            RouteWish::Planned(planned) => self.planned(planned).await?,
        };
        let entry = |route| Entry {
            wish: wish.clone(),
            route,
            owner: Owner::Us,
        };
        Ok(routes.into_iter().map(entry).collect())
    }

    /// Every route there is, if all ways are looked for: what is missing is then put back.
    pub(crate) async fn into_seen(mut self) -> Result<Option<Vec<SeenRoute>>, NetError> {
        if self.find == Find::New {
            return Ok(None);
        }
        self.look().await?;
        Ok(self.seen)
    }

    async fn look(&mut self) -> Result<&[SeenRoute], NetError> {
        if self.seen.is_none() {
            let mut seen = Vec::new();
            for v6 in [false, true] {
                let routes = route::list(self.kernel, v6).await;
                seen.extend(routes.map_err(|error| NetError::new("list", "the routes", error))?);
            }
            self.seen = Some(seen);
        }
        Ok(self.seen.as_deref().unwrap_or_default())
    }

    async fn bypass(&mut self, address: IpAddr) -> Result<Vec<KernelRoute>, NetError> {
        let tunnel = self.applied.tun.index;
        let mut leads = route::way_to(self.kernel, address)
            .await
            .map_err(|error| NetError::new("find the way to", address, error))?;
        let by_ourselves = self.applied.routes.iter().any(|entry| {
            entry.owner == Owner::Us
                && entry.route.table == MAIN_TABLE
                && entry.route.destination.contains(&address)
        });
        if by_ourselves || !matches!(leads, Leads::Here | Leads::Out(_)) {
            let way = next_hop::best_way(self.look().await?, address, tunnel);
            leads = way.map_or(Leads::Nowhere, Leads::Out);
        }
        Ok(match leads {
            Leads::Here => Vec::new(),
            Leads::Nowhere => {
                warn!(%address, "no way leads there outside of the tunnel");
                Vec::new()
            }
            Leads::Out(way) => vec![requested_routes::host(address, way, self.table())],
        })
    }

    async fn block_local(&mut self) -> Result<Vec<KernelRoute>, NetError> {
        let (tunnel, table) = (self.applied.tun.index, self.table());
        let inside = Target::Way(Way {
            gateway: None,
            interface: tunnel,
        });
        let mut routes = Vec::new();
        for (subnet, default) in next_hop::local_subnets(self.look().await?, tunnel) {
            if let Some(router) = default.gateway.filter(|router| subnet.contains(router)) {
                let way = Way {
                    gateway: None,
                    interface: default.interface,
                };
                routes.push(requested_routes::host(router, way, table));
            }
            routes.extend(
                next_hop::halves(subnet)
                    .into_iter()
                    .map(|destination| KernelRoute {
                        destination,
                        table,
                        metric: None,
                        target: inside,
                    }),
            );
        }
        Ok(routes)
    }

    async fn planned(&mut self, planned: &Route) -> Result<Vec<KernelRoute>, NetError> {
        let (tunnel, table) = (self.applied.tun.index, self.table());
        let way = match planned.via {
            RouteVia::Tunnel(gateway) => {
                let mut routes = requested_routes::into_tunnel(planned, gateway, tunnel, table);
                if planned.destination.addr().is_ipv6() && !self.applied.ipv6 {
                    // Better no way than one beside the tunnel.
                    routes
                        .iter_mut()
                        .for_each(|route| route.target = Target::Unreachable);
                }
                return Ok(routes);
            }
            RouteVia::Gateway(gateway) => next_hop::best_way(self.look().await?, gateway, tunnel)
                .map(|way| Way {
                    gateway: Some(gateway),
                    ..way
                }),
            RouteVia::PreviousDefault => {
                let v6 = planned.destination.addr().is_ipv6();
                next_hop::default_way(self.look().await?, v6, tunnel)
            }
        };
        let Some(way) = way else {
            warn!(destination = %planned.destination, "no way leads there outside of the tunnel");
            return Ok(Vec::new());
        };
        Ok(vec![KernelRoute {
            destination: planned.destination,
            table,
            metric: planned.metric,
            target: Target::Way(way),
        }])
    }

    fn table(&self) -> u32 {
        self.applied.plan.table.unwrap_or(MAIN_TABLE)
    }
}
