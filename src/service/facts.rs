//! What `status` tells of a session: one table of names, from the session loop to the bus, to JSON and to people.

use std::time::Instant;

use super::dbus::call::{ConnectionView, Facts};
use super::narration::Narration;
use super::rates::Rate;
use crate::engine::data::stats::Stats;
use crate::engine::netplan::{DnsServer, NetPlan, Route, RouteVia};
use crate::engine::session::machine::Session;

/// A fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A list, which may be empty.
    List(Vec<String>),
    /// A number.
    Number(u64),
    /// A text.
    Text(String),
}

/// Every fact: its name, in JSON and on the bus; the kind of its value; what it means. In the order in which they are
/// written. A fact that there is not is left out.
pub const TABLE: &[(&str, &str, &str)] = &[
    ("instance", "string", "The instance of the unit."),
    ("profile", "string", "The profile's name."),
    (
        "session_path",
        "string",
        "The session manager's object of the session.",
    ),
    ("state", "string", "What the session is at, in words."),
    (
        "since",
        "string",
        "Since when it is at that, as 2026-11-24T10:24:33Z.",
    ),
    (
        "since_seconds",
        "number",
        "The same, in seconds since 1970.",
    ),
    (
        "status",
        "string",
        "The last status of the D-Bus interface, in words.",
    ),
    (
        "detail",
        "string",
        "What is waited for, and what went wrong before.",
    ),
    ("question", "string", "A question to a person that is open."),
    ("server", "string", "The server as the profile names it."),
    ("address", "string", "The server's address."),
    ("port", "number", "The server's port."),
    ("protocol", "string", "udp or tcp."),
    ("device", "string", "The TUN device."),
    ("mtu", "number", "The device's MTU in bytes."),
    ("cipher", "string", "The cipher of the data channel."),
    ("tls", "string", "Version, cipher suite and key exchange group of TLS."),
    (
        "server_certificate",
        "string",
        "The subject of the server's certificate.",
    ),
    (
        "addresses",
        "array of strings",
        "Our addresses in the tunnel, with their prefix lengths.",
    ),
    (
        "routes",
        "array of strings",
        "Networks that are reached through the tunnel.",
    ),
    (
        "routes_beside",
        "array of strings",
        "Networks and hosts that are reached beside the tunnel.",
    ),
    (
        "dns_servers",
        "array of strings",
        "DNS servers of the tunnel.",
    ),
    (
        "dns_domains",
        "array of strings",
        "Domains that those servers alone resolve; none: they resolve everything.",
    ),
    (
        "dns_search",
        "array of strings",
        "Domains that short names are looked for in.",
    ),
    (
        "bytes_received",
        "number",
        "Bytes from the server, since the process began.",
    ),
    (
        "bytes_sent",
        "number",
        "Bytes to the server, since the process began.",
    ),
    (
        "bytes_received_per_second",
        "number",
        "The same per second, over the last seconds.",
    ),
    (
        "bytes_sent_per_second",
        "number",
        "The same per second, over the last seconds.",
    ),
    (
        "handshake_age_seconds",
        "number",
        "How long ago the handshake of the present key was.",
    ),
    (
        "renegotiation_in_seconds",
        "number",
        "When we negotiate the next key by ourselves; the server may come first.",
    ),
];

/// Gathers the facts of a session at `now`.
#[must_use]
pub fn gather(
    session: &Session,
    narration: &Narration,
    (stats, rate): (&Stats, Option<Rate>),
    now: Instant,
) -> Facts {
    let mut facts = Facts::new();
    let mut text = |name, value: &str| {
        if !value.is_empty() {
            facts.insert(name, Fact::Text(value.to_owned()));
        }
    };
    text("profile", session.profile_name());
    text("state", narration.what());
    text("status", &session.status().to_string());
    text(
        "detail",
        &session.doing().map_or_else(String::new, |it| it.detail),
    );
    if let Some(question) = session.questions().open_questions().next() {
        text("question", &question.description);
    }
    text("server", session.host());
    if let Some(device) = session.device() {
        text("device", &device.name);
    }
    if let Some(established) = session.established() {
        text("cipher", &established.cipher.to_string());
        text("tls", &established.tls);
        text("server_certificate", &established.server_subject);
        let times = established.key_times;
        let age = now.saturating_duration_since(times.negotiated_at);
        number(&mut facts, "handshake_age_seconds", age.as_secs());
        if let Some(at) = times.renewal_at {
            let left = at.saturating_duration_since(now);
            number(&mut facts, "renegotiation_in_seconds", left.as_secs());
        }
    }
    if let Some(since) = narration.since() {
        number(&mut facts, "since_seconds", since);
        let written = super::wall_time::for_programs(since);
        facts.insert("since", Fact::Text(written));
    }
    if let Some(plan) = session.plan() {
        of_plan(&mut facts, plan);
    }
    of_traffic(&mut facts, stats, rate);
    facts
}

/// The facts of a connection that stands.
pub fn of_connection(facts: &mut Facts, connection: &ConnectionView) {
    let text = |value: &str| Fact::Text(value.to_owned());
    facts.insert("server", text(&connection.host));
    facts.insert("address", text(&connection.address));
    facts.insert("protocol", text(&connection.protocol));
    number(facts, "port", u64::from(connection.port));
}

fn of_traffic(facts: &mut Facts, stats: &Stats, rate: Option<Rate>) {
    number(facts, "bytes_received", stats.received.bytes);
    number(facts, "bytes_sent", stats.sent.bytes);
    if let Some(rate) = rate {
        number(facts, "bytes_received_per_second", rate.received);
        number(facts, "bytes_sent_per_second", rate.sent);
    }
}

fn of_plan(facts: &mut Facts, plan: &NetPlan) {
    let mut list = |name, values: Vec<String>| facts.insert(name, Fact::List(values));
    let addresses = plan.addresses.iter().map(|it| it.network.to_string());
    list("addresses", addresses.collect());
    let through = |route: &&Route| matches!(route.via, RouteVia::Tunnel(_));
    let inside = plan.routes.iter().filter(through);
    list(
        "routes",
        inside.map(|it| it.destination.to_string()).collect(),
    );
    let beside = plan.routes.iter().filter(|route| !through(route));
    let beside = beside.map(|it| it.destination.to_string());
    let bypass = plan.bypass.iter().map(ToString::to_string);
    list("routes_beside", beside.chain(bypass).collect());
    let servers = plan.dns.servers.iter().map(dns_server);
    list("dns_servers", servers.collect());
    list("dns_domains", plan.dns.routing_domains.clone());
    list("dns_search", plan.dns.search_domains.clone());
    number(facts, "mtu", u64::from(plan.mtu));
}

fn dns_server(server: &DnsServer) -> String {
    match server.address.port() {
        0 => server.address.ip().to_string(),
        _ => server.address.to_string(),
    }
}

fn number(facts: &mut Facts, name: &'static str, value: u64) {
    facts.insert(name, Fact::Number(value));
}
