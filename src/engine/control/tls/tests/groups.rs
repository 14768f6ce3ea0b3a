//! Which key exchange groups are offered, and which one it becomes.

use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::kx_group::{SECP384R1, X25519};

use super::super::p521::SECP521R1;
use super::*;

fn server_with(
    groups: Vec<&'static dyn SupportedKxGroup>,
    version: &'static SupportedProtocolVersion,
) -> ServerConnection {
    let provider = CryptoProvider {
        kx_groups: groups,
        ..default_provider()
    };
    let (cert, key) = (fixture!("server.crt"), fixture!("server.key"));
    server_of(provider, cert, key, None, version)
}

fn wanting(groups: Option<&str>) -> TlsConfig {
    TlsConfig {
        groups: groups.map(|names| vec![names.to_owned()]),
        ..profile()
    }
}

/// The group of a TLS 1.3 handshake, and how many hellos of ours it took.
fn agreed(profile: &TlsConfig, mut server: ServerConnection) -> (String, usize) {
    let factory = TlsFactory::new(profile, &environment()).unwrap();
    let mut client = factory.start().unwrap();
    let mut hellos = 0;
    while client.is_handshaking() {
        hellos += 1;
        let hello = client.write_tls().unwrap();
        server.read_tls(&mut &hello[..]).unwrap();
        server.process_new_packets().unwrap();
        let mut answer = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut answer).unwrap();
        }
        client.read_tls(&answer).unwrap();
    }
    let described = client.describe();
    let (_, group) = described.rsplit_once(", ").unwrap();
    (group.to_owned(), hellos)
}

/// The hello's list of groups (RFC 8446, section 4.2.7).
fn offered(profile: &TlsConfig) -> Vec<u16> {
    let factory = TlsFactory::new(profile, &environment()).unwrap();
    let hello = factory.start().unwrap().write_tls().unwrap();
    let pair = |at: usize| u16::from_be_bytes([hello[at], hello[at + 1]]);
    // Record and message head, version, random; then a session id, suites and compression methods of any length.
    let mut at = 5 + 4 + 2 + 32;
    at += 1 + usize::from(hello[at]);
    at += 2 + usize::from(pair(at));
    at += 1 + usize::from(hello[at]) + 2;
    while pair(at) != 10 {
        at += 4 + usize::from(pair(at + 2));
    }
    let count = usize::from(pair(at + 4)) / 2;
    (0..count).map(|place| pair(at + 6 + 2 * place)).collect()
}

#[test]
fn the_post_quantum_group_comes_first_and_only_with_tls_1_3() {
    assert_eq!(offered(&profile()), [0x11ec, 29, 23, 24, 25]);
    let mut old = profile();
    old.version_max = TlsVersion::V1_2;
    assert_eq!(offered(&old), [29, 23, 24, 25]);
    let mut modern = profile();
    modern.version_min = TlsVersion::V1_3;
    assert_eq!(offered(&modern)[0], 0x11ec);
}

#[test]
fn a_server_that_has_the_post_quantum_group_gets_it() {
    for groups in [vec![X25519_MLKEM768], vec![X25519_MLKEM768, X25519]] {
        let server = server_with(groups, &TLS13);
        assert_eq!(agreed(&profile(), server), ("X25519MLKEM768".to_owned(), 1));
    }
}

#[test]
fn a_server_without_it_takes_x25519_at_once_and_others_ask_again() {
    let x25519 = server_with(vec![X25519], &TLS13);
    assert_eq!(agreed(&profile(), x25519), ("X25519".to_owned(), 1));
    let curves = server_with(vec![SECP384R1], &TLS13);
    assert_eq!(agreed(&profile(), curves), ("secp384r1".to_owned(), 2));
    let old = connect(&profile(), server_with(vec![X25519], &TLS12)).unwrap();
    assert!(old.describe().ends_with(", X25519"), "{}", old.describe());
}

#[test]
fn the_curve_p521_is_there_for_who_has_nothing_else() {
    let only = || server_with(vec![SECP521R1], &TLS13);
    assert_eq!(agreed(&profile(), only()), ("secp521r1".to_owned(), 2));
    let first = wanting(Some("P-521:X25519"));
    assert_eq!(agreed(&first, only()), ("secp521r1".to_owned(), 1));
    let old = connect(&profile(), server_with(vec![SECP521R1], &TLS12)).unwrap();
    assert!(
        old.describe().ends_with(", secp521r1"),
        "{}",
        old.describe()
    );
}

#[test]
fn tls_groups_rules_the_post_quantum_group_too() {
    assert_eq!(offered(&wanting(Some("X25519:P-256"))), [29, 23]);
    let both = wanting(Some("X25519:?x25519mlkem768"));
    assert_eq!(offered(&both), [29, 0x11ec]);
    let server = server_with(vec![X25519_MLKEM768, X25519], &TLS13);
    assert_eq!(agreed(&both, server).0, "X25519");
    let alone = wanting(Some("X25519MLKEM768"));
    assert_eq!(offered(&alone), [0x11ec]);
    let server = server_with(vec![X25519, X25519_MLKEM768], &TLS13);
    assert_eq!(agreed(&alone, server), ("X25519MLKEM768".to_owned(), 1));
    let suite_b = TlsConfig {
        cert_profile: CertProfile::SuiteB,
        ..profile()
    };
    assert_eq!(offered(&suite_b), [23, 24]);
}

#[test]
fn a_group_of_tls_1_3_alone_leaves_no_way_to_tls_1_2() {
    let mut alone = wanting(Some("X25519MLKEM768"));
    alone.version_max = TlsVersion::V1_2;
    let error = TlsFactory::new(&alone, &environment()).unwrap_err();
    assert_eq!(error, TlsSetupError::NoGroup("X25519MLKEM768".into()));
    let mut either = wanting(Some("X25519MLKEM768"));
    either.version_min = TlsVersion::V1_2;
    let old = connect(&either, server_with(vec![X25519], &TLS12));
    assert!(matches!(old, Err(TlsError::Alert(_))), "{old:?}");
}
