//! The DHCP servers that the host's links have their addresses from, as the clients of the system note them.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use zbus::Connection;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

/// Where systemd-networkd keeps a file per link.
const NETWORKD: &str = "/run/systemd/netif/leases";
/// Where dhclient keeps a file per link.
const DHCLIENT: &str = "/var/lib/dhcp";

/// The DHCP servers in use, by all that can be found.
pub(crate) async fn dhcp_servers(bus: Option<&Connection>) -> Vec<IpAddr> {
    let mut servers = in_folder(Path::new(NETWORKD), of_networkd);
    servers.extend(in_folder(Path::new(DHCLIENT), of_dhclient));
    if let Some(bus) = bus {
        // Without NetworkManager there is no answer.
        servers.extend(of_network_manager(bus).await.unwrap_or_default());
    }
    servers.sort_unstable();
    servers.dedup();
    servers
}

fn in_folder(folder: &Path, read: fn(&str) -> Option<Ipv4Addr>) -> Vec<IpAddr> {
    let Ok(files) = fs::read_dir(folder) else {
        return Vec::new();
    };
    files
        .filter_map(|file| fs::read_to_string(file.ok()?.path()).ok())
        .filter_map(|text| read(&text).map(IpAddr::V4))
        .collect()
}

fn of_networkd(lease: &str) -> Option<Ipv4Addr> {
    lease
        .lines()
        .find_map(|line| line.strip_prefix("SERVER_ADDRESS="))
        .and_then(|address| address.trim().parse().ok())
}

/// The last lease of the file is the one in force.
fn of_dhclient(leases: &str) -> Option<Ipv4Addr> {
    leases
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("option dhcp-server-identifier ")?
                .strip_suffix(';')
        })
        .next_back()
        .and_then(|address| address.trim().parse().ok())
}

async fn of_network_manager(bus: &Connection) -> zbus::Result<Vec<IpAddr>> {
    let manager = zbus::Proxy::new(bus, MANAGER, MANAGER_PATH, MANAGER).await?;
    let active: Vec<OwnedObjectPath> = manager.get_property("ActiveConnections").await?;
    let mut servers = Vec::new();
    for connection in active {
        let connection = zbus::Proxy::new(bus, MANAGER, connection, CONNECTION).await?;
        let config: OwnedObjectPath = connection.get_property("Dhcp4Config").await?;
        if config.as_str() == "/" {
            continue;
        }
        let config = zbus::Proxy::new(bus, MANAGER, config, CONFIG).await?;
        let options: HashMap<String, OwnedValue> = config.get_property("Options").await?;
        let server = options.get("dhcp_server_identifier");
        if let Some(Ok(address)) = server.map(<&str>::try_from) {
            servers.extend(address.parse::<IpAddr>().ok());
        }
    }
    Ok(servers)
}

const MANAGER: &str = "org.freedesktop.NetworkManager";
const MANAGER_PATH: &str = "/org/freedesktop/NetworkManager";
const CONNECTION: &str = "org.freedesktop.NetworkManager.Connection.Active";
const CONFIG: &str = "org.freedesktop.NetworkManager.DHCP4Config";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_networkd_names_its_server() {
        let lease =
            "# This is private data. Do not parse.\nADDRESS=192.0.2.7\nSERVER_ADDRESS=192.0.2.1\n";
        assert_eq!(of_networkd(lease), Some(Ipv4Addr::new(192, 0, 2, 1)));
        assert_eq!(of_networkd("ADDRESS=192.0.2.7"), None);
    }

    #[test]
    fn the_last_lease_of_dhclient_counts() {
        let leases = "lease {\n  option dhcp-server-identifier 192.0.2.1;\n}\nlease {\n  \
                      option dhcp-server-identifier 192.0.2.2;\n}\n";
        assert_eq!(of_dhclient(leases), Some(Ipv4Addr::new(192, 0, 2, 2)));
    }

    #[test]
    fn a_folder_that_is_not_there_names_none() {
        assert!(in_folder(Path::new("/nowhere/at/all"), of_networkd).is_empty());
    }
}
