//! Addresses, routes and redirection as options say them, in the profile as well as pushed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::dns::{self, DhcpOption, DnsOptions};
pub use super::redirect::Redirect;
pub use super::value::Author;
use super::value::{BadValue, choice, is_host_name, netmask, number, parsed, word};

/// All options about the tunnel's network, of the profile or of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TunnelOptions {
    /// `ifconfig`.
    pub ifconfig: Option<Ifconfig4>,
    /// `ifconfig-ipv6`.
    pub ifconfig_ipv6: Option<Ifconfig6>,
    /// `topology`.
    pub topology: Option<Topology>,
    /// `route-gateway`.
    pub route_gateway: Option<RouteGateway>,
    /// `route-ipv6-gateway`.
    pub route_ipv6_gateway: Option<Ipv6Addr>,
    /// `route` and `route-ipv6`, in order.
    pub routes: Vec<RouteOption>,
    /// `route-metric`.
    pub route_metric: Option<u32>,
    /// `redirect-gateway` and `redirect-private`.
    pub redirect: Option<Redirect>,
    /// `block-ipv4`, `block-ipv6`, `block-outside-dns`.
    pub block: Block,
    /// `dns`.
    pub dns: DnsOptions,
    /// `dhcp-option`, in order.
    pub dhcp: Vec<DhcpOption>,
}

/// What is kept from leaving the host beside the tunnel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Block {
    /// `block-ipv4`: IPv4.
    pub ipv4: bool,
    /// `block-ipv6`: IPv6.
    pub ipv6: bool,
    /// `block-outside-dns`: questions to name servers.
    pub outside_dns: bool,
}

/// What became of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is in force.
    Done,
    /// It has no effect here, for this reason.
    Ignored(String),
    /// It is not about the tunnel's network.
    NotMine,
}

impl TunnelOptions {
    /// Takes one option in.
    ///
    /// # Errors
    ///
    /// [`BadValue`] if an argument cannot be used; nothing is changed then.
    pub fn apply(
        &mut self,
        name: &str,
        args: &[&str],
        author: Author,
    ) -> Result<Applied, BadValue> {
        match name {
            "block-ipv4" => self.block.ipv4 = true,
            "block-ipv6" => self.block.ipv6 = true,
            "block-outside-dns" => self.block.outside_dns = true,
            "dhcp-option" => {
                return Ok(match dns::dhcp_option(args)? {
                    Ok(option) => {
                        self.dhcp.retain(|known| !option.replaces(known));
                        self.dhcp.push(option);
                        Applied::Done
                    }
                    Err(why) => Applied::Ignored(why),
                });
            }
            "dns" => self.dns.apply(args, author)?,
            "ifconfig" => self.ifconfig = Some(ifconfig(args)?),
            "ifconfig-ipv6" => self.ifconfig_ipv6 = Some(ifconfig_ipv6(args)?),
            "redirect-gateway" => self.redirect.get_or_insert_default().gateway(args)?,
            "redirect-private" => self.redirect.get_or_insert_default().private(args)?,
            "route" => self.routes.push(route(args, author)?),
            "route-gateway" => self.route_gateway = Some(route_gateway(args)?),
            "route-ipv6" => self.routes.push(route_ipv6(args)?),
            "route-ipv6-gateway" => {
                self.route_ipv6_gateway = Some(parsed(args, 0, "an IPv6 address")?);
            }
            "route-metric" => self.route_metric = Some(number(args, 0, METRIC)?),
            "topology" => self.topology = Some(choice(args, 0, TOPOLOGIES)?),
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }
}

const METRIC: std::ops::RangeInclusive<u32> = 0..=1_000_000;
const TOPOLOGIES: &[(&str, Topology)] = &[
    ("net30", Topology::Net30),
    ("p2p", Topology::P2p),
    ("subnet", Topology::Subnet),
];

/// `ifconfig A B`: what `second` is depends on the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ifconfig4 {
    /// Our address.
    pub local: Ipv4Addr,
    /// The netmask (`subnet`) or the far end's address (`net30`, `p2p`).
    pub second: Ipv4Addr,
}

