//! Echoes from the gateway inside of the tunnel: what a server is asked with that knows no other questions.

use std::net::Ipv4Addr;

use crate::data::checksum;
use crate::profile::tunnel::{RouteGateway, Topology, TunnelOptions};

/// The two ends of an echo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IcmpEcho {
    ours: Ipv4Addr,
    gateway: Ipv4Addr,
}

impl IcmpEcho {
    /// Between our address and the gateway, if both are known.
    pub(super) fn new(tunnel: &TunnelOptions) -> Option<Self> {
        let own = tunnel.ifconfig?;
        let gateway = match (tunnel.route_gateway, tunnel.topology) {
            (Some(RouteGateway::Address(gateway)), _) => gateway,
            (_, Some(Topology::Subnet)) => return None,
            (_, Some(Topology::Net30 | Topology::P2p) | None) => own.second,
        };
        Some(Self {
            ours: own.local,
            gateway,
        })
    }

    /// A request of so many bytes, 65535 at most.
    pub(super) fn request(self, length: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(length).max(LEAST)];
        let [high, low] = length.to_be_bytes();
        let header = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, ICMP, 0, 0];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(place) = packet.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
            at += bytes.len();
        };
        put(&header);
        put(&self.ours.octets());
        put(&self.gateway.octets());
        put(&[REQUEST, 0, 0, 0]);
        put(&OURS);
        finish(&mut packet, 10, 0..HEADER);
        let end = packet.len();
        finish(&mut packet, HEADER + 2, HEADER..end);
        packet
    }

    /// Whether a packet answers one of our requests.
    pub(super) fn is_reply(self, packet: &[u8]) -> bool {
        let from = self.gateway.octets();
        packet.first() == Some(&0x45)
            && packet.get(9) == Some(&ICMP)
            && packet.get(12..16) == Some(&from)
            && packet.get(HEADER) == Some(&REPLY)
            && packet.get(HEADER + 4..LEAST) == Some(&OURS)
    }
}

/// Sets the checksum at `at` of these bytes.
fn finish(packet: &mut [u8], at: usize, range: std::ops::Range<usize>) {
    let sum = packet.get(range).map(checksum::sum).unwrap_or_default();
    if let Some(place) = packet.get_mut(at..at + 2) {
        place.copy_from_slice(&checksum::finish(sum));
    }
}

const HEADER: usize = 20;
const ICMP: u8 = 1;
const REQUEST: u8 = 8;
const REPLY: u8 = 0;
/// Identifier, sequence number, and the first words of the content: nobody else's echoes begin so.
const OURS: [u8; 20] = *b"\x6f\x33\x00\x01packet size test";
const LEAST: usize = HEADER + 4 + OURS.len();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::tunnel::Author;

    fn options(lines: &[&[&str]]) -> TunnelOptions {
        let mut options = TunnelOptions::default();
        for line in lines {
            options.apply(line[0], &line[1..], Author::User).unwrap();
        }
        options
    }

    #[test]
    fn the_gateway_is_the_named_one_or_the_far_end() {
        let subnet = [
            ["ifconfig", "10.8.0.2", "255.255.255.0"].as_slice(),
            &["topology", "subnet"],
        ];
        assert_eq!(IcmpEcho::new(&options(&subnet)), None);
        let named = options(&[subnet[0], subnet[1], &["route-gateway", "10.8.0.1"]]);
        let gateway = IcmpEcho::new(&named).map(|echo| echo.gateway.to_string());
        assert_eq!(gateway.as_deref(), Some("10.8.0.1"));
        let far = IcmpEcho::new(&options(&[&["ifconfig", "10.8.0.6", "10.8.0.5"]]));
        assert_eq!(
            far.map(|echo| echo.gateway),
            Some(Ipv4Addr::new(10, 8, 0, 5))
        );
        assert_eq!(IcmpEcho::new(&TunnelOptions::default()), None);
    }

    #[test]
    fn a_request_is_sound_and_its_reply_is_known() {
        let echo = IcmpEcho {
            ours: Ipv4Addr::new(10, 8, 0, 2),
            gateway: Ipv4Addr::new(10, 8, 0, 1),
        };
        let mut packet = echo.request(1000);
        assert_eq!(packet.len(), 1000);
        let zero = [0, 0];
        assert_eq!(checksum::finish(checksum::sum(&packet[..HEADER])), zero);
        assert_eq!(checksum::finish(checksum::sum(&packet[HEADER..])), zero);
        assert!(!echo.is_reply(&packet));
        packet[HEADER] = REPLY;
        let (ours, gateway) = (echo.ours.octets(), echo.gateway.octets());
        packet[12..16].copy_from_slice(&gateway);
        packet[16..20].copy_from_slice(&ours);
        assert!(echo.is_reply(&packet));
        packet[HEADER + 4] = 0;
        assert!(!echo.is_reply(&packet), "it is somebody else's");
        assert!(!echo.is_reply(&[0x45]));
    }
}
