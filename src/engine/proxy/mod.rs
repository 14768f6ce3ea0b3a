//! Ways through proxies: the conversations that open them, as machines of bytes.

mod error;
pub(crate) mod http;
pub(crate) mod socks5;
pub mod socks_udp;

pub use self::socks_udp::Header;

use std::net::SocketAddr;

pub use self::error::ProxyError;
use super::config::Environment;
use super::profile::model::Login;
use super::profile::proxy::Proxy;
use super::secret::SecretBytes;
use super::settings::Transport;

/// The way to one server through a proxy.
#[derive(Debug, Clone)]
pub struct ProxySetup {
    /// The proxy, with what to log in to it with as far as it is known.
    pub proxy: Proxy,
    /// The server as the profile names it.
    pub host: String,
    /// The server's port.
    pub port: u16,
    /// The server's address, for proxies that do not resolve names (SOCKS5 over UDP).
    pub address: Option<SocketAddr>,
}

impl ProxySetup {
    /// How many bytes the proxy needs in front of each datagram.
    #[must_use]
    pub fn header_length(&self) -> u8 {
        let header = self.address.map(Header::to);
        header.map_or(0, |header| header.bytes().len().try_into().unwrap_or(0))
    }
}

/// What comes next in a conversation with a proxy.
#[derive(Debug)]
pub enum Step {
    /// More of the answer is to come.
    Listen,
    /// The way is open.
    Open(Opened),
    /// Close, connect anew, and begin with [`Conversation::begin`].
    Reconnect,
    /// Say this on the same connection.
    Say(SecretBytes),
}

/// An open way.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where datagrams are to be sent (SOCKS5 over UDP). An unspecified address means the proxy's own.
    pub relay: Option<SocketAddr>,
    /// What was heard beyond the proxy's answer: it comes from the server.
    pub rest: Vec<u8>,
}

/// A conversation with a proxy, of either kind.
#[derive(Debug)]
pub struct Conversation(Kind);

#[derive(Debug)]
enum Kind {
    Http(Box<http::Connect>),
    Socks(Box<socks5::Client>),
}

impl Conversation {
    /// A conversation that opens the way for this transport.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Unusable`] if such a proxy cannot do that, or not with these names.
    pub fn new(
        proxy_setup: &ProxySetup,
        transport: Transport,
        environment: &Environment,
    ) -> Result<Self, ProxyError> {
        let kind = match (&proxy_setup.proxy, transport) {
            (Proxy::Http(_), Transport::Udp) => {
                return Err(ProxyError::Unusable("an HTTP proxy carries TCP only"));
            }
            (Proxy::Http(proxy), Transport::Tcp) => Kind::Http(Box::new(http::Connect::new(
                proxy,
                &proxy_setup.host,
                proxy_setup.port,
                environment.clone(),
            ))),
            (Proxy::Socks(proxy), _) => {
                let requested = match transport {
                    Transport::Tcp => socks5::Wish::Connect(&proxy_setup.host, proxy_setup.port),
                    Transport::Udp => socks5::Wish::Associate,
                };
                Kind::Socks(Box::new(socks5::Client::new(
                    requested,
                    proxy.login.as_ref(),
                )?))
            }
        };
        Ok(Self(kind))
    }

    /// What to say first on a fresh connection.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Unusable`] if it cannot be said.
    pub fn begin(&mut self) -> Result<SecretBytes, ProxyError> {
        match &mut self.0 {
            Kind::Http(connect) => connect.begin(),
            Kind::Socks(client) => Ok(client.begin()),
        }
    }

    /// Takes what was heard. A connection that is closed before [`Step::Open`] is the end.
    ///
    /// # Errors
    ///
    /// Why the way does not open.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Step, ProxyError> {
        match &mut self.0 {
            Kind::Http(connect) => connect.hear(bytes),
            Kind::Socks(client) => client.hear(bytes),
        }
    }
}

/// User name and password, if both are known.
fn known(login: Option<&Login>) -> Option<(&str, &str)> {
    let login = login?;
    let username = login.username.as_deref().filter(|name| !name.is_empty())?;
    match &login.password {
        Some(password) => Some((username, password.expose())),
        None if login.username_only => Some((username, "")),
        None => None,
    }
}

/// A host as it stands before a colon and a port.
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use rustls::pki_types::UnixTime;
    use rustls::time_provider::TimeProvider;

    use super::*;
    use crate::secret::SecretText;

    #[derive(Debug)]
    struct Fixed;

    impl TimeProvider for Fixed {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                1_700_000_000,
            )))
        }
    }

    pub(crate) fn environment() -> Environment {
        Environment {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            wall_clock: Arc::new(Fixed),
            clock_trust: None,
        }
    }

    pub(crate) fn login(username: &str, password: &str) -> Login {
        Login {
            username: Some(username.to_owned()),
            password: Some(Arc::new(SecretText::from(password))),
            username_only: false,
        }
    }

    #[test]
    fn a_login_counts_only_when_it_is_whole() {
        let mut some = login("alice", "secret");
        assert_eq!(known(Some(&some)), Some(("alice", "secret")));
        some.password = None;
        assert_eq!(known(Some(&some)), None);
        some.username_only = true;
        assert_eq!(known(Some(&some)), Some(("alice", "")));
        some.username = Some(String::new());
        assert_eq!(known(Some(&some)), None);
        assert_eq!(known(None), None);
    }

    #[test]
    fn only_ipv6_addresses_are_bracketed() {
        assert_eq!(bracketed("vpn.example.com"), "vpn.example.com");
        assert_eq!(bracketed("2001:db8::1"), "[2001:db8::1]");
    }
}
