//! What is asked of the DNS helper: a few lines through a socket, and one line back.
//!
//! The account of sessions may write neither `resolv.conf` nor what `resolvconf` keeps. The helper is started by systemd for
//! each request, as root, and does nothing but that.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use openvpn_engine::netplan::{DnsPlan, DnsServer};

/// Where systemd listens for it. Only the account of sessions may connect.
pub const SOCKET: &str = "/run/openvpn3-backend-dns";

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Put the servers and domains in force for a device, in place of those before.
    Set(String, DnsPlan),
    /// Take back what is in force for a device.
    Revert(String),
}

impl Request {
    /// As it travels.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::Revert(device) => format!("revert {device}\n"),
            Self::Set(device, plan) => format!("set {device}\n{}", plan_to_text(plan)),
        }
    }

    /// Reads what travelled. `None`: it is no request, or names what cannot be a device, an address or a domain.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('\n')?;
        let (verb, device) = first.split_once(' ')?;
        if !is_device(device) {
            return None;
        }
        match verb {
            "revert" if rest.is_empty() => Some(Self::Revert(device.to_owned())),
            "set" => Some(Self::Set(device.to_owned(), plan_from_text(rest)?)),
            _ => None,
        }
    }
}

/// The part of a plan that a resolver file knows, one fact a line.
#[must_use]
pub fn plan_to_text(plan: &DnsPlan) -> String {
    let mut text = String::new();
    for server in &plan.servers {
        text += &format!("server {}\n", server.address);
    }
    for (word, domains) in [
        ("search", &plan.search_domains),
        ("domain", &plan.routing_domains),
    ] {
        for domain in domains {
            text += &format!("{word} {domain}\n");
        }
    }
    text
}

/// Reads what [`plan_to_text`] wrote.
#[must_use]
pub fn plan_from_text(text: &str) -> Option<DnsPlan> {
    let mut plan = DnsPlan::default();
    for line in text.lines() {
        let (word, value) = line.split_once(' ')?;
        match word {
            "server" => plan.servers.push(DnsServer {
                address: value.parse().ok()?,
                name: None,
            }),
            "search" if is_domain(value) => plan.search_domains.push(value.to_owned()),
            "domain" if is_domain(value) => plan.routing_domains.push(value.to_owned()),
            _ => return None,
        }
    }
    Some(plan)
}

/// Whether there is a helper to be asked.
#[must_use]
pub fn is_served() -> bool {
    Path::new(SOCKET).exists()
}

/// Asks the helper, and waits until it is done.
///
/// # Errors
///
/// There is no helper, it says why it cannot, or it does not answer.
pub async fn ask(request: &Request) -> io::Result<()> {
    let asked = async {
        let mut socket = UnixStream::connect(SOCKET).await?;
        socket.write_all(request.to_text().as_bytes()).await?;
        socket.shutdown().await?;
        let mut answer = String::new();
        socket.take(LONGEST).read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let answer = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
        .and_then(|answer: io::Result<String>| answer)?;
    match answer.trim_end() {
        DONE => Ok(()),
        "" => Err(io::Error::other(
            "the DNS helper ended without an answer (journalctl -u 'openvpn3-backend-dns@*')",
        )),
        reason => Err(io::Error::other(format!("the DNS helper says: {reason}"))),
    }
}

fn is_device(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=15).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

fn is_domain(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    (1..=254).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(plain)
}

/// The answer when all is well.
pub const DONE: &str = "done";
/// No request or answer is longer, in bytes.
pub const LONGEST: u64 = 64 * 1024;
/// As long as a service may take to start.
const PATIENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_survives_its_way() {
        let plan = DnsPlan {
            servers: vec![DnsServer {
                address: "[fd08::1]:0".parse().unwrap(),
                name: None,
            }],
            search_domains: vec!["corp.example".into()],
            routing_domains: vec![".".into()],
            ..DnsPlan::default()
        };
        for request in [
            Request::Set("tun0".into(), plan),
            Request::Revert("vpn-1.x".into()),
        ] {
            assert_eq!(Request::from_text(&request.to_text()), Some(request));
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_no_request() {
        for text in [
            "",
            "revert ../x\n",
            "revert .x\n",
            "revert tun0\nserver 192.0.2.1:0\n",
            "set tun0\nserver nowhere\n",
            "set tun0\nsearch a b\n",
            "set tun0\nsearch -a\n",
            "set tun0\noptions x\n",
            "set a-name-that-is-too-long\n",
        ] {
            assert_eq!(Request::from_text(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(text in ".*") {
            let _read = Request::from_text(&text);
            let _read = Request::from_text(&format!("set tun0\n{text}"));
        }
    }
}
