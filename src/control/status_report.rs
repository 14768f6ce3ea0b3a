//! What `status` tells of a session: one table of names, from the session loop to the bus, to JSON and to people.

use std::time::Instant;

use crate::control::call::{ConnectionView, StatusField, StatusReport};
use crate::control::rates::Rate;
use crate::control::status_text::StatusText;
use openvpn_engine::data::Stats;
use openvpn_engine::netplan::{DnsServer, NetPlan, Route, RouteVia};
use openvpn_engine::session::Session;

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
    (
        "tls",
        "string",
        "Version, cipher suite and key exchange group of TLS.",
    ),
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
    status_text: &StatusText,
    (stats, rate): (&Stats, Option<Rate>),
    now: Instant,
) -> StatusReport {
    let mut status_report = StatusReport::new();
    let mut text = |name, value: &str| {
        if !value.is_empty() {
            status_report.insert(name, StatusField::Text(value.to_owned()));
        }
    };
    text("profile", session.profile_name());
    text("state", status_text.what());
    text("status", &session.status().to_string());
    text(
        "detail",
        &session.activity().map_or_else(String::new, |it| it.detail),
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
        number(&mut status_report, "handshake_age_seconds", age.as_secs());
        if let Some(at) = times.renewal_at {
            let left = at.saturating_duration_since(now);
            number(
                &mut status_report,
                "renegotiation_in_seconds",
                left.as_secs(),
            );
        }
    }
    if let Some(since) = status_text.since() {
        number(&mut status_report, "since_seconds", since);
        let written = crate::sys::wall_time::for_programs(since);
        status_report.insert("since", StatusField::Text(written));
    }
    if let Some(plan) = session.plan() {
        of_plan(&mut status_report, plan);
    }
    of_traffic(&mut status_report, stats, rate);
    status_report
}

/// The facts of a connection that stands.
pub fn of_connection(status_report: &mut StatusReport, connection: &ConnectionView) {
    let text = |value: &str| StatusField::Text(value.to_owned());
    status_report.insert("server", text(&connection.host));
    status_report.insert("address", text(&connection.address));
    status_report.insert("protocol", text(&connection.protocol));
    number(status_report, "port", u64::from(connection.port));
}

fn of_traffic(status_report: &mut StatusReport, stats: &Stats, rate: Option<Rate>) {
    number(status_report, "bytes_received", stats.received.bytes);
    number(status_report, "bytes_sent", stats.sent.bytes);
    if let Some(rate) = rate {
        number(status_report, "bytes_received_per_second", rate.received);
        number(status_report, "bytes_sent_per_second", rate.sent);
    }
}

fn of_plan(status_report: &mut StatusReport, plan: &NetPlan) {
    let mut list =
        |name, values: Vec<String>| status_report.insert(name, StatusField::List(values));
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
    number(status_report, "mtu", u64::from(plan.mtu));
}

fn dns_server(server: &DnsServer) -> String {
    match server.address.port() {
        0 => server.address.ip().to_string(),
        _ => server.address.to_string(),
    }
}

fn number(status_report: &mut StatusReport, name: &'static str, value: u64) {
    status_report.insert(name, StatusField::Number(value));
}
