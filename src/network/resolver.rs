//! Host names to addresses.

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tracing::{debug, warn};

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Both kinds, in the order in which the system gives them.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

impl Family {
    /// Whether the address is of this kind.
    #[must_use]
    pub fn takes(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for.
    pub host: String,
    /// Its addresses of the wanted family; never empty.
    pub addresses: Vec<IpAddr>,
    /// The system said so just now; else it is what was remembered.
    pub fresh: bool,
}

/// Looks up names, and remembers the last answer for each: while a tunnel is down that DNS leads into, or DNS itself
/// is, the server can still be found.
#[derive(Debug, Clone, Default)]
pub struct Names {
    remembered: BTreeMap<String, Vec<IpAddr>>,
    file: Option<PathBuf>,
}

impl Names {
    /// Remembers in a file, for a process that follows while a tunnel without an end is in force. What an earlier one
    /// remembered there is known.
    #[must_use]
    pub fn kept_in(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let remembered = text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let host = words.next()?.to_owned();
            Some((host, words.filter_map(|word| word.parse().ok()).collect()))
        });
        Self {
            remembered: remembered.collect(),
            file: Some(file),
        }
    }

    fn keep(&self) {
        let Some(file) = &self.file else {
            return;
        };
        let mut text = String::new();
        for (host, addresses) in &self.remembered {
            text.push_str(host);
            for address in addresses {
                text.push_str(&format!(" {address}"));
            }
            text.push('\n');
        }
        let beside = file.with_extension("new");
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, file));
        if let Err(error) = written {
            debug!(%error, "the addresses are not kept");
        }
    }

    /// Looks up a name; a literal address (an IPv6 one also in brackets) is its own answer. Give a fresh answer to
    /// [`Names::remember`].
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no address of the wanted family; else what the system says, if nothing is remembered.
    /// `TimedOut` after ten seconds.
    pub fn look_up(
        &self,
        host: &str,
        family: Family,
    ) -> impl Future<Output = io::Result<Answer>> + Send + use<> {
        let host = host.to_owned();
        let remembered = self.remembered.get(&host).cloned().unwrap_or_default();
        async move {
            let found = match literal(&host) {
                Some(address) => Ok(vec![address]),
                None => ask_system(&host).await,
            };
            let answer = |addresses: Vec<IpAddr>, fresh| {
                let mut wanted: Vec<IpAddr> = Vec::new();
                for address in addresses
                    .into_iter()
                    .filter(|address| family.takes(*address))
                {
                    if !wanted.contains(&address) {
                        wanted.push(address);
                    }
                }
                (!wanted.is_empty()).then(|| Answer {
                    host: host.clone(),
                    addresses: wanted,
                    fresh,
                })
            };
            match found {
                Ok(addresses) => answer(addresses, true).ok_or_else(|| {
                    let wanted = if family == Family::V6 { "IPv6" } else { "IPv4" };
                    io::Error::new(
                        io::ErrorKind::NotFound,
                        format!("{host} has no {wanted} address"),
                    )
                }),
                Err(error) => match answer(remembered, false) {
                    Some(answer) => {
                        warn!(%error, "name resolution fails: the last known addresses are used");
                        Ok(answer)
                    }
                    None => Err(io::Error::new(
                        error.kind(),
                        format!("cannot resolve {host}: {error}"),
                    )),
                },
            }
        }
    }

    /// Remembers a fresh answer.
    pub fn remember(&mut self, answer: &Answer) {
        if answer.fresh {
            let known = self.remembered.entry(answer.host.clone()).or_default();
            // An answer for one family does not make the other one forgotten.
            known.retain(|address| {
                !answer
                    .addresses
                    .iter()
                    .any(|new| new.is_ipv4() == address.is_ipv4())
            });
            known.extend(&answer.addresses);
            if literal(&answer.host).is_none() {
                self.keep();
            }
        }
    }
}

/// The address that a host is named by; an IPv6 one may be in brackets.
pub(crate) fn literal(host: &str) -> Option<IpAddr> {
    let inner = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse().ok()
}

async fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    debug!("looking up the server's name");
    let lookup = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 0)));
    let addresses = lookup
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(addresses.map(|address| address.ip()).collect())
}

/// The C library's resolver tries each server twice for five seconds; a second server has then had its turn.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_follows_knows_the_addresses() {
        let file = std::env::temp_dir().join(format!("openvpn3-names-{}", std::process::id()));
        let answer = Answer {
            host: "vpn.example".to_owned(),
            addresses: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
            fresh: true,
        };
        Names::kept_in(file.clone()).remember(&answer);
        let known = Names::kept_in(file.clone()).remembered;
        assert_eq!(known.get("vpn.example"), Some(&answer.addresses));
        fs::remove_file(file).unwrap();
    }

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A name that no system resolves (RFC 6761).
    const NOBODY: &str = "server.invalid";

    #[test]
    fn a_literal_address_is_its_own_answer() {
        let names = Names::default();

        let plain = run(names.look_up("192.0.2.1", Family::Any)).unwrap();
        let bracketed = run(names.look_up("[2001:db8::1]", Family::V6)).unwrap();

        assert_eq!(plain.addresses, [ip("192.0.2.1")]);
        assert_eq!(bracketed.addresses, [ip("2001:db8::1")]);
    }

    #[test]
    fn an_address_of_the_wrong_family_is_not_found() {
        let error = run(Names::default().look_up("192.0.2.1", Family::V6)).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(
            error.to_string().contains("192.0.2.1 has no IPv6"),
            "{error}"
        );
    }

    #[test]
    fn what_was_known_before_is_used_while_dns_is_down() {
        let mut names = Names::default();
        for address in ["192.0.2.1", "2001:db8::1"] {
            names.remember(&Answer {
                host: NOBODY.into(),
                addresses: vec![ip(address)],
                fresh: true,
            });
        }

        let answer = run(names.look_up(NOBODY, Family::V6)).unwrap();

        assert!(!answer.fresh);
        assert_eq!(answer.addresses, [ip("2001:db8::1")]);
    }

    #[test]
    fn an_unknown_name_is_an_error_that_names_it() {
        let error = run(Names::default().look_up(NOBODY, Family::Any)).unwrap_err();

        assert!(error.to_string().contains(NOBODY), "{error}");
    }
}
