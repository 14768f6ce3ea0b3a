//! Files, blocks and forms in which profiles differ from each other.

use super::*;

#[test]
fn a_file_that_a_later_line_replaces_is_not_read() {
    let profile = good(
        "tls-auth nowhere.key 1\n<tls-auth>\nA\n</tls-auth>\nca nowhere.crt\n<ca>\nOTHER\n</ca>\n\
         auth-user-pass nowhere.txt\nauth-user-pass login.txt\n",
    );
    let WrappingText::TlsAuth { key, direction, .. } = &profile.remotes[0].options.wrapping else {
        panic!("no tls-auth")
    };
    assert_eq!(key.text(), Ok("A\n"));
    assert_eq!(*direction, KeyDirection::Inverse);
    let authorities: Vec<_> = profile.tls.ca.iter().map(|ca| ca.text()).collect();
    assert_eq!(authorities, [Ok("CA\n"), Ok("OTHER\n")]);
    let replaced = good("<extra-certs>\nE\n</extra-certs>\nextra-certs name.txt\n");
    assert_eq!(replaced.tls.extra_certs[0].text(), Ok("user\n"));
    assert_eq!(replaced.tls.extra_certs.len(), 1);
    assert_eq!(errors("<ca>\nCA\n</ca>\nca nowhere.crt\n").len(), 1);
}

#[test]
fn a_direction_named_with_a_file_and_one_named_alone_are_the_same_setting() {
    let direction = |text: &str| {
        let profile = good(text);
        let WrappingText::TlsAuth { direction, .. } = &profile.remotes[0].options.wrapping else {
            panic!("no tls-auth")
        };
        *direction
    };
    let block = "<tls-auth>\nA\n</tls-auth>\n";
    assert_eq!(
        direction(&format!("{block}tls-auth [inline] 1\n")),
        KeyDirection::Inverse
    );
    assert_eq!(
        direction("tls-auth name.txt 1\nkey-direction 0\n"),
        KeyDirection::Normal
    );
}

#[test]
fn a_block_that_is_promised_must_be_there() {
    for name in [
        "tls-crypt",
        "tls-auth",
        "crl-verify",
        "key",
        "peer-fingerprint",
    ] {
        let found = errors(&format!("{name} [inline]\n"));
        assert!(
            found
                .iter()
                .any(|error| error.contains(&format!("the block <{name}> is missing"))),
            "{found:?}"
        );
    }
    assert_eq!(
        good("tls-crypt [inline]\n<tls-crypt>\nK\n</tls-crypt>\n")
            .remotes
            .len(),
        1
    );
    let elsewhere = "<connection>\nremote b\n<tls-crypt>\nK\n</tls-crypt>\n</connection>\n<connection>\nremote c\n\
                     tls-crypt [inline]\n</connection>\n";
    assert_eq!(errors(elsewhere).len(), 1);
}

#[test]
fn a_second_remote_of_a_block_is_noted_and_tried() {
    let block = "<connection>\nremote b\nremote c\n</connection>\n";
    assert_eq!(good(block).remotes.len(), 3);
    assert_eq!(notes(block).len(), 1);
}

#[test]
fn what_openvpn_refuses_is_refused() {
    for line in [
        "nobind\nbind",
        "nobind\nlport 5000",
        "local 192.0.2.1\nnobind",
        "dhcp-option DNS 192.0.2.1 192.0.2.2",
        "dns server 0 dnssec yes no",
        "dns server 0 sni a.example",
        "verify-x509-name \"\" name-prefix",
        "tls-remote \"\"",
        "static-challenge x y",
    ] {
        assert_eq!(errors(&format!("{line}\n")).len(), 1, "{line}");
    }
    assert_eq!(
        good("nobind\nlport 0\n").remotes[0].options.local_port,
        None
    );
}

#[test]
fn what_is_harmless_is_accepted() {
    assert_eq!(good("verb 32\n").verbosity, Some(11));
    assert_eq!(good("verb 300\n").verbosity, Some(11));
    assert!(
        good("static-challenge x 2\n")
            .static_challenge
            .unwrap()
            .echo
    );
    assert!(
        !good("static-challenge x 0\n")
            .static_challenge
            .unwrap()
            .echo
    );
    assert_eq!(notes("keying-material-exporter EXPORTER_x 16\n").len(), 1);
    assert_eq!(notes("ip-remote-hint 192.0.2.1\n").len(), 1);
    assert_eq!(notes("fragment 0\n").len(), 1);
    assert_eq!(notes("route 192.168.4.256\n").len(), 1);
    assert_eq!(notes("<tls-auth>\nA\n</tls-auth>\n").len(), 1);
    assert_eq!(
        notes("<tls-auth>\nA\n</tls-auth>\nkey-direction 1\n").len(),
        0
    );
}

#[test]
fn a_subject_in_the_oldest_form_is_compared_in_that_form() {
    let name = |text: &str| good(text).tls.checks.name.unwrap();
    assert_eq!(
        name("tls-remote \"/C=DE/O=My_Company/CN=vpn\"\n"),
        NameCheck::OldSubject("/C=DE/O=My_Company/CN=vpn".into())
    );
    assert_eq!(
        name("tls-remote \"C=DE, O=My Company, CN=vpn\"\n"),
        NameCheck::Subject("C=DE, O=My Company, CN=vpn".into())
    );
}
