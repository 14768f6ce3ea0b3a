//! The way to the server that does not lead through the tunnel, as seen from outside of a plan.

use std::io;
use std::net::IpAddr;

use crate::network::netlink::Kernel;
use crate::network::route::{self, Leads, Way};
use crate::network::{link, next_hop};

/// The way to an address, with what makes it a different one for the server: where we come from.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    way: Way,
    sources: Vec<IpAddr>,
    /// A route of ours keeps the address out of the tunnel.
    kept_out: bool,
}

impl Outside {
    /// The interface's index.
    pub(crate) fn interface(&self) -> u32 {
        self.way.interface
    }

    /// Takes over whether a route of ours keeps the address out.
    pub(crate) fn guard_as(&mut self, present: &Self) {
        self.kept_out = present.kept_out;
    }

    /// Whether our route is gone since `before`; if so, it may go on to be expected.
    pub(crate) const fn expect_as(&mut self, before: &Self, expected: bool) -> bool {
        let lost = before.kept_out && !self.kept_out;
        self.kept_out |= lost && expected;
        lost
    }

    /// Whether the way is another one than before, or our own route is gone: the kernel drops routes along with
    /// addresses, also with those that come back at once.
    pub(crate) fn has_changed(&self, before: &Self) -> bool {
        (&self.way, &self.sources) != (&before.way, &before.sources)
            || (before.kept_out && !self.kept_out)
    }
}

/// Finds the best way to `address` that is not through `tunnel`, and the addresses on its interface.
pub(crate) async fn find(
    kernel: &Kernel,
    address: IpAddr,
    tunnel: Option<u32>,
) -> io::Result<Option<Outside>> {
    let tunnel = tunnel.unwrap_or(NO_INTERFACE);
    let seen = route::list(kernel, address.is_ipv6()).await?;
    let by_us = || {
        seen.iter()
            .filter(|seen| seen.ours && seen.route.destination.contains(&address))
    };
    let kept_out = by_us().any(|seen| !seen.route.is_through(tunnel));
    let way = match route::way_to(kernel, address).await? {
        Leads::Out(way) if by_us().next().is_none() && way.interface != tunnel => Some(way),
        Leads::Here => return Ok(None),
        Leads::Nowhere | Leads::Out(_) => next_hop::best_way(&seen, address, tunnel),
    };
    let Some(way) = way else { return Ok(None) };
    let mut sources: Vec<IpAddr> = link::addresses(kernel, way.interface)
        .await?
        .into_iter()
        .map(|found| found.network.addr())
        .filter(|found| found.is_ipv6() == address.is_ipv6())
        .collect();
    sources.sort_unstable();
    Ok(Some(Outside {
        way,
        sources,
        kept_out,
    }))
}

/// The kernel numbers interfaces from 1.
const NO_INTERFACE: u32 = 0;
