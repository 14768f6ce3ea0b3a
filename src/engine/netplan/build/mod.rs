//! Profile and pushed options to `NetPlan`.

mod address;
mod dns;
mod route;

use std::net::IpAddr;

use thiserror::Error;

use self::address::Addresses;
use self::route::Routes;
use super::NetPlan;
use crate::profile::error::{Note, Place};
use crate::profile::model::{Profile, RemoteOptions, UnusedFamily};
use crate::profile::pushed::PushedOptions;
use crate::profile::tunnel::TunnelOptions;

/// Why there can be no tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PlanError {
    /// Neither server nor profile name an address that can be used.
    #[error("the server gave the tunnel no address, neither IPv4 nor IPv6")]
    NoAddress,
}

impl NetPlan {
    /// What the network must become, by the profile and what the server pushed. `options` are those of the remote in
    /// use, `server` is the address that packets to it really go to.
    ///
    /// The default route is never replaced: parts of the address space are routed instead (for IPv4 two halves, for
    /// IPv6 the two halves and the two quarters of the public space), with or without `def1`. They win over any
    /// default route, whatever its metric, and when they vanish with the device the old one is simply there.
    ///
    /// # Errors
    ///
    /// [`PlanError::NoAddress`]. Anything else that cannot be done, such as a single bad route, is a note.
    pub fn build(
        profile: &Profile,
        pushed: &PushedOptions,
        options: &RemoteOptions,
        server: IpAddr,
    ) -> Result<(Self, Vec<Note>), PlanError> {
        let mut notes = Notes::default();
        let mut tunnel = merged(&profile.tunnel, &pushed.tunnel);
        let addresses = Addresses::of(&tunnel, &mut notes);
        if addresses.device.is_empty() {
            return Err(PlanError::NoAddress);
        }
        let block_ipv4 = blocks(profile, tunnel.block.ipv4, addresses.has_ipv4());
        let block_ipv6 = blocks(profile, tunnel.block.ipv6, addresses.has_ipv6());
        if profile.device.no_routes {
            tunnel.routes.clear();
            tunnel.redirect = None;
        }
        let mut routes = Routes::new(&tunnel, &addresses, server.to_canonical());
        routes.add_all(&mut notes);
        let redirect = tunnel.redirect.unwrap_or_default();
        let blocked = if server.to_canonical().is_ipv4() {
            block_ipv4
        } else {
            block_ipv6
        };
        let plan = Self {
            device: profile.device.name.clone(),
            mtu: mtu(pushed.tun_mtu, options, &addresses, &mut notes),
            queue_length: profile.device.queue_length,
            bypass: routes.bypass(blocked),
            bypass_dhcp: redirect.bypass_dhcp,
            bypass_dns: redirect.bypass_dns,
            routes: routes.list,
            host_routes: routes.to_hosts,
            block_ipv4,
            block_ipv6,
            block_local: redirect.block_local,
            dns: dns::plan(profile, &tunnel, &addresses, &mut notes),
            mark: profile.socket.mark,
            table: profile.device.table,
            addresses: addresses.device,
        };
        Ok((plan, notes.list))
    }
}

/// What is to be said about the plan.
#[derive(Debug, Default)]
struct Notes {
    list: Vec<Note>,
}

impl Notes {
    fn add(&mut self, directive: &str, text: impl Into<String>) {
        self.list.push(Note {
            place: Place::default(),
            directive: directive.to_owned(),
            text: text.into(),
            minor: false,
        });
    }
}

/// The profile's requests behind those of the server, where both may be; in place of them, where only one may.
fn merged(local: &TunnelOptions, pushed: &TunnelOptions) -> TunnelOptions {
    let mut all = pushed.clone();
    all.ifconfig = pushed.ifconfig.or(local.ifconfig);
    all.ifconfig_ipv6 = pushed.ifconfig_ipv6.or(local.ifconfig_ipv6);
    all.topology = pushed.topology.or(local.topology);
    all.route_gateway = pushed.route_gateway.or(local.route_gateway);
    all.route_ipv6_gateway = pushed.route_ipv6_gateway.or(local.route_ipv6_gateway);
    all.routes.extend(local.routes.iter().cloned());
    all.route_metric = pushed.route_metric.or(local.route_metric);
    all.redirect = match (pushed.redirect, local.redirect) {
        (Some(pushed), Some(local)) => Some(pushed.joined(local)),
        (one, other) => one.or(other),
    };
    all.block.ipv4 |= local.block.ipv4;
    all.block.ipv6 |= local.block.ipv6;
    all.block.outside_dns |= local.block.outside_dns;
    all.dns = local.dns.merged(&pushed.dns);
    all.dhcp.extend(local.dhcp.iter().cloned());
    all
}

fn blocks(profile: &Profile, wanted: bool, has_address: bool) -> bool {
    match profile.preferences.unused_family {
        UnusedFamily::Block => wanted || !has_address,
        UnusedFamily::Allow | UnusedFamily::Default => wanted,
    }
}

fn mtu(
    pushed: Option<u16>,
    options: &RemoteOptions,
    addresses: &Addresses,
    notes: &mut Notes,
) -> u16 {
    const IPV6_NEEDS: u16 = 1280;
    let wanted = pushed.unwrap_or(options.tun_mtu);
    let mtu = wanted.min(options.tun_mtu_max);
    if mtu < wanted {
        notes.add(
            "tun-mtu",
            format!("the server wants {wanted}, tun-mtu-max allows {mtu}"),
        );
    }
    if mtu < IPV6_NEEDS && addresses.has_ipv6() {
        notes.add(
            "tun-mtu",
            format!("IPv6 needs {IPV6_NEEDS}, and the tunnel has {mtu}"),
        );
    }
    mtu
}

#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod tests;
