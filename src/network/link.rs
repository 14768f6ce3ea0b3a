//! The device itself: up, MTU, queue, addresses.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressHeaderFlag, AddressMessage};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkFlag, LinkMessage, Prop,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use tracing::debug;

use crate::network::netlink::{Ask, Kernel};
use openvpn_engine::netplan::DeviceAddress;

/// What of a link can be set, as found or as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkSettings {
    /// In bytes.
    pub(crate) mtu: u32,
    /// In packets; `None` leaves it as it is.
    pub(crate) queue_length: Option<u32>,
    /// Whether the link is up.
    pub(crate) up: bool,
}

/// Reads the name and the settings of a link.
pub(crate) async fn read(kernel: &Kernel, index: u32) -> io::Result<(String, LinkSettings)> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let answers = kernel
        .request(RouteNetlinkMessage::GetLink(message), Ask::Query)
        .await?;
    let Some(RouteNetlinkMessage::NewLink(link)) = answers.into_iter().next() else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the kernel describes no link",
        ));
    };
    let mut name = String::new();
    let mut settings = LinkSettings {
        mtu: 0,
        queue_length: None,
        up: link.header.flags.contains(&LinkFlag::Up),
    };
    for attribute in link.attributes {
        if let LinkAttribute::IfName(text) = attribute {
            name = text;
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            settings.mtu = mtu;
        } else if let LinkAttribute::TxQueueLen(length) = attribute {
            settings.queue_length = Some(length);
        }
    }
    Ok((name, settings))
}

/// Sets a link.
pub(crate) async fn write(kernel: &Kernel, index: u32, settings: LinkSettings) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.change_mask.push(LinkFlag::Up);
    if settings.up {
        message.header.flags.push(LinkFlag::Up);
    }
    message.attributes.push(LinkAttribute::Mtu(settings.mtu));
    if let Some(length) = settings.queue_length {
        message.attributes.push(LinkAttribute::TxQueueLen(length));
    }
    perform_on_link(kernel, message).await
}

/// Keeps the kernel from making a link-local IPv6 address by itself: the server chooses the addresses of a tunnel.
pub(crate) async fn generate_no_addresses(kernel: &Kernel, index: u32) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
        .attributes
        .push(LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(
            vec![AfSpecInet6::AddrGenMode(ADDR_GEN_MODE_NONE)],
        )]));
    perform_on_link(kernel, message).await
}

/// Gives the link the alternative name by which others know it for one of ours (`packaging/networkd`). A link that is taken
/// over has it already.
pub(super) async fn mark_as_ours(kernel: &Kernel, index: u32, name: &str) -> io::Result<()> {
    let request = RouteNetlinkMessage::NewLinkProp(alternative_name(index, name));
    match kernel.request(request, Ask::Create).await {
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Takes the alternative name back; a link without it is as good.
pub(super) async fn unmark(kernel: &Kernel, index: u32, name: &str) {
    let request = RouteNetlinkMessage::DelLinkProp(alternative_name(index, name));
    if let Err(error) = kernel.request(request, Ask::Perform).await {
        debug!(device = %name, %error, "the alternative name stays");
    }
}

fn alternative_name(index: u32, name: &str) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    let names = vec![Prop::AltIfName(format!("openvpn3-backend-{name}"))];
    message.attributes.push(LinkAttribute::PropList(names));
    message
}

async fn perform_on_link(kernel: &Kernel, message: LinkMessage) -> io::Result<()> {
    kernel
        .request(RouteNetlinkMessage::SetLink(message), Ask::Perform)
        .await?;
    Ok(())
}

/// Adds an address. One that is there already is as good.
pub(crate) async fn add_address(
    kernel: &Kernel,
    index: u32,
    address: DeviceAddress,
) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(address_message(index, address));
    kernel.request(message, Ask::CreateOrReplace).await?;
    Ok(())
}

/// Removes an address.
pub(crate) async fn remove_address(
    kernel: &Kernel,
    index: u32,
    address: DeviceAddress,
) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(address_message(index, address));
    kernel.request(message, Ask::Perform).await?;
    Ok(())
}

/// The addresses of a link that can be reached from beyond it.
pub(crate) async fn addresses(kernel: &Kernel, index: u32) -> io::Result<Vec<DeviceAddress>> {
    let answers = kernel
        .request(
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            Ask::Dump,
        )
        .await?;
    Ok(answers
        .iter()
        .filter_map(|answer| {
            let RouteNetlinkMessage::NewAddress(message) = answer else {
                return None;
            };
            (message.header.index == index)
                .then(|| address_of(message))
                .flatten()
        })
        .collect())
}

fn address_message(index: u32, address: DeviceAddress) -> AddressMessage {
    let local = address.network.addr();
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = address.network.prefix_len();
    message.attributes.push(AddressAttribute::Local(local));
    message
        .attributes
        .push(AddressAttribute::Address(far_end(address).unwrap_or(local)));
    match address.network {
        IpNet::V4(network) => {
            message.header.family = AddressFamily::Inet;
            if address.peer.is_none() && network.prefix_len() < 31 {
                message
                    .attributes
                    .push(AddressAttribute::Broadcast(network.broadcast()));
            }
        }
        IpNet::V6(_) => {
            message.header.family = AddressFamily::Inet6;
            message.header.flags.push(AddressHeaderFlag::Nodad);
        }
    }
    message
}

/// The far end, where it says more than the prefix does.
fn far_end(address: DeviceAddress) -> Option<IpAddr> {
    let peer = address.peer?;
    let known =
        peer.is_ipv6() && address.network.contains(&peer) && address.network.prefix_len() < 128;
    (peer.is_ipv4() == address.network.addr().is_ipv4() && !known).then_some(peer)
}

fn address_of(message: &AddressMessage) -> Option<DeviceAddress> {
    let mut local = None;
    let mut far = None;
    for attribute in &message.attributes {
        if let AddressAttribute::Local(address) = attribute {
            local = Some(*address);
        } else if let AddressAttribute::Address(address) = attribute {
            far = Some(*address);
        }
    }
    let address = local.or(far)?;
    if let IpAddr::V6(v6) = address {
        if v6.is_unicast_link_local() {
            return None;
        }
    }
    Some(DeviceAddress {
        network: IpNet::new(address, message.header.prefix_len).ok()?,
        peer: far.filter(|far| *far != address),
    })
}

/// `IN6_ADDR_GEN_MODE_NONE` of `linux/if_link.h`.
const ADDR_GEN_MODE_NONE: u8 = 1;
