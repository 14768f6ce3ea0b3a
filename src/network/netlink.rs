//! The netlink connection: one request, its answers, or the kernel's error.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the lists of the kernel's messages are open"
)]

use std::io;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{
    RouteAttribute, RouteFlag, RouteMessage, RouteProtocol, RouteType,
};
use netlink_sys::{AsyncSocket, SocketAddr};
use rtnetlink::Handle;
use rtnetlink::constants::{
    RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_IFADDR, RTMGRP_IPV6_ROUTE, RTMGRP_LINK,
};
use tokio::task::JoinHandle;

/// A connection to the kernel's routing part, in the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Kernel {
    handle: Handle,
    driver: JoinHandle<()>,
}

/// What has changed, again and again.
pub(crate) type Listener = BoxStream<'static, Notice>;

/// What the kernel tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A link, an address, or a route of ours that is new.
    Other,
    /// A route of somebody else came or went, or one of ours went.
    Route,
    /// The kernel changed the route of a subnet of this interface.
    Subnet(Option<u32>),
    /// A rule went.
    Rule,
}

/// How a request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Make it; it is an error if it exists.
    Create,
    /// Make it, or change what is there.
    CreateOrReplace,
    /// Tell everything of this kind.
    Dump,
    /// Do it.
    Perform,
    /// Tell one thing.
    Query,
}

impl Kernel {
    /// Opens the connection. Needs a running tokio runtime.
    pub(crate) fn open() -> io::Result<Self> {
        let (connection, handle, _unsolicited) = rtnetlink::new_connection()?;
        Ok(Self {
            handle,
            driver: tokio::spawn(connection),
        })
    }

    /// Opens the connection, with a stream that has an item whenever a link, an address or a route has changed.
    pub(crate) fn listen() -> io::Result<(Self, Listener)> {
        let (mut connection, handle, unsolicited) = rtnetlink::new_connection()?;
        let groups = RTMGRP_LINK
            | RTMGRP_IPV4_IFADDR
            | RTMGRP_IPV4_ROUTE
            | RTMGRP_IPV6_IFADDR
            | RTMGRP_IPV6_ROUTE;
        let socket = connection.socket_mut().socket_mut();
        socket.bind(&SocketAddr::new(0, groups))?;
        for group in [RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE] {
            socket.add_membership(group)?;
        }
        let this = Self {
            handle,
            driver: tokio::spawn(connection),
        };
        Ok((
            this,
            unsolicited.map(|(message, _)| notice(&message)).boxed(),
        ))
    }

    /// Sends one request and collects what comes back.
    pub(crate) async fn request(
        &self,
        message: RouteNetlinkMessage,
        ask: Ask,
    ) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST
            | match ask {
                Ask::Create => NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                Ask::CreateOrReplace => NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
                Ask::Dump => NLM_F_DUMP,
                Ask::Perform => NLM_F_ACK,
                Ask::Query => 0,
            };
        let mut answers = self.handle.clone().request(request).map_err(|_| {
            io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the netlink connection is closed",
            )
        })?;
        let mut got = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) => got.push(inner),
                _ => {}
            }
        }
        Ok(got)
    }
}

fn notice(message: &NetlinkMessage<RouteNetlinkMessage>) -> Notice {
    match &message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
            of_route(route, false)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(route)) => of_route(route, true),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRule(_)) => Notice::Rule,
        _ => Notice::Other,
    }
}

fn of_route(route: &RouteMessage, gone: bool) -> Notice {
    let header = &route.header;
    let is_ours = header.protocol == RouteProtocol::Other(ROUTE_PROTOCOL);
    let leads_out = !matches!(
        header.kind,
        RouteType::Local | RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast
    );
    if !leads_out || header.flags.contains(&RouteFlag::Cloned) || (is_ours && !gone) {
        return Notice::Other;
    }
    if header.protocol != RouteProtocol::Kernel {
        return Notice::Route;
    }
    Notice::Subnet(
        route
            .attributes
            .iter()
            .find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            }),
    )
}

/// `RTNLGRP_IPV4_RULE` of `linux/rtnetlink.h`.
const RTNLGRP_IPV4_RULE: u32 = 8;
/// `RTNLGRP_IPV6_RULE` of `linux/rtnetlink.h`.
const RTNLGRP_IPV6_RULE: u32 = 19;

impl Drop for Kernel {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The routing protocol number of our routes (`proto 194` in `ip route`). Only routes that carry it are ever removed.
/// It is unassigned in iproute2's `rt_protos`; systemd-networkd and others leave foreign protocols alone by it.
pub const ROUTE_PROTOCOL: u8 = 194;
