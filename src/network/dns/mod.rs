//! DNS of the tunnel: by systemd-resolved where it serves, else by the resolver file.

pub mod helper;
pub mod request;
pub mod resolv_conf;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use rustix::process::geteuid;
use tracing::{debug, warn};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::names::BusName;

use self::request::Request;
use crate::bus;
use crate::network::dhcp_servers::dhcp_servers;
use crate::network::dns::resolv_conf::{SavedFile, servers_in};
use crate::network::{NetError, TunDevice};
use crate::systemd::resolved::{LinkServer, NAME, ResolvedProxy, Server};
use openvpn_engine::netplan::{DnsPlan, DnsSec, DnsServer, DnsTransport};

/// Who is told about DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolver {
    /// systemd-resolved if it runs or can be started over the system bus, else the file.
    #[default]
    Auto,
    /// The file, `resolv.conf`.
    #[cfg(test)]
    File,
    /// Nobody.
    Nobody,
}

/// Who is told, and what is in force.
#[derive(Debug)]
pub(crate) struct Dns {
    resolver: Resolver,
    file: PathBuf,
    bus: Option<Connection>,
    in_force: Option<DnsInForce>,
    /// The servers of the file when nothing was in force.
    servers_before: Vec<IpAddr>,
}

/// How names are resolved while the plan is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DnsInForce {
    /// The resolver file was written.
    File(SavedFile),
    /// The DNS helper has changed it for the device of this name.
    Helper(String),
    /// systemd-resolved knows the link with this index.
    Resolved(u32),
}

impl Dns {
    /// Nothing is in force; `bus` is the system bus if there is a connection already.
    pub(crate) fn new(resolver: Resolver, file: PathBuf, bus: Option<Connection>) -> Self {
        Self {
            resolver,
            file,
            bus,
            in_force: None,
            servers_before: Vec::new(),
        }
    }

    /// Takes over what an earlier process left in force.
    pub(crate) fn adopt(&mut self, left: Option<DnsInForce>) {
        self.in_force = left;
    }

    /// What is in force.
    pub(crate) fn in_force(&self) -> Option<&DnsInForce> {
        self.in_force.as_ref()
    }

    /// Chooses how the plan will be put in force, without doing anything yet.
    pub(crate) async fn prepare(
        &mut self,
        tun: &TunDevice,
        plan: &DnsPlan,
    ) -> Result<Option<DnsInForce>, NetError> {
        if plan.is_empty() || self.resolver == Resolver::Nobody {
            return Ok(None);
        }
        if self.resolver == Resolver::Auto && self.resolved_serves().await {
            return Ok(Some(DnsInForce::Resolved(tun.index)));
        }
        if self.resolver == Resolver::Auto && !geteuid().is_root() && request::is_served() {
            return Ok(Some(DnsInForce::Helper(tun.name.clone())));
        }
        let previous = match &self.in_force {
            Some(DnsInForce::File(saved)) => Some(saved),
            Some(DnsInForce::Helper(_) | DnsInForce::Resolved(_)) | None => None,
        };
        let saved = SavedFile::prepare(&self.file, plan, previous)
            .map_err(|error| NetError::new("read the resolver file", self.file.display(), error))?;
        Ok(Some(DnsInForce::File(saved)))
    }

    /// Does what `prepare` chose. What was in force and is not chosen again is taken back.
    pub(crate) async fn put_in_force(
        &mut self,
        next: Option<DnsInForce>,
        plan: &DnsPlan,
    ) -> Result<(), NetError> {
        let continues = matches!(
            (&self.in_force, &next),
            (Some(DnsInForce::File(_)), Some(DnsInForce::File(_)))
                | (Some(DnsInForce::Helper(_)), Some(DnsInForce::Helper(_)))
                | (Some(DnsInForce::Resolved(_)), Some(DnsInForce::Resolved(_)))
        );
        if !continues {
            self.take_back().await?;
        }
        match &next {
            None => return Ok(()),
            Some(DnsInForce::File(saved)) => {
                self.in_force.clone_from(&next);
                saved.write().map_err(|error| {
                    NetError::new("write the resolver file", saved.path.display(), error)
                })?;
                debug!(path = %saved.path.display(), "the resolver file names the tunnel's servers");
            }
            Some(DnsInForce::Helper(device)) => {
                let request = Request::Set(device.clone(), plan.clone());
                self.in_force = next;
                request::ask(&request)
                    .await
                    .map_err(|error| NetError::new("set up DNS through", request::SOCKET, error))?;
                debug!("the DNS helper has told the resolver about the tunnel's servers");
            }
            Some(DnsInForce::Resolved(index)) => {
                let index = *index;
                self.in_force = next;
                self.tell_resolved(index, plan)
                    .await
                    .map_err(|error| NetError::new("set up DNS with", "systemd-resolved", error))?;
                debug!("systemd-resolved knows the tunnel's servers");
            }
        }
        Ok(())
    }

