//! Name resolution as options say it: `dns` and `dhcp-option`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::engine::netplan::{DnsSec, DnsTransport};

/// All `dns` lines together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsOptions {
    /// `dns server N ...`, by priority: the lowest is the most wanted.
    pub servers: BTreeMap<i8, DnsServerOption>,
    /// `dns search-domains`.
    pub search_domains: Vec<String>,
}

/// `dns server N ...`, joined over its lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsServerOption {
    /// Addresses with ports; a port of 0 is the transport's default. At most eight.
    pub addresses: Vec<(IpAddr, u16)>,
    /// `resolve-domains`: the only domains that this server is for.
    pub resolve_domains: Vec<String>,
    /// `dnssec`.
    pub dnssec: Option<DnsSec>,
    /// `transport`.
    pub transport: Option<DnsTransport>,
    /// `sni`: the name for TLS.
    pub sni: Option<String>,
}

/// One `dhcp-option` that this client knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DhcpOption {
    /// `ADAPTER_DOMAIN_SUFFIX`: the first of the search domains.
    AdapterDomainSuffix(String),
    /// `DNS` and `DNS6`.
    Dns(IpAddr),
    /// `DOMAIN`.
    Domain(Vec<String>),
    /// `DOMAIN-SEARCH`.
    DomainSearch(Vec<String>),
    /// `PROXY_AUTO_CONFIG_URL`, `PROXY_BYPASS`, `PROXY_HTTP`, `PROXY_HTTPS`: shown, not applied.
    Proxy(String),
}
