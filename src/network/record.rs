//! `Record`: what is in force as a small file, so that it can be taken back after a crash.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::network::TunDevice;
use crate::network::dns::DnsInForce;
use crate::network::dns::resolv_conf::SavedFile;
use crate::network::record_file::{Recorded, from_hex, to_hex};
use crate::network::route::{KernelRoute, Target, Way};
use openvpn_engine::netplan::DeviceAddress;

/// What is in force, or about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) tun: TunDevice,
    pub(crate) addresses: Vec<DeviceAddress>,
    /// Ours alone.
    pub(crate) routes: Vec<KernelRoute>,
    /// In the order in which they were put in force; usually one.
    pub(crate) dns: Vec<DnsInForce>,
}

impl Recorded for Record {
    /// As text, one thing a line; the first line names the format and its version.
    fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        push(
            &mut text,
            &["device", &self.tun.index.to_string(), &self.tun.name],
        );
        for address in &self.addresses {
            push(
                &mut text,
                &[
                    "address",
                    &address.network.to_string(),
                    &or_dash(address.peer),
                ],
            );
        }
        for route in &self.routes {
            let (interface, gateway) = match route.target {
                Target::Throw | Target::Unreachable => (None, None),
                Target::Way(way) => (Some(way.interface), way.gateway),
            };
            let destination = route.destination.to_string();
            let table = route.table.to_string();
            let (metric, interface, gateway) =
                (or_dash(route.metric), or_dash(interface), or_dash(gateway));
            push(
                &mut text,
                &["route", &destination, &table, &metric, &interface, &gateway],
            );
        }
        for dns in &self.dns {
            match dns {
                DnsInForce::Helper(device) => push(&mut text, &["helper", device]),
                DnsInForce::Resolved(index) => push(&mut text, &["resolved", &index.to_string()]),
                DnsInForce::File(saved) => {
                    let path = to_hex(saved.path.as_os_str().as_bytes());
                    let original = saved.original.as_deref().map_or_else(|| "-".into(), to_hex);
                    push(
                        &mut text,
                        &["file", &path, &original, &to_hex(&saved.written)],
                    );
                }
            }
        }
        text
    }

    /// Reads what `to_text` wrote; `None` if it is something else.
    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != FIRST_LINE {
            return None;
        }
        let (index, name) = lines.next()?.strip_prefix("device ")?.split_once(' ')?;
        let mut this = Self {
            tun: TunDevice {
                name: name.to_owned(),
                index: index.parse().ok()?,
            },
            addresses: Vec::new(),
            routes: Vec::new(),
            dns: Vec::new(),
        };
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["address", network, peer] => {
                    let (network, peer) = (network.parse().ok()?, optional(peer)?);
                    this.addresses.push(DeviceAddress { network, peer });
                }
                ["route", destination, table, metric, interface, gateway] => {
                    this.routes.push(KernelRoute {
                        destination: destination.parse().ok()?,
                        table: table.parse().ok()?,
                        metric: optional(metric)?,
                        target: target(optional(interface)?, optional(gateway)?),
                    });
                }
                ["helper", device] => this.dns.push(DnsInForce::Helper(device.to_owned())),
                ["resolved", index] => this.dns.push(DnsInForce::Resolved(index.parse().ok()?)),
                ["file", path, original, written] => this.dns.push(DnsInForce::File(SavedFile {
                    path: PathBuf::from(std::ffi::OsString::from_vec(from_hex(path)?)),
                    original: if original == "-" {
                        None
                    } else {
                        Some(from_hex(original)?)
                    },
                    written: from_hex(written)?,
                })),
                _ => return None,
            }
        }
        Some(this)
    }
}

impl Record {
    /// Removes the file.
    pub(crate) fn forget(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

fn target(interface: Option<u32>, gateway: Option<IpAddr>) -> Target {
    interface.map_or(Target::Unreachable, |interface| {
        Target::Way(Way { gateway, interface })
    })
}

fn push(text: &mut String, words: &[&str]) {
    text.push_str(&words.join(" "));
    text.push('\n');
}

fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".into(), |value| value.to_string())
}

/// `None` for what is neither a dash nor a value.
fn optional<T: FromStr>(word: &str) -> Option<Option<T>> {
    if word == "-" {
        return Some(None);
    }
    word.parse().ok().map(Some)
}

const FIRST_LINE: &str = "openvpn3-backend network 1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Record {
        Record {
            tun: TunDevice {
                name: "tun0".into(),
                index: 7,
            },
            addresses: vec![DeviceAddress {
                network: "10.8.0.6/30".parse().unwrap(),
                peer: Some("10.8.0.5".parse().unwrap()),
            }],
            routes: vec![
                KernelRoute {
                    destination: "::/1".parse().unwrap(),
                    table: 254,
                    metric: Some(9),
                    target: Target::Unreachable,
                },
                KernelRoute {
                    destination: "192.0.2.1/32".parse().unwrap(),
                    table: 1000,
                    metric: None,
                    target: target(Some(2), Some("fe80::1".parse().unwrap())),
                },
            ],
            dns: vec![
                DnsInForce::Resolved(7),
                DnsInForce::Helper("tun0".into()),
                DnsInForce::File(SavedFile {
                    path: "/etc/resolv conf".into(),
                    original: Some(Vec::new()),
                    written: b"nameserver 10.8.0.1\n".to_vec(),
                }),
            ],
        }
    }

    #[test]
    fn what_is_recorded_is_read_back() {
        assert_eq!(Record::from_text(&sample().to_text()), Some(sample()));
    }

    #[test]
    fn a_record_of_another_version_is_none() {
        let text = sample().to_text().replace("network 1", "network 2");

        assert_eq!(Record::from_text(&text), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(tail in ".*") {
            let _read = Record::from_text(&tail);
            let _read = Record::from_text(&format!("{FIRST_LINE}\ndevice 1 tun0\n{tail}"));
        }

        #[test]
        fn any_bytes_survive_as_hexadecimal(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(from_hex(&to_hex(&bytes)), Some(bytes));
        }
    }
}