    /// Takes back what is in force.
    pub(crate) async fn take_back(&mut self) -> Result<(), NetError> {
        match self.in_force.take() {
            None => Ok(()),
            Some(DnsInForce::File(saved)) => saved.restore().map_err(|error| {
                NetError::new("restore the resolver file", saved.path.display(), error)
            }),
            Some(DnsInForce::Helper(device)) => request::ask(&Request::Revert(device))
                .await
                .map_err(|error| NetError::new("take DNS back through", request::SOCKET, error)),
            Some(DnsInForce::Resolved(index)) => {
                let Some(bus) = self.bus().await else {
                    return Ok(());
                };
                let reverted = in_time(async {
                    let resolved = ResolvedProxy::new(&bus).await?;
                    resolved.revert_link(signed(index)).await?;
                    resolved.flush_caches().await
                });
                if let Err(error) = reverted.await {
                    // It forgets a link by itself when the link goes.
                    debug!(%error, "systemd-resolved has nothing to take back");
                }
                Ok(())
            }
        }
    }

    /// The name servers that are in use beside the tunnel's.
    pub(crate) async fn servers_outside(&mut self, tunnel: u32) -> Vec<IpAddr> {
        if self.resolver == Resolver::Auto {
            if let Some(bus) = self.bus().await {
                let known = in_time(async { ResolvedProxy::new(&bus).await?.servers().await });
                // Without systemd-resolved there is no answer.
                if let Ok(servers) = known.await {
                    return of_other_links(servers, tunnel);
                }
            }
        }
        match &self.in_force {
            Some(DnsInForce::File(saved)) => saved.servers_before(),
            // It mixes the tunnel's servers with the others in the file.
            Some(DnsInForce::Helper(_)) => self.servers_before.clone(),
            Some(DnsInForce::Resolved(_)) | None => {
                self.servers_before = servers_in(&self.file);
                self.servers_before.clone()
            }
        }
    }

    /// The DHCP servers of the host's links.
    pub(crate) async fn dhcp_servers(&mut self) -> Vec<IpAddr> {
        let bus = self.bus().await;
        let servers = in_time(async { Ok(dhcp_servers(bus.as_ref()).await) });
        servers.await.unwrap_or_default()
    }

    async fn bus(&mut self) -> Option<Connection> {
        if let Some(bus) = &self.bus {
            let pong = tokio::time::timeout(PATIENCE, bus::ping(bus)).await;
            if pong.is_ok_and(|pong| pong.is_err_and(|error| bus::is_lost(&error))) {
                debug!("the system bus was started again");
                self.bus = None;
            }
        }
        if self.bus.is_none() {
            match in_time(Connection::system()).await {
                Ok(bus) => self.bus = Some(bus),
                Err(error) => debug!(%error, "there is no system bus"),
            }
        }
        self.bus.clone()
    }

    /// Whether systemd-resolved runs or would be started when asked.
    async fn resolved_serves(&mut self) -> bool {
        let Some(bus) = self.bus().await else {
            return false;
        };
        let answer = in_time(async {
            let driver = DBusProxy::new(&bus).await?;
            let name = BusName::try_from(NAME)?;
            if driver.name_has_owner(name).await? {
                return Ok(true);
            }
            if !driver
                .list_activatable_names()
                .await?
                .iter()
                .any(|name| name.as_str() == NAME)
            {
                return Ok(false);
            }
            // A unit that is masked or broken is found out here, while there is still another way.
            ResolvedProxy::new(&bus).await?.flush_caches().await?;
            Ok(true)
        });
        match answer.await {
            Ok(serves) => serves,
            Err(error) => {
                warn!(%error, "systemd-resolved cannot be asked: DNS is set without it");
                false
            }
        }
    }

