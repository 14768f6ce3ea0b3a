//! `RemoteRecord`: what the stock netcfg service keeps in force for us if this process dies, and how it is taken back.

use std::io;
use std::net::IpAddr;

use ipnet::IpNet;
use tracing::debug;
use zbus::Connection;
use zbus::zvariant::OwnedObjectPath;

use crate::bus::names;
use crate::bus::peers::owner_of;
use crate::network::netcfg::service::Manager;
use crate::network::netlink::Kernel;
use crate::network::record_file::Recorded;
use crate::network::route::{self, KernelRoute, MAIN_TABLE, Target, Way};

/// What the service made for us. Version 24 keeps it in force until it leaves itself, the routes even longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RemoteRecord {
    /// The path of the device's object.
    pub(crate) device: Option<String>,
    /// The ways to servers beside the tunnel.
    pub(crate) bypasses: Vec<KernelRoute>,
}

impl Recorded for RemoteRecord {
    /// As text, one thing a line; the first line names the format and its version.
    fn to_text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        if let Some(device) = &self.device {
            text.push_str(&format!("device {device}\n"));
        }
        for route in &self.bypasses {
            if let Target::Way(Way { gateway, interface }) = route.target {
                let gateway = gateway.map_or_else(|| "-".to_owned(), |it| it.to_string());
                let metric = route.metric.unwrap_or_default();
                let destination = route.destination;
                text.push_str(&format!(
                    "bypass {destination} {metric} {interface} {gateway}\n"
                ));
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
        let mut this = Self::default();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["device", path] => this.device = Some(path.to_owned()),
                ["bypass", destination, metric, interface, gateway] => {
                    let gateway = match gateway {
                        "-" => None,
                        address => Some(address.parse().ok()?),
                    };
                    this.bypasses.push(KernelRoute {
                        destination: destination.parse().ok()?,
                        table: MAIN_TABLE,
                        metric: Some(metric.parse().ok()?).filter(|metric| *metric != 0),
                        target: Target::Way(Way {
                            gateway,
                            interface: interface.parse().ok()?,
                        }),
                    });
                }
                _ => return None,
            }
        }
        Some(this)
    }
}

impl RemoteRecord {
    /// Has the service destroy the device, if it is still the one that made it, and removes the routes that it would
    /// remove for the process alone that is gone.
    ///
    /// # Errors
    ///
    /// The first step that failed.
    pub(crate) async fn take_back(self, bus: Option<Connection>) -> io::Result<()> {
        let mut outcome = Ok(());
        if let (Some(bus), Some(path)) = (bus, self.device) {
            outcome = destroy(bus, &path).await;
        }
        if self.bypasses.is_empty() {
            return outcome;
        }
        let kernel = Kernel::open()?;
        for route in &self.bypasses {
            let removed = route::remove_foreign(&kernel, route).await;
            outcome = outcome.and(removed);
        }
        outcome
    }
}

/// A service that does not run has nothing in force, and must not be started for that.
async fn destroy(bus: Connection, path: &str) -> io::Result<()> {
    let running = owner_of(&bus, names::NETCFG)
        .await
        .map_err(io::Error::other)?;
    if running.is_none() {
        return Ok(());
    }
    let path = OwnedObjectPath::try_from(path).map_err(io::Error::other)?;
    match Manager::new(bus).device(path).tell("Destroy", &()).await {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            debug!(%error, "netcfg knows nothing of the device any more");
            Ok(())
        }
        outcome => outcome,
    }
}

/// The routes to this one address.
pub(crate) async fn host_routes(address: IpAddr) -> io::Result<Vec<KernelRoute>> {
    let kernel = Kernel::open()?;
    let wanted = IpNet::from(address);
    let all = route::list(&kernel, address.is_ipv6()).await?;
    let routes = all.into_iter().map(|seen| seen.route);
    Ok(routes
        .filter(|route| route.destination == wanted && route.table == MAIN_TABLE)
        .collect())
}

const FIRST_LINE: &str = "openvpn3-backend netcfg 1";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let bypass = |gateway: Option<&str>| KernelRoute {
            destination: "192.0.2.1/32".parse().unwrap(),
            table: MAIN_TABLE,
            metric: gateway.map(|_| 7),
            target: Target::Way(Way {
                gateway: gateway.map(|it| it.parse().unwrap()),
                interface: 2,
            }),
        };
        let record = RemoteRecord {
            device: Some("/net/openvpn/v3/netcfg/7_x".to_owned()),
            bypasses: vec![bypass(Some("198.51.100.1")), bypass(None)],
        };
        assert_eq!(RemoteRecord::from_text(&record.to_text()), Some(record));
    }

    #[test]
    fn another_record_is_none() {
        assert_eq!(
            RemoteRecord::from_text("openvpn3-backend network 1\ndevice 7 tun0\n"),
            None
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic(tail in ".*") {
            let _read = RemoteRecord::from_text(&format!("{FIRST_LINE}\n{tail}"));
            let _read = RemoteRecord::from_text(&format!("{FIRST_LINE}\nbypass {tail}"));
        }
    }
}
