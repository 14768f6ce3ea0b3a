//! Name resolution as options say it: `dns` and `dhcp-option`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::value::{Author, BadValue, choice, is_host_name, number, parsed, word};
use crate::settings::{DnsSec, DnsTransport};

/// All `dns` lines together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DnsOptions {
    /// `dns server N ...`, by priority: the lowest is the most wanted. One without an address is of no use.
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
    /// `DOMAIN-ROUTE`: names below these are resolved inside of the tunnel; `.` is all.
    DomainRoute(Vec<String>),
    /// `DOMAIN-SEARCH`.
    DomainSearch(Vec<String>),
    /// `PROXY_AUTO_CONFIG_URL`, `PROXY_BYPASS`, `PROXY_HTTP`, `PROXY_HTTPS`: shown, not applied.
    Proxy(String),
}

impl DhcpOption {
    /// Whether it takes the place of one before it: an adapter has one suffix.
    #[must_use]
    pub const fn replaces(&self, before: &Self) -> bool {
        matches!(
            (self, before),
            (Self::AdapterDomainSuffix(_), Self::AdapterDomainSuffix(_))
        )
    }
}

/// The most addresses that one server may have.
const MAX_ADDRESSES: usize = 8;

impl DnsOptions {
    /// Takes one `dns` line in.
    ///
    /// # Errors
    ///
    /// [`BadValue`] if an argument cannot be used; nothing is changed then.
    pub fn apply(&mut self, args: &[&str], author: Author) -> Result<(), BadValue> {
        match word(args, 0)? {
            "search-domains" => {
                self.search_domains.extend(domains(args, 1)?);
                Ok(())
            }
            "server" => {
                let range = match author {
                    Author::Server { .. } => 0..=i8::MAX,
                    Author::User => i8::MIN..=i8::MAX,
                };
                let priority = number(args, 1, range)?;
                let mut server = self.servers.get(&priority).cloned().unwrap_or_default();
                server.apply(args)?;
                self.servers.insert(priority, server);
                Ok(())
            }
            other => Err(BadValue::new(0, other, "search-domains or server")),
        }
    }

    /// The servers that no line gives an address, so that they are of no use.
    pub fn without_address(&self) -> impl Iterator<Item = i8> {
        let lacking = self
            .servers
            .iter()
            .filter(|(_, server)| server.addresses.is_empty());
        lacking.map(|(priority, _)| *priority)
    }

    /// The profile's with those pushed: a pushed server takes the place of one with the same priority.
    #[must_use]
    pub fn merged(&self, pushed: &Self) -> Self {
        let mut servers = self.servers.clone();
        servers.extend(
            pushed
                .servers
                .iter()
                .map(|(priority, server)| (*priority, server.clone())),
        );
        let search = if pushed.search_domains.is_empty() {
            self
        } else {
            pushed
        };
        Self {
            servers,
            search_domains: search.search_domains.clone(),
        }
    }
}

impl DnsServerOption {
    /// Takes `server N sub args...` in.
    fn apply(&mut self, args: &[&str]) -> Result<(), BadValue> {
        word(args, 3)?;
        match word(args, 2)? {
            "address" => {
                for (index, text) in args.iter().enumerate().skip(3) {
                    if self.addresses.len() == MAX_ADDRESSES {
                        return Err(BadValue::new(
                            index,
                            text,
                            "at most 8 addresses for a server",
                        ));
                    }
                    let right = "1.2.3.4, 1.2.3.4:53, fd00::1 or [fd00::1]:53";
                    let address =
                        address_and_port(text).ok_or_else(|| BadValue::new(index, text, right))?;
                    self.addresses.push(address);
                }
            }
            "resolve-domains" => self.resolve_domains.extend(domains(args, 3)?),
            "dnssec" => self.dnssec = Some(choice(last(args, 3)?, 3, DNSSEC)?),
            "transport" => self.transport = Some(choice(last(args, 3)?, 3, TRANSPORTS)?),
            "sni" => {
                let name = domains(last(args, 3)?, 3)?;
                self.sni = name.into_iter().next();
            }
            other => {
                let right = "address, resolve-domains, dnssec, transport or sni";
                return Err(BadValue::new(2, other, right));
            }
        }
        Ok(())
    }
}

const DNSSEC: &[(&str, DnsSec)] = &[
    ("yes", DnsSec::Yes),
    ("no", DnsSec::No),
    ("optional", DnsSec::Optional),
];
const TRANSPORTS: &[(&str, DnsTransport)] = &[
    ("plain", DnsTransport::Plain),
    ("DoH", DnsTransport::Https),
    ("DoT", DnsTransport::Tls),
];

/// An address in any of its forms: bare, with a port, in brackets.
fn address_and_port(text: &str) -> Option<(IpAddr, u16)> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some((address, 0));
    }
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (address, "") => (address, None),
            (address, port) => (address, Some(port.strip_prefix(':')?)),
        },
        None => text
            .split_once(':')
            .map(|(address, port)| (address, Some(port)))?,
    };
    let port = port.map_or(Some(0), |port| port.parse().ok().filter(|port| *port != 0))?;
    Some((address.parse().ok()?, port))
}

/// The arguments, if the one at `index` is the last of them.
fn last<'a, 'b>(args: &'a [&'b str], index: usize) -> Result<&'a [&'b str], BadValue> {
    match args.get(index + 1) {
        None => Ok(args),
        Some(surplus) => Err(BadValue::because(
            index + 1,
            format!("\"{surplus}\" is one word too many"),
            "one value on each line",
        )),
    }
}