    async fn tell_resolved(&mut self, index: u32, plan: &DnsPlan) -> io::Result<()> {
        let Some(bus) = self.bus().await else {
            return Err(io::Error::from(io::ErrorKind::NotConnected));
        };
        let index = signed(index);
        let servers: Vec<Server> = plan.servers.iter().map(server).collect();
        let domains = domains(plan);
        let tls = tls_mode(plan);
        let dnssec = dnssec_mode(plan);
        in_time(async {
            let resolved = ResolvedProxy::new(&bus).await?;
            resolved.set_link_servers(index, &servers).await?;
            resolved.set_link_domains(index, &domains).await?;
            resolved
                .set_link_default_route(index, takes_all(plan))
                .await?;
            if let Err(error) = resolved.set_link_tls(index, tls).await {
                warn!(%error, mode = tls, "systemd-resolved refuses this mode of DNS over TLS");
            }
            if let Err(error) = resolved.set_link_dnssec(index, dnssec).await {
                warn!(%error, mode = dnssec, "systemd-resolved refuses this mode of DNSSEC");
            }
            if let Err(error) = resolved.flush_caches().await {
                // Newer ones want an authorisation of its own for it. What is cached expires.
                debug!(%error, "systemd-resolved keeps its cache");
            }
            Ok(())
        })
        .await
    }
}

/// Whether every name is asked of the tunnel's servers.
fn takes_all(plan: &DnsPlan) -> bool {
    plan.routing_domains.is_empty() && !plan.servers.is_empty()
}

/// The domains of the link; `true` marks those that only route. Without any the root stands for all names, but never
/// beside specific ones.
fn domains(plan: &DnsPlan) -> Vec<(String, bool)> {
    let searched = plan
        .search_domains
        .iter()
        .map(|domain| (domain.clone(), false));
    let mut domains: Vec<(String, bool)> = searched.collect();
    for domain in &plan.routing_domains {
        let domain = domain.trim_start_matches('~');
        if !domains.iter().any(|(known, _)| known == domain) {
            domains.push((
                if domain.is_empty() {
                    ".".into()
                } else {
                    domain.into()
                },
                true,
            ));
        }
    }
    if takes_all(plan) {
        domains.push((".".into(), true));
    }
    domains
}

fn server(server: &DnsServer) -> Server {
    let (family, bytes) = match server.address.ip().to_canonical() {
        IpAddr::V4(address) => (libc::AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (libc::AF_INET6, address.octets().to_vec()),
    };
    let name = server.name.clone().unwrap_or_default();
    (family, bytes, server.address.port(), name)
}

/// The addresses of servers of all links but the tunnel.
fn of_other_links(servers: Vec<LinkServer>, tunnel: u32) -> Vec<IpAddr> {
    servers
        .into_iter()
        .filter(|(link, ..)| *link != signed(tunnel))
        .filter_map(|(_, _, bytes)| {
            let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
                .ok()
        })
        .collect()
}

fn tls_mode(plan: &DnsPlan) -> &'static str {
    match plan.transport {
        Some(DnsTransport::Tls) => "yes",
        Some(DnsTransport::Plain) => "no",
        Some(DnsTransport::Https) => {
            warn!(
                "systemd-resolved speaks no DNS over HTTPS: DNS over TLS is tried, then plain DNS"
            );
            "opportunistic"
        }
        None => "",
    }
}

fn dnssec_mode(plan: &DnsPlan) -> &'static str {
    match plan.dnssec {
        Some(DnsSec::No) => "no",
        Some(DnsSec::Optional) => "allow-downgrade",
        Some(DnsSec::Yes) => "yes",
        None => "",
    }
}

fn signed(index: u32) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

/// Waits for an answer of the bus, but not for ever.
async fn in_time<T>(work: impl Future<Output = zbus::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(zbus::Error::MethodError(name, _, _)))
            if name.contains("AccessDenied") || name.contains("Interactive") =>
        {
            Err(io::Error::from(rustix::io::Errno::PERM))
        }
        Ok(Err(error)) => Err(io::Error::other(error)),
        Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
    }
}

/// As long as a service may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(search: &[&str], routing: &[&str]) -> DnsPlan {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        DnsPlan {
            servers: vec![DnsServer {
                address: "10.8.0.1:0".parse().unwrap(),
                name: None,
            }],
            search_domains: owned(search),
            routing_domains: owned(routing),
            ..DnsPlan::default()
        }
    }

    #[test]
    fn without_specific_domains_all_names_go_to_the_tunnel() {
        let all = plan(&["corp.example"], &[]);

        assert!(takes_all(&all));
        assert_eq!(
            domains(&all),
            [("corp.example".into(), false), (".".into(), true)]
        );
    }

    #[test]
    fn specific_domains_bring_no_stray_root() {
        let split = plan(&["corp.example"], &["intern.example", "corp.example"]);

        assert!(!takes_all(&split));
        assert_eq!(
            domains(&split),
            [
                ("corp.example".into(), false),
                ("intern.example".into(), true)
            ]
        );
    }

    #[test]
    fn search_domains_alone_take_no_names_away() {
        let mut search = plan(&["corp.example"], &[]);
        search.servers.clear();

        assert!(!takes_all(&search));
        assert_eq!(domains(&search), [("corp.example".into(), false)]);
    }
}