/// `ifconfig-ipv6 A/bits [B]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ifconfig6 {
    /// Our address with its prefix length; host bits are set.
    pub network: Ipv6Net,
    /// The far end, if named.
    pub remote: Option<Ipv6Addr>,
}

/// `topology`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Topology {
    /// A /30 per client; what servers mean that push none.
    #[default]
    Net30,
    /// Two host addresses, with nothing between them.
    P2p,
    /// One subnet for all clients.
    Subnet,
}

/// `route-gateway`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteGateway {
    /// An address inside of the tunnel.
    Address(Ipv4Addr),
    /// By DHCP; only a layer-2 tunnel could ask.
    Dhcp,
}

/// `route` and `route-ipv6`, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteOption {
    /// Where to.
    pub destination: RouteDestination,
    /// Which way.
    pub gateway: RouteWay,
    /// The metric, if named; `route-metric` stands in.
    pub metric: Option<u32>,
}

/// Where a route leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteDestination {
    /// A name that must be resolved first; only from the profile, or with `allow-pull-fqdn`.
    Host {
        /// The name.
        name: String,
        /// How many bits of each of its addresses count.
        prefix: u8,
    },
    /// The default gateway that there was before the tunnel.
    NetGateway,
    /// A network without host bits.
    Network(IpNet),
    /// The server's address.
    RemoteHost,
    /// The gateway inside of the tunnel.
    VpnGateway,
}

/// Which way a route goes, as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteWay {
    /// Through this address.
    Address(IpAddr),
    /// Not said: into the tunnel.
    Default,
    /// The way the default route went before the tunnel.
    NetGateway,
    /// Through the server's own address.
    RemoteHost,
    /// Into the tunnel.
    VpnGateway,
}

fn ifconfig(args: &[&str]) -> Result<Ifconfig4, BadValue> {
    Ok(Ifconfig4 {
        local: parsed(args, 0, "an IPv4 address")?,
        second: parsed(args, 1, "a netmask, or the IPv4 address of the far end")?,
    })
}

fn ifconfig_ipv6(args: &[&str]) -> Result<Ifconfig6, BadValue> {
    let network = parsed(
        args,
        0,
        "an IPv6 address with its prefix length, like fd00::2/64",
    )?;
    let remote = if args.len() > 1 {
        Some(parsed(args, 1, "an IPv6 address")?)
    } else {
        None
    };
    Ok(Ifconfig6 { network, remote })
}

fn route_gateway(args: &[&str]) -> Result<RouteGateway, BadValue> {
    if word(args, 0)? == "dhcp" {
        return Ok(RouteGateway::Dhcp);
    }
    parsed(args, 0, "an IPv4 address").map(RouteGateway::Address)
}

fn route(args: &[&str], author: Author) -> Result<RouteOption, BadValue> {
    let text = word(args, 0)?;
    let destination = match text {
        "vpn_gateway" => RouteDestination::VpnGateway,
        "net_gateway" => RouteDestination::NetGateway,
        "remote_host" => RouteDestination::RemoteHost,
        _ => match (text.parse::<Ipv4Addr>(), text.parse::<Ipv4Net>()) {
            (Ok(address), _) => network(address, prefix(args, 32)?)?,
            (_, Ok(net)) => network(net.addr(), net.prefix_len())?,
            _ => route_host(text, prefix(args, 32)?, author)?,
        },
    };
    Ok(RouteOption {
        destination,
        gateway: way(args, 2, Family::V4)?,
        metric: metric(args, 3)?,
    })
}

fn prefix(args: &[&str], default: u8) -> Result<u8, BadValue> {
    match args.get(1) {
        None | Some(&"default") => Ok(default),
        Some(_) => netmask(args, 1),
    }
}

