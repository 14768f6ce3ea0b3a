//! Overrides about the HTTP proxy, which only mean something together.

use std::sync::Arc;

use super::{BadOverride, Override, ProxyOverride};
use crate::profile::model::{Login, Profile, RemoteOptions};
use crate::profile::proxy::{HttpAuth, HttpProxy, Proxy};
use crate::secret::SecretText;

impl Profile {
    /// What is wanted about the proxy, and which remotes it then reaches.
    pub(super) fn apply_proxy_overrides(
        &mut self,
        overrides: &[Override],
    ) -> Result<(), BadOverride> {
        let wanted = RequestedProxy::of(overrides);
        if wanted.host.is_none() && wanted.port.is_some() && !self.has_http_proxy() {
            let why = "the profile names no proxy, so that proxy-host is needed too";
            return Err(BadOverride::Conflict {
                key: "proxy-port",
                why,
            });
        }
        if wanted.host.is_some() && wanted.port.is_none() && !self.has_http_proxy() {
            let why = "proxy-port is needed too";
            return Err(BadOverride::Conflict {
                key: "proxy-host",
                why,
            });
        }
        for remote in &mut self.remotes {
            let mut options = RemoteOptions::clone(&remote.options);
            wanted.apply(&mut options);
            remote.options = Arc::new(options);
        }
        self.drop_unreachable()
            .map_err(|why| BadOverride::Conflict {
                key: "proxy-host",
                why,
            })
    }

    fn has_http_proxy(&self) -> bool {
        self.remotes
            .iter()
            .any(|remote| matches!(remote.options.proxy, Some(Proxy::Http(_))))
    }
}

/// All that is wanted about the proxy.
#[derive(Debug, Default)]
struct RequestedProxy<'a> {
    host: Option<&'a str>,
    port: Option<u16>,
    username: Option<&'a str>,
    password: Option<&'a SecretText>,
    clear_text: Option<bool>,
}

impl<'a> RequestedProxy<'a> {
    fn of(overrides: &'a [Override]) -> Self {
        let mut requested = Self::default();
        for given in overrides {
            let Override::Proxy(given) = given else {
                continue;
            };
            match given {
                ProxyOverride::Host(host) => requested.host = Some(host),
                ProxyOverride::Port(port) => requested.port = Some(*port),
                ProxyOverride::Username(username) => requested.username = Some(username),
                ProxyOverride::Password(password) => requested.password = Some(password),
                ProxyOverride::ClearText(on) => requested.clear_text = Some(*on),
            }
        }
        requested
    }

    fn apply(&self, options: &mut RemoteOptions) {
        if let Some((host, port)) = self.host.zip(self.port) {
            let mut proxy = HttpProxy::new(host.to_owned(), port);
            proxy.auth = HttpAuth::AutoNoClearText;
            options.proxy = Some(Proxy::Http(proxy));
        }
        let Some(Proxy::Http(proxy)) = &mut options.proxy else {
            return;
        };
        if let Some(host) = self.host {
            host.clone_into(&mut proxy.host);
        }
        proxy.port = self.port.unwrap_or(proxy.port);
        if self.username.is_some() || self.password.is_some() {
            let login = proxy.login.get_or_insert_with(Login::default);
            login.username = self
                .username
                .map(str::to_owned)
                .or_else(|| login.username.take());
            let password = self.password.map(|text| Arc::new(text.duplicate()));
            login.password = password.or_else(|| login.password.take());
        }
        match (self.clear_text, proxy.auth) {
            (Some(true), HttpAuth::AutoNoClearText) => proxy.auth = HttpAuth::Auto,
            (Some(false), HttpAuth::Auto) => proxy.auth = HttpAuth::AutoNoClearText,
            _ => {}
        }
    }
}
