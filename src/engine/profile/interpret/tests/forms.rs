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
    let direction = |text: &str| match &good(text).remotes[0].options.wrapping {
        WrappingText::TlsAuth { direction, .. } => *direction,
        _ => panic!("no tls-auth"),
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
