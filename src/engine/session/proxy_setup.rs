//! The way through a proxy: what to log in to it with, and what the attempt is told of it.

use super::super::error::ProxyKind;
use super::super::profile::model::Login;
use super::super::profile::proxy::Proxy;
use super::super::proxy::ProxySetup;
use super::super::secret::SecretText;
use super::remotes::Target;

/// What to log in to a proxy with: as the profile says, until the proxy wants something else.
#[derive(Debug, Default)]
pub(super) struct ProxyLogin {
    asked: Option<Asked>,
    /// The kind of proxy that wants something else.
    by: Option<ProxyKind>,
}

/// What the user said, as far as they did.
#[derive(Debug, Default)]
struct Asked {
    username: Option<String>,
    password: Option<SecretText>,
}

impl ProxyLogin {
    /// The proxy takes nothing that is known: the user must say.
    pub(super) fn refused(&mut self, kind: ProxyKind) {
        self.asked = Some(Asked::default());
        self.by = Some(kind);
    }

    /// Which proxy the user must say something for, if any.
    pub(super) fn missing(&self) -> Option<ProxyKind> {
        let asked = self.asked.as_ref()?;
        let missing = asked.username.is_none() || asked.password.is_none();
        self.by.filter(|_| missing)
    }

    pub(super) fn set_username(&mut self, username: &str) {
        self.asked.get_or_insert_default().username = Some(username.to_owned());
    }

    pub(super) fn set_password(&mut self, password: SecretText) {
        self.asked.get_or_insert_default().password = Some(password);
    }

    /// The way to a server by this proxy, if there is one.
    pub(super) fn proxy_setup(&self, proxy: Option<&Proxy>, target: &Target) -> Option<ProxySetup> {
        let mut proxy = proxy?.clone();
        if let Some(asked) = &self.asked {
            let login = match &mut proxy {
                Proxy::Http(http) => &mut http.login,
                Proxy::Socks(socks) => &mut socks.login,
            };
            *login = Some(Login {
                username: asked.username.clone(),
                password: asked.password.as_ref().map(|it| it.duplicate().into()),
                username_only: false,
            });
        }
        Some(ProxySetup {
            proxy,
            host: target.host.clone(),
            port: target.port,
            address: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::profile::proxy::HttpProxy;
    use super::super::super::settings::Transport;
    use super::super::remotes::{Family, Lookup};
    use super::*;

    fn target() -> Target {
        Target {
            index: 0,
            host: "vpn.example".to_owned(),
            port: 443,
            transport: Transport::Tcp,
            family: Family::Any,
            lookup: Lookup {
                host: "proxy.example".to_owned(),
                port: 3128,
                family: Family::Any,
            },
        }
    }

    #[test]
    fn the_profiles_login_holds_until_the_proxy_wants_another() {
        let profile = Proxy::Http(HttpProxy {
            login: Some(Login {
                username: Some("profile".to_owned()),
                password: None,
                username_only: true,
            }),
            ..HttpProxy::new("proxy.example".to_owned(), 3128)
        });
        let mut login = ProxyLogin::default();
        let said = |login: &ProxyLogin| match login.proxy_setup(Some(&profile), &target()) {
            Some(ProxySetup {
                proxy: Proxy::Http(http),
                host,
                port: 443,
                ..
            }) if host == "vpn.example" => http.login.and_then(|login| login.username),
            other => panic!("no way: {other:?}"),
        };
        assert_eq!(login.missing(), None);
        assert_eq!(said(&login).as_deref(), Some("profile"));
        login.refused(ProxyKind::Http);
        assert_eq!(login.missing(), Some(ProxyKind::Http));
        login.set_username("alice");
        assert_eq!(login.missing(), Some(ProxyKind::Http));
        login.set_password(SecretText::from("secret"));
        assert_eq!(login.missing(), None);
        assert_eq!(said(&login).as_deref(), Some("alice"));
        login.refused(ProxyKind::Http);
        assert_eq!(login.missing(), Some(ProxyKind::Http));
    }

    #[test]
    fn without_a_proxy_there_is_no_detour() {
        assert!(ProxyLogin::default().proxy_setup(None, &target()).is_none());
    }
}
