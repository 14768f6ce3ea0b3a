//! Systemd-resolved: DNS of one link.

use zbus::proxy;

/// One server: address family, address, port (0: the default), name for TLS (empty: none).
pub type Server = (i32, Vec<u8>, u16, String);

/// A server in use: the link's index (0: none in particular), address family, address.
pub type LinkServer = (i32, i32, Vec<u8>);

/// The manager object of systemd-resolved.
#[proxy(
    interface = "org.freedesktop.resolve1.Manager",
    default_service = "org.freedesktop.resolve1",
    default_path = "/org/freedesktop/resolve1",
    gen_blocking = false
)]
pub trait Resolved {
    /// Sets the servers of a link.
    #[zbus(name = "SetLinkDNSEx")]
    fn set_link_servers(&self, index: i32, servers: &[Server]) -> zbus::Result<()>;

    /// Sets the domains of a link; `true` marks one that only routes and is not searched.
    fn set_link_domains(&self, index: i32, domains: &[(String, bool)]) -> zbus::Result<()>;

    /// Sets whether names that no link claims are asked of this one.
    fn set_link_default_route(&self, index: i32, enable: bool) -> zbus::Result<()>;

    /// Sets DNS over TLS for a link: `yes`, `opportunistic`, `no`; empty: the global setting.
    #[zbus(name = "SetLinkDNSOverTLS")]
    fn set_link_tls(&self, index: i32, mode: &str) -> zbus::Result<()>;

    /// Sets DNSSEC for a link: `yes`, `allow-downgrade`, `no`; empty: the global setting.
    #[zbus(name = "SetLinkDNSSEC")]
    fn set_link_dnssec(&self, index: i32, mode: &str) -> zbus::Result<()>;

    /// Takes back all that was set for a link.
    fn revert_link(&self, index: i32) -> zbus::Result<()>;

    /// The servers of all links, and those of none.
    #[zbus(property, name = "DNS")]
    fn servers(&self) -> zbus::Result<Vec<LinkServer>>;

    /// Forgets cached answers.
    fn flush_caches(&self) -> zbus::Result<()>;
}

/// The bus name of systemd-resolved.
pub const NAME: &str = "org.freedesktop.resolve1";
