//! The device's addresses, by topology, and the gateways inside of the tunnel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::Notes;
use crate::netplan::DeviceAddress;
use crate::profile::tunnel::{Ifconfig4, Ifconfig6, RouteGateway, Topology, TunnelOptions};

/// What the tunnel has.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// For the device.
    pub(super) device: Vec<DeviceAddress>,
    /// `vpn_gateway` for IPv4, if it is known.
    pub(super) gateway4: Option<Ipv4Addr>,
    /// `vpn_gateway` for IPv6, if it is known.
    pub(super) gateway6: Option<Ipv6Addr>,
}

impl Addresses {
    pub(super) fn of(tunnel: &TunnelOptions, notes: &mut Notes) -> Self {
        let mut addresses = Self::default();
        if let Some(ifconfig) = tunnel.ifconfig.filter(|it| is_usable_v4(*it, notes)) {
            let topology = topology(tunnel, ifconfig, notes);
            addresses
                .device
                .push(device_address(ifconfig, topology, notes));
            if topology != Topology::Subnet {
                addresses.gateway4 = Some(ifconfig.second);
            }
        }
        if let Some(RouteGateway::Address(gateway)) = tunnel.route_gateway {
            addresses.gateway4 = Some(gateway);
        }
        if let Some(ifconfig) = tunnel.ifconfig_ipv6.filter(|it| is_usable_v6(*it, notes)) {
            // The far end is not set as peer: that would take the prefix away from our own side.
            addresses.device.push(DeviceAddress {
                network: with_sane_prefix(ifconfig.network, notes).into(),
                peer: None,
            });
            addresses.gateway6 = tunnel.route_ipv6_gateway.or(ifconfig.remote);
        }
        addresses
    }

    pub(super) fn has_ipv4(&self) -> bool {
        self.device
            .iter()
            .any(|address| address.network.addr().is_ipv4())
    }

    pub(super) fn has_ipv6(&self) -> bool {
        self.device
            .iter()
            .any(|address| address.network.addr().is_ipv6())
    }

    /// Whether the tunnel has an address of this one's family.
    pub(super) fn has_family_of(&self, address: IpAddr) -> bool {
        if address.is_ipv4() {
            self.has_ipv4()
        } else {
            self.has_ipv6()
        }
    }

    /// Whether an address is reached directly through the device.
    pub(super) fn is_inside(&self, address: IpAddr) -> bool {
        self.device
            .iter()
            .any(|own| own.network.contains(&address) || own.peer == Some(address))
    }

    /// The gateway for a family, if it is known and can be reached directly.
    pub(super) fn gateway_for(&self, family: IpAddr) -> Option<IpAddr> {
        let gateway = match family {
            IpAddr::V4(_) => self.gateway4.map(IpAddr::V4),
            IpAddr::V6(_) => self.gateway6.map(IpAddr::V6),
        };
        gateway.filter(|gateway| self.is_inside(*gateway))
    }
}

/// Whether both ends can be those of a tunnel. A netmask as the second end is looked at elsewhere.
fn is_usable_v4(ifconfig: Ifconfig4, notes: &mut Notes) -> bool {
    let is_unicast = |it: Ipv4Addr| {
        !(it.octets()[0] == 0 || it.is_loopback() || it.octets()[0] >= FIRST_MULTICAST)
    };
    let mask = as_prefix(ifconfig.second).is_some();
    for address in [
        Some(ifconfig.local),
        Some(ifconfig.second).filter(|_| !mask),
    ] {
        if let Some(address) = address.filter(|it| !is_unicast(*it)) {
            notes.add(
                "ifconfig",
                format!("{address} cannot be an address of a tunnel"),
            );
            return false;
        }
    }
    true
}

fn is_usable_v6(ifconfig: Ifconfig6, notes: &mut Notes) -> bool {
    let address = ifconfig.network.addr();
    let usable = !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.to_ipv4_mapped().is_some());
    if !usable {
        notes.add(
            "ifconfig-ipv6",
            format!("{address} cannot be an address of a tunnel"),
        );
    }
    usable
}

/// With an address comes a route to its subnet, which must not be most of the world: no site has as much.
fn with_sane_prefix(network: Ipv6Net, notes: &mut Notes) -> Ipv6Net {
    if network.prefix_len() >= SHORTEST_IPV6_PREFIX {
        return network;
    }
    let text =
        format!("the prefix of {network} is too short for a subnet: the address is taken alone");
    notes.add("ifconfig-ipv6", text);
    network.addr().into()
}

/// 224.0.0.0 and what follows is no single host's.
const FIRST_MULTICAST: u8 = 224;
/// Providers get no more than this.
const SHORTEST_IPV6_PREFIX: u8 = 16;

/// The topology, corrected where the second address shows that it cannot be.
fn topology(tunnel: &TunnelOptions, ifconfig: Ifconfig4, notes: &mut Notes) -> Topology {
    let named = tunnel.topology.unwrap_or_default();
    let is_mask = as_prefix(ifconfig.second).is_some();
    match named {
        Topology::Subnet if !is_mask => {
            let text = format!("{} is no netmask: taken as the far end", ifconfig.second);
            notes.add("topology", text);
            Topology::P2p
        }
        Topology::Net30 | Topology::P2p if is_mask => {
            let text = format!("{} is a netmask: taken as topology subnet", ifconfig.second);
            notes.add("topology", text);
            Topology::Subnet
        }
        Topology::Net30 | Topology::P2p | Topology::Subnet => named,
    }
}

fn device_address(ifconfig: Ifconfig4, topology: Topology, notes: &mut Notes) -> DeviceAddress {
    let (prefix, peer) = match topology {
        Topology::Subnet => (as_prefix(ifconfig.second).unwrap_or(32), None),
        Topology::P2p => (32, Some(ifconfig.second)),
        Topology::Net30 => {
            let net = Ipv4Net::new(ifconfig.local, 30).map(|net| net.contains(&ifconfig.second));
            if net == Ok(true) {
                (30, Some(ifconfig.second))
            } else {
                let text = "both ends are not in the same /30: taken as topology p2p";
                notes.add("ifconfig", text);
                (32, Some(ifconfig.second))
            }
        }
    };
    let network = Ipv4Net::new(ifconfig.local, prefix).unwrap_or_else(|_| ifconfig.local.into());
    DeviceAddress {
        network: IpNet::V4(network),
        peer: peer.map(IpAddr::V4),
    }
}

/// The prefix length of a netmask; an address that could be a far end is none.
fn as_prefix(mask: Ipv4Addr) -> Option<u8> {
    let prefix = ipnet::ip_mask_to_prefix(mask.into()).ok()?;
    (prefix >= 8).then_some(prefix)
}
