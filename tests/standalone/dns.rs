//! Split DNS: what the link has in systemd-resolved, for each way of pushing it.

use crate::machine::{Machine, SERVER};

/// What the server pushes, and what `resolvectl` says of the link then: per topic, without the link's name.
type Case = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const CASES: &[Case] = &[
    // A server and nothing else: it is asked everything.
    (
        &["dhcp-option DNS 10.11.0.1"],
        &[
            ("dns", "10.11.0.1"),
            ("domain", "~."),
            ("default-route", "yes"),
        ],
    ),
    // Domains: it is asked for those alone, and no stray root takes the rest away.
    (
        &[
            "dhcp-option DNS 10.11.0.1",
            "dhcp-option DOMAIN corp.example",
            "dhcp-option DOMAIN-ROUTE intern.example",
        ],
        &[
            ("dns", "10.11.0.1"),
            ("domain", "corp.example ~intern.example"),
            ("default-route", "no"),
        ],
    ),
    // The newer form, with all that it can say. Of two servers the one with the lower number counts.
    (
        &[
            "dns search-domains corp.example",
            "dns server 2 address 192.0.2.1",
            "dns server 1 address [10.11.0.1]:5353",
            "dns server 1 resolve-domains intern.example",
            "dns server 1 dnssec yes",
            "dns server 1 transport DoT",
            "dns server 1 sni dns.corp.example",
        ],
        &[
            ("dns", "10.11.0.1:5353#dns.corp.example"),
            ("domain", "corp.example ~intern.example"),
            ("default-route", "no"),
            ("dnssec", "yes"),
            ("dnsovertls", "yes"),
        ],
    ),
];

/// Each case is pushed by a server of its own to the same profile.
pub(crate) fn the_link_has_what_was_pushed(machine: &Machine) {
    machine.write(
        "/etc/openvpn/client/names.conf",
        &format!(
            "client\ndev tun-names\nremote {SERVER} 1195\nremote-cert-tls server\nca ca.crt\ncert client.crt\nkey client.key\n\
             nobind\n"
        ),
    );
    for (pushed, said) in CASES {
        let push: Vec<String> = pushed.iter().map(|it| format!("--push '{it}'")).collect();
        let _server = machine.server(&format!(
            "--port 1195 --server 10.11.0.0 255.255.255.0 {}",
            push.join(" ")
        ));
        machine.sh("systemctl start openvpn3-backend@names");
        for (topic, wanted) in *said {
            let line = machine.sh(&format!("resolvectl {topic} tun-names"));
            let value = line.split_once("): ").map(|(_, value)| value.trim());
            assert_eq!(value, Some(*wanted), "{topic} after {pushed:?}: {line}");
        }
        machine.sh("systemctl stop openvpn3-backend@names");
        let left = machine.sh("resolvectl domain");
        assert!(!left.contains("example"), "{left}");
    }
}