fn domains(args: &[&str], from: usize) -> Result<Vec<String>, BadValue> {
    word(args, from)?;
    let mut names = Vec::new();
    for (index, text) in args.iter().enumerate().skip(from) {
        for name in text.split_whitespace() {
            if !is_host_name(name) {
                return Err(BadValue::new(index, name, "a domain"));
            }
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// One `dhcp-option`. The inner error says why one is known, but without effect.
pub(super) fn dhcp_option(args: &[&str]) -> Result<Result<DhcpOption, String>, BadValue> {
    let kind = word(args, 0)?;
    Ok(Ok(match kind {
        "DNS" | "DNS6" => DhcpOption::Dns(parsed(last(args, 1)?, 1, "an IP address")?),
        "DOMAIN" => DhcpOption::Domain(domains(args, 1)?),
        "DOMAIN-SEARCH" => DhcpOption::DomainSearch(domains(args, 1)?),
        "DOMAIN-ROUTE" => DhcpOption::DomainRoute(domains(args, 1)?),
        "ADAPTER_DOMAIN_SUFFIX" => match domains(last(args, 1)?, 1)?.into_iter().next() {
            Some(domain) => DhcpOption::AdapterDomainSuffix(domain),
            None => return Err(BadValue::new(1, "", "a domain")),
        },
        "PROXY_HTTP" | "PROXY_HTTPS" | "PROXY_BYPASS" | "PROXY_AUTO_CONFIG_URL" => {
            word(args, 1)?;
            DhcpOption::Proxy(args.join(" "))
        }
        "WINS" | "NBS" | "NBT" | "NBDD" | "NTP" | "DISABLE-NBT" => {
            return Ok(Err(format!("{kind} is for Windows")));
        }
        other => return Ok(Err(format!("the kind {other} is unknown"))),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Author = Author::Server { host_names: false };

    #[test]
    fn addresses_are_read_in_all_their_forms() {
        let mut dns = DnsOptions::default();
        dns.apply(&["server", "-2", "address", "[2.2.2.2]:5353"], Author::User)
            .unwrap();
        dns.apply(
            &[
                "server",
                "3",
                "address",
                "3::3",
                "3.2.1.0:4242",
                "[3:3::3:3]:3333",
            ],
            SERVER,
        )
        .unwrap();

        assert_eq!(
            dns.servers[&-2].addresses,
            [("2.2.2.2".parse().unwrap(), 5353)]
        );
        assert_eq!(
            dns.servers[&3].addresses,
            [
                ("3::3".parse().unwrap(), 0),
                ("3.2.1.0".parse().unwrap(), 4242),
                ("3:3::3:3".parse().unwrap(), 3333)
            ]
        );
        assert_eq!(dns.servers.keys().copied().collect::<Vec<_>>(), [-2, 3]);
    }

    #[test]
    fn a_surplus_word_is_an_error() {
        let mut dns = DnsOptions::default();
        for line in [
            &["server", "0", "dnssec", "yes", "no"],
            &["server", "0", "transport", "DoT", "plain"],
            &["server", "0", "sni", "a.example", "b.example"],
        ] {
            assert!(dns.apply(line, SERVER).is_err(), "{line:?}");
        }
        assert!(dhcp_option(&["DNS", "1.1.1.1", "2.2.2.2"]).is_err());
        assert!(dhcp_option(&["ADAPTER_DOMAIN_SUFFIX", "a", "b"]).is_err());
        assert_eq!(dns, DnsOptions::default());
    }

    #[test]
    fn a_ninth_address_is_refused() {
        let mut dns = DnsOptions::default();
        let line = [
            "server", "0", "address", "1.1.1.1", "2.2.2.2", "3.3.3.3", "4.4.4.4",
        ];
        dns.apply(&line, SERVER).unwrap();
        dns.apply(&line, SERVER).unwrap();
        assert!(
            dns.apply(&["server", "0", "address", "9.9.9.9"], SERVER)
                .is_err()
        );
    }

    #[test]
    fn a_server_may_not_push_a_negative_priority() {
        assert!(
            DnsOptions::default()
                .apply(&["server", "-1", "address", "1.1.1.1"], SERVER)
                .is_err()
        );
    }

    #[test]
    fn a_pushed_server_takes_the_place_of_the_profiles() {
        let mut local = DnsOptions::default();
        local
            .apply(&["server", "1", "address", "1.1.1.1"], Author::User)
            .unwrap();
        local
            .apply(&["server", "2", "address", "2.2.2.2"], Author::User)
            .unwrap();
        let mut pushed = DnsOptions::default();
        pushed
            .apply(&["server", "2", "address", "9.9.9.9"], SERVER)
            .unwrap();

        let merged = local.merged(&pushed);
        assert_eq!(merged.servers[&1].addresses[0].0.to_string(), "1.1.1.1");
        assert_eq!(merged.servers[&2].addresses[0].0.to_string(), "9.9.9.9");
    }

    #[test]
    fn search_domains_may_stand_in_one_argument() {
        assert_eq!(
            dhcp_option(&["DOMAIN-SEARCH", "a.example b.example", "c.example"]),
            Ok(Ok(DhcpOption::DomainSearch(vec![
                "a.example".into(),
                "b.example".into(),
                "c.example".into()
            ])))
        );
    }

    #[test]
    fn an_unknown_kind_has_no_effect_but_is_no_error() {
        assert!(dhcp_option(&["NTP", "1.2.3.4"]).unwrap().is_err());
        assert!(dhcp_option(&["DNS", "nonsense"]).is_err());
    }
}
