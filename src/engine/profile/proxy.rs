//! Proxies as the profile names them, and the logins that they and servers want.

use std::sync::Arc;
use std::time::Duration;

use crate::secret::SecretText;

/// User name and password, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// The user name; asked for if `None`.
    pub username: Option<String>,
    /// The password; asked for if `None`, unless `username_only`.
    pub password: Option<Arc<SecretText>>,
    /// There is no password.
    pub username_only: bool,
}

/// The way through a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// HTTP with `CONNECT`; TCP only.
    Http(HttpProxy),
    /// SOCKS5.
    Socks(SocksProxy),
}

/// `http-proxy` with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProxy {
    /// Name or address of the proxy.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How to log in to it.
    pub auth: HttpAuth,
    /// User name and password; `None`: asked for if the proxy wants them.
    pub login: Option<Login>,
    /// The version in the request.
    pub version: String,
    /// `User-Agent`.
    pub agent: Option<String>,
    /// Further headers: name and content, or a whole line.
    pub headers: Vec<(String, Option<String>)>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// How to log in to an HTTP proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpAuth {
    /// As the proxy wants it.
    Auto,
    /// As the proxy wants it, but never with the password in clear text.
    AutoNoClearText,
    /// Basic.
    Basic,
    /// Digest.
    Digest,
    /// Not at all.
    None,
    /// NTLM, version 2.
    Ntlm,
}

/// `socks-proxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocksProxy {
    /// Name or address of the proxy.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password, if it wants them.
    pub login: Option<Login>,
}

impl HttpProxy {
    /// A proxy of which only the address is known.
    #[must_use]
    pub fn new(host: String, port: u16) -> Self {
        Self {
            host,
            port,
            auth: HttpAuth::None,
            login: None,
            version: "1.0".to_owned(),
            agent: None,
            headers: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }
}
