//! Rules of policy routing that lead to our own routing table: add, remove, list.

use std::io;

use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::network::netlink::ROUTE_PROTOCOL;
use crate::network::netlink::{Ask, Kernel};
use crate::network::route;

/// "All packets of a family are looked up in this table first."
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// IPv6, else IPv4.
    pub(crate) v6: bool,
    /// The table's number.
    pub(crate) table: u32,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let family = if self.v6 { "IPv6" } else { "IPv4" };
        write!(f, "{family} lookup {}", self.table)
    }
}

/// Adds a rule; one that is there already is as good.
pub(crate) async fn add(kernel: &Kernel, rule: Rule) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewRule(message_of(rule));
    match kernel.request(message, Ask::Create).await {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Removes a rule; one that is gone already is as good.
pub(crate) async fn remove(kernel: &Kernel, rule: Rule) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelRule(message_of(rule));
    match kernel.request(message, Ask::Perform).await {
        Err(error) if route::is_gone(&error) => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Our rules that lead to a table.
pub(crate) async fn list(kernel: &Kernel, table: u32) -> io::Result<Vec<Rule>> {
    let mut found = Vec::new();
    for v6 in [false, true] {
        let mut message = RuleMessage::default();
        message.header.family = family(v6);
        let answers = kernel
            .request(RouteNetlinkMessage::GetRule(message), Ask::Dump)
            .await?;
        for answer in answers {
            if let RouteNetlinkMessage::NewRule(message) = answer {
                if is_ours(&message, table) {
                    found.push(Rule { v6, table });
                }
            }
        }
    }
    Ok(found)
}

fn is_ours(message: &RuleMessage, table: u32) -> bool {
    let has = |wanted: &RuleAttribute| message.attributes.contains(wanted);
    has(&RuleAttribute::Table(table))
        && has(&RuleAttribute::Priority(PRIORITY))
        && has(&RuleAttribute::Protocol(RouteProtocol::Other(
            ROUTE_PROTOCOL,
        )))
}

fn message_of(rule: Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = family(rule.v6);
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![
        RuleAttribute::Priority(PRIORITY),
        RuleAttribute::Table(rule.table),
        RuleAttribute::Protocol(RouteProtocol::Other(ROUTE_PROTOCOL)),
    ];
    message
}

const fn family(v6: bool) -> AddressFamily {
    if v6 {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    }
}

/// Before the main table (32766), after rules that an administrator or another program gave a place of their own.
const PRIORITY: u32 = 32_000;