fn network(address: Ipv4Addr, prefix: u8) -> Result<RouteDestination, BadValue> {
    match Ipv4Net::new(address, prefix) {
        Ok(net) if net.trunc() == net => Ok(RouteDestination::Network(net.into())),
        Ok(net) => Err(host_bits(&net.to_string(), &net.trunc().to_string())),
        Err(_) => Err(BadValue::new(
            0,
            &prefix.to_string(),
            "a prefix length up to 32",
        )),
    }
}

fn host_bits(given: &str, right: &str) -> BadValue {
    BadValue::because(0, format!("{given} has bits set beyond its netmask"), right)
}

fn route_host(text: &str, prefix: u8, author: Author) -> Result<RouteDestination, BadValue> {
    match author {
        _ if !is_host_name(text) || is_broken_address(text) => {
            Err(BadValue::new(0, text, "an IPv4 network"))
        }
        Author::Server { host_names: false } => {
            let reason = "the server may not name hosts";
            Err(BadValue::because(
                0,
                reason,
                "an IPv4 network, or allow-pull-fqdn in the profile",
            ))
        }
        Author::Server { host_names: true } | Author::User => {
            let name = text.to_owned();
            Ok(RouteDestination::Host { name, prefix })
        }
    }
}

/// Whether a text that is no address was meant to be one: nothing but numbers and dots.
fn is_broken_address(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || c == '.')
}

