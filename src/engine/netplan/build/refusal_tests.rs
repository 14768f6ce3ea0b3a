//! Addresses that the server may not give.

use super::tests::{IP4, IP6, SERVER, build, profile};

#[test]
fn addresses_that_no_host_has_are_refused_by_name() {
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.5", "255.255.255.255"] {
        let options = format!("{IP6},topology subnet,ifconfig {address} 255.255.255.0");
        let (plan, notes) = build(&profile(""), &options, SERVER);
        assert_eq!(plan.addresses.len(), 1, "{address}");
        assert!(notes[0].text.contains(address), "{}", notes[0].text);
    }
    for address in ["::", "::1", "ff02::5", "::ffff:10.0.0.1"] {
        let options = format!("{IP4},ifconfig-ipv6 {address}/64 fd00::1");
        let (plan, notes) = build(&profile(""), &options, SERVER);
        assert_eq!(plan.addresses.len(), 1, "{address}");
        assert_eq!(notes.len(), 1);
    }
    for server in ["0.0.0.0", "224.0.0.5", "255.255.255.255"] {
        let options = format!("{IP4},dhcp-option DNS {server}");
        let (plan, notes) = build(&profile(""), &options, SERVER);
        assert!(plan.dns.servers.is_empty() && notes.len() == 1, "{server}");
    }
}

#[test]
fn an_address_does_not_bring_a_route_to_the_world() {
    let (plan, notes) = build(
        &profile(""),
        &format!("{IP4},ifconfig-ipv6 fd99::2/0 fd99::1"),
        SERVER,
    );
    assert_eq!(plan.addresses[1].network, "fd99::2/128".parse().unwrap());
    assert_eq!(notes.len(), 1);
}
