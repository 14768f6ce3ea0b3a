//! The log lines of the stock client that administrators' scripts look for in `openvpn3 log`.

use std::net::IpAddr;

use openvpn_engine::session::{Status, Summary};

/// The line for a status, if it has one. That of "connected" is [`connected`].
pub(crate) const fn of_status(status: &Status) -> Option<&'static str> {
    match status {
        Status::Connecting => Some("Connecting"),
        Status::Disconnected => Some("Disconnected"),
        Status::Disconnecting => Some("Stopping VPN client"),
        Status::Pausing(_) => Some("Pausing connection"),
        Status::Reconnecting => Some("Reconnecting"),
        Status::Resuming => Some("Resuming connection"),
        Status::AuthenticationFailed(_)
        | Status::Connected
        | Status::Done(_)
        | Status::Failed(_)
        | Status::InputRequired(_)
        | Status::OpenUrl(_)
        | Status::Paused
        | Status::ProfileInvalid(_)
        | Status::ProfileLoaded
        | Status::ProfileUnusable(_)
        | Status::Starting => None,
    }
}

/// The line for a tunnel that carries traffic.
pub(crate) fn connected(summary: &Summary) -> String {
    let user = summary.username.as_ref();
    let user = user.map(|name| format!("{name}@")).unwrap_or_default();
    let host = if summary.host.contains(':') {
        format!("[{}]", summary.host)
    } else {
        summary.host.clone()
    };
    let address = |v4: bool| {
        let addresses = summary.addresses.iter().map(|it| it.network.addr());
        first(addresses.filter(|it| it.is_ipv4() == v4))
    };
    format!(
        "Connected: {user}{host}:{} ({}) via /{} on {}/{}/{} gw=[{}/{}] mtu={}",
        summary.server.port(),
        summary.server.ip(),
        summary.transport,
        summary.device.name,
        address(true),
        address(false),
        first(summary.gateways.ipv4),
        first(summary.gateways.ipv6),
        summary.mtu,
    )
}

fn first(addresses: impl IntoIterator<Item = impl Into<IpAddr>>) -> String {
    let first = addresses.into_iter().next();
    first.map_or_else(String::new, |it| it.into().to_string())
}

#[cfg(test)]
mod tests {
    use openvpn_engine::crypto::Cipher;
    use openvpn_engine::netplan::DeviceAddress;
    use openvpn_engine::session::{Device, Gateways};
    use openvpn_engine::settings::Transport;

    use super::*;

    fn summary() -> Summary {
        let address = |network: &str| DeviceAddress {
            network: network.parse().unwrap(),
            peer: None,
        };
        Summary {
            device: Device {
                name: "tun0".to_owned(),
            },
            addresses: vec![address("10.88.0.2/24"), address("fd00::2/64")],
            host: "vpn.example".to_owned(),
            server: "172.30.78.1:1194".parse().unwrap(),
            transport: Transport::Udp,
            username: Some("alice".to_owned()),
            gateways: Gateways {
                ipv4: Some("10.88.0.1".parse().unwrap()),
                ipv6: None,
            },
            mtu: 1500,
            cipher: Cipher::Aes256Gcm,
            tls: String::new(),
            attempt: 1,
        }
    }

    #[test]
    fn the_line_of_a_connection_has_all_that_the_stock_clients_has() {
        assert_eq!(
            connected(&summary()),
            "Connected: alice@vpn.example:1194 (172.30.78.1) via /UDP on tun0/10.88.0.2/fd00::2 \
             gw=[10.88.0.1/] mtu=1500"
        );
        let plain = Summary {
            username: None,
            addresses: summary().addresses.into_iter().take(1).collect(),
            host: "2001:db8::1".to_owned(),
            server: "[2001:db8::1]:443".parse().unwrap(),
            transport: Transport::Tcp,
            ..summary()
        };
        assert_eq!(
            connected(&plain),
            "Connected: [2001:db8::1]:443 (2001:db8::1) via /TCP on tun0/10.88.0.2/ gw=[10.88.0.1/] mtu=1500"
        );
    }

    #[test]
    fn a_pause_and_its_end_have_the_stock_clients_lines() {
        let lines = [
            Status::Pausing("lunch".to_owned()),
            Status::Paused,
            Status::Resuming,
            Status::Reconnecting,
            Status::Connected,
            Status::Disconnecting,
            Status::Disconnected,
        ];
        let lines: Vec<&str> = lines.iter().filter_map(of_status).collect();
        assert_eq!(
            lines,
            [
                "Pausing connection",
                "Resuming connection",
                "Reconnecting",
                "Stopping VPN client",
                "Disconnected"
            ]
        );
    }
}