fn route_ipv6(args: &[&str]) -> Result<RouteOption, BadValue> {
    let text = word(args, 0)?;
    let destination = match text {
        "vpn_gateway" => RouteDestination::VpnGateway,
        "net_gateway" | "net_gateway_ipv6" => RouteDestination::NetGateway,
        "remote_host" => RouteDestination::RemoteHost,
        _ => {
            let net = match text.parse::<Ipv6Addr>() {
                Ok(address) => Ipv6Net::from(address),
                Err(_) => parsed(args, 0, "an IPv6 network like fd00::/64")?,
            };
            // Unlike those of IPv4, host bits are cut off by every client.
            RouteDestination::Network(net.trunc().into())
        }
    };
    Ok(RouteOption {
        destination,
        gateway: way(args, 1, Family::V6)?,
        metric: metric(args, 2)?,
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

fn way(args: &[&str], index: usize, family: Family) -> Result<RouteWay, BadValue> {
    let right = match family {
        Family::V4 => "an IPv4 address, vpn_gateway, net_gateway, remote_host or default",
        Family::V6 => "an IPv6 address, vpn_gateway, net_gateway, remote_host or default",
    };
    match args.get(index).copied() {
        None | Some("default") => Ok(RouteWay::Default),
        Some("vpn_gateway") => Ok(RouteWay::VpnGateway),
        Some("net_gateway") => Ok(RouteWay::NetGateway),
        Some("net_gateway_ipv6") if family == Family::V6 => Ok(RouteWay::NetGateway),
        Some("remote_host") => Ok(RouteWay::RemoteHost),
        Some(text) => match parsed(args, index, right)? {
            address @ IpAddr::V4(_) if family == Family::V4 => Ok(RouteWay::Address(address)),
            address @ IpAddr::V6(_) if family == Family::V6 => Ok(RouteWay::Address(address)),
            IpAddr::V4(_) | IpAddr::V6(_) => Err(BadValue::new(index, text, right)),
        },
    }
}

fn metric(args: &[&str], index: usize) -> Result<Option<u32>, BadValue> {
    match args.get(index) {
        None | Some(&"default") => Ok(None),
        Some(_) => number(args, index, METRIC).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(lines: &[&[&str]]) -> TunnelOptions {
        let mut options = TunnelOptions::default();
        for line in lines {
            assert_eq!(
                options.apply(line[0], &line[1..], Author::User),
                Ok(Applied::Done),
                "{line:?}"
            );
        }
        options
    }

    #[test]
    fn a_route_without_netmask_leads_to_one_host() {
        let options = applied(&[
            &["route", "10.1.2.3"],
            &["route", "10.0.0.0/8", "default", "net_gateway", "7"],
        ]);
        assert_eq!(
            options.routes,
            [
                RouteOption {
                    destination: RouteDestination::Network("10.1.2.3/32".parse().unwrap()),
                    gateway: RouteWay::Default,
                    metric: None,
                },
                RouteOption {
                    destination: RouteDestination::Network("10.0.0.0/8".parse().unwrap()),
                    gateway: RouteWay::NetGateway,
                    metric: Some(7),
                },
            ]
        );
    }

    #[test]
    fn host_bits_are_an_error_that_names_the_right_network() {
        let error = TunnelOptions::default()
            .apply("route", &["10.1.2.3", "255.0.0.0"], Author::User)
            .unwrap_err();
        assert_eq!(error.right, "10.0.0.0/8");
    }

    #[test]
    fn host_bits_of_an_ipv6_route_are_cut_off() {
        let with = applied(&[&["route-ipv6", "fd00::1/64"]]);
        assert_eq!(with, applied(&[&["route-ipv6", "fd00::/64"]]));
    }

    #[test]
    fn only_the_user_may_name_hosts_in_routes() {
        let pushed = Author::Server { host_names: false };
        assert!(
            TunnelOptions::default()
                .apply("route", &["host.example"], pushed)
                .is_err()
        );
        let options = applied(&[&["route", "host.example"]]);
        assert_eq!(
            options.routes[0].destination,
            RouteDestination::Host {
                name: "host.example".into(),
                prefix: 32
            }
        );
    }

    #[test]
    fn the_flags_of_all_redirect_lines_are_joined_and_private_wins() {
        let options = applied(&[
            &["redirect-private", "block-local"],
            &["redirect-gateway", "def1", "!ipv4", "ipv6"],
        ]);
        let redirect = options.redirect.unwrap();
        assert!(!redirect.default_route());
        assert!(redirect.block_local && redirect.def1 && redirect.ipv6 && !redirect.ipv4);
    }

    #[test]
    fn the_last_suffix_of_the_adapter_counts() {
        let options = applied(&[
            &["dhcp-option", "ADAPTER_DOMAIN_SUFFIX", "a.example"],
            &["dhcp-option", "DOMAIN", "b.example"],
            &["dhcp-option", "ADAPTER_DOMAIN_SUFFIX", "c.example"],
        ]);
        let domain = DhcpOption::Domain(vec!["b.example".into()]);
        let suffix = DhcpOption::AdapterDomainSuffix("c.example".into());
        assert_eq!(options.dhcp, [domain, suffix]);
    }

    #[test]
    fn a_broken_address_is_no_host_name() {
        for text in ["192.168.4.256", "10.0.0", "1.2.3.4.5"] {
            let mut options = TunnelOptions::default();
            assert!(
                options.apply("route", &[text], Author::User).is_err(),
                "{text}"
            );
        }
    }

    #[test]
    fn the_gateway_of_ipv6_has_a_name_of_its_own() {
        let options = applied(&[
            &["route-ipv6", "fd00::/64", "net_gateway_ipv6"],
            &["route-ipv6", "fd00::/64", "net_gateway"],
        ]);
        assert_eq!(options.routes[0], options.routes[1]);
        let mut options = TunnelOptions::default();
        let of_ipv4 = ["10.0.0.0", "255.0.0.0", "net_gateway_ipv6"];
        assert!(options.apply("route", &of_ipv4, Author::User).is_err());
    }

    #[test]
    fn families_do_not_mix() {
        let mut options = TunnelOptions::default();
        assert!(
            options
                .apply("route", &["10.0.0.0", "255.0.0.0", "fd00::1"], Author::User)
                .is_err()
        );
        assert!(
            options
                .apply("route-ipv6", &["fd00::/64", "10.0.0.1"], Author::User)
                .is_err()
        );
        assert_eq!(options, TunnelOptions::default());
    }
}
