//! Proxies and how to log in to them.

use std::time::Duration;

use super::Interpreter;
use super::login::two_lines;
use crate::profile::lexer::Directive;
use crate::profile::model::Login;
use crate::profile::proxy::{HttpAuth, HttpProxy, Proxy, SocksProxy};
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, at_least_a_second, choice, host, port, word};

/// What is said about proxies, of either kind.
#[derive(Debug, Clone, Default)]
pub(super) struct ProxyDraft {
    http: Option<HttpProxy>,
    socks: Option<SocksProxy>,
    login: Option<Login>,
    version: Option<String>,
    agent: Option<String>,
    headers: Vec<(String, Option<String>)>,
    timeout: Option<Duration>,
}

impl ProxyDraft {
    /// Whether a proxy is named at all.
    pub(super) const fn names_one(&self) -> bool {
        self.http.is_some() || self.socks.is_some()
    }

    /// This block's proxy, with the options of the profile where the block has none.
    pub(super) fn over(&self, common: &Self) -> Self {
        Self {
            http: self.http.clone(),
            socks: self.socks.clone(),
            login: self.login.clone().or_else(|| common.login.clone()),
            version: self.version.clone().or_else(|| common.version.clone()),
            agent: self.agent.clone().or_else(|| common.agent.clone()),
            headers: [common.headers.as_slice(), &self.headers].concat(),
            timeout: self.timeout.or(common.timeout),
        }
    }

    /// The proxy with all its options.
    pub(super) fn finished(&self) -> Option<Proxy> {
        if let Some(http) = &self.http {
            let mut http = http.clone();
            http.login = self.login.clone().or(http.login);
            http.version = self.version.clone().unwrap_or(http.version);
            http.agent.clone_from(&self.agent);
            http.headers.clone_from(&self.headers);
            http.timeout = self.timeout.unwrap_or(http.timeout);
            return Some(Proxy::Http(http));
        }
        self.socks.clone().map(Proxy::Socks)
    }

    /// `http-proxy-option`.
    fn option(&mut self, args: &[&str]) -> Result<Applied, BadValue> {
        match word(args, 0)? {
            "VERSION" => self.version = Some(header_text(args, 1)?),
            "AGENT" => self.agent = Some(header_text(args, 1)?),
            "CUSTOM-HEADER" if self.headers.len() == 10 => {
                return Err(BadValue::because(
                    0,
                    "there are too many headers",
                    "at most 10",
                ));
            }
            "CUSTOM-HEADER" => {
                let content = if args.len() > 2 {
                    Some(header_text(args, 2)?)
                } else {
                    None
                };
                self.headers.push((header_text(args, 1)?, content));
            }
            "EXT1" | "EXT2" => self.headers.push((header_text(args, 1)?, None)),
            other => return Err(BadValue::new(0, other, "VERSION, AGENT or CUSTOM-HEADER")),
        }
        Ok(Applied::Done)
    }
}

impl Interpreter<'_, '_> {
    pub(super) fn apply_proxy(
        &mut self,
        draft: &mut ProxyDraft,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        match directive.name.as_str() {
            "http-proxy" => draft.http = Some(self.http_proxy(args)?),
            "http-proxy-option" => return draft.option(args),
            "http-proxy-timeout" => draft.timeout = Some(at_least_a_second(args, 0)?),
            "http-proxy-user-pass" => {
                if let Some(material) = self.material(directive)? {
                    draft.login = Some(two_lines(material.content.expose())?);
                }
            }
            "socks-proxy" => {
                let port = if args.len() > 1 { port(args, 1)? } else { 1080 };
                let login = match args.get(2) {
                    None | Some(&"stdin") => None,
                    Some(file) => Some(two_lines(&self.file_content(file)?)?),
                };
                draft.socks = Some(SocksProxy {
                    host: host(args, 0)?,
                    port,
                    login,
                });
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn http_proxy(&mut self, args: &[&str]) -> Result<HttpProxy, BadValue> {
        const METHODS: &[(&str, HttpAuth)] = &[
            ("none", HttpAuth::None),
            ("basic", HttpAuth::Basic),
            ("digest", HttpAuth::Digest),
            ("ntlm", HttpAuth::Ntlm),
            ("ntlm2", HttpAuth::Ntlm),
            ("auto", HttpAuth::Auto),
            ("auto-nct", HttpAuth::AutoNoClearText),
        ];
        let mut proxy = HttpProxy::new(host(args, 0)?, port(args, 1)?);
        let Some(third) = args.get(2) else {
            proxy.auth = HttpAuth::Auto;
            return Ok(proxy);
        };
        if let Ok(auth) = choice(args, 2, METHODS) {
            proxy.auth = auth;
        } else {
            proxy.auth = HttpAuth::Basic;
            if *third != "stdin" {
                proxy.login = Some(two_lines(&self.file_content(third)?)?);
            }
        }
        if args.len() > 3 {
            proxy.auth = choice(args, 3, METHODS)?;
        }
        Ok(proxy)
    }
}

/// Text that stays on its line of the request.
fn header_text(args: &[&str], index: usize) -> Result<String, BadValue> {
    let text = word(args, index)?;
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(BadValue::because(
            index,
            "the text cannot be sent to a proxy",
            "printable text",
        ));
    }
    Ok(text.to_owned())
}
