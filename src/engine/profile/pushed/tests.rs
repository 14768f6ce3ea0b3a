//! The laws and examples of this room.

use proptest::prelude::*;

use super::split::split;
use super::*;
use crate::settings::CompressionPolicy;

fn reply(text: &str) -> Result<(PushedOptions, Vec<Note>), PushError> {
    reply_with(text, &PullRules::default())
}

fn reply_with(text: &str, rules: &PullRules) -> Result<(PushedOptions, Vec<Note>), PushError> {
    PushedOptions::from_reply(&split(&format!("PUSH_REPLY,{text}"), "PUSH_REPLY")?, rules)
}

fn update(options: &PushedOptions, text: &str) -> Result<PushedOptions, PushError> {
    let items = split(&format!("PUSH_UPDATE,{text}"), "PUSH_UPDATE")?;
    options
        .updated(&items, &PullRules::default())
        .map(|(options, _)| options)
}

#[test]
fn what_a_server_of_today_pushes_is_understood() {
    let (options, notes) = reply(
        "route-gateway 10.8.0.1,topology subnet,ping 10,ping-restart 60,ifconfig-ipv6 fd00::1000/64 fd00::1,\
         ifconfig 10.8.0.2 255.255.255.0,peer-id 3,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm dyn-tls-crypt,\
         tun-mtu 1400,auth-token SESS_ID_AT_x,auth-token-user dXNlcg==",
    )
    .unwrap();

    assert_eq!(notes, []);
    assert_eq!(options.cipher, Some(Cipher::Aes256Gcm));
    assert_eq!(options.peer_id, Some(3));
    assert!(options.flags.cc_exit && options.flags.tls_ekm && options.flags.dyn_tls_crypt);
    assert!(!options.flags.aead_epoch);
    assert_eq!(options.ping, Some(Duration::from_secs(10)));
    assert_eq!(options.ping_restart, Some(Duration::from_secs(60)));
    assert_eq!(options.tun_mtu, Some(1400));
    assert_eq!(
        options.auth_token.as_deref(),
        Some(&SecretText::from("SESS_ID_AT_x"))
    );
    assert_eq!(options.auth_token_user.as_deref(), Some("user"));
    assert_eq!(
        options.tunnel.ifconfig.unwrap().local.to_string(),
        "10.8.0.2"
    );
    assert!(options.tunnel.ifconfig_ipv6.unwrap().remote.is_some());
}

#[test]
fn a_token_never_shows() {
    let (options, notes) = reply("auth-token hunter2,auth-token-user hunter2,auth-token").unwrap();
    assert!(!format!("{options:?}{notes:?}").contains("hunter2"));
}

#[test]
fn what_changes_the_wire_format_in_an_unknown_way_ends_the_attempt() {
    assert_eq!(
        reply("protocol-flags cc-exit aead-tag-end").unwrap_err(),
        PushError::ProtocolFlag("aead-tag-end".into())
    );
    assert_eq!(
        reply("key-derivation magic").unwrap_err(),
        PushError::KeyDerivation("magic".into())
    );
    assert!(matches!(
        reply("cipher BF-CBC").unwrap_err(),
        PushError::Algorithm { .. }
    ));
    assert!(matches!(
        reply("cipher none").unwrap_err(),
        PushError::Algorithm { .. }
    ));
    assert!(matches!(
        reply("auth none").unwrap_err(),
        PushError::Algorithm { .. }
    ));
    assert_eq!(
        reply("peer-id 16777216").unwrap_err(),
        PushError::PeerId("16777216".into())
    );
    assert_eq!(
        reply("peer-id -2").unwrap_err(),
        PushError::PeerId("-2".into())
    );
}

#[test]
fn an_epoch_needs_a_peer_id_and_an_aead_cipher() {
    assert!(reply("protocol-flags aead-epoch,peer-id 1,cipher AES-128-GCM").is_ok());
    assert!(matches!(
        reply("protocol-flags aead-epoch"),
        Err(PushError::Epoch(_))
    ));
    assert!(matches!(
        reply("protocol-flags aead-epoch,peer-id 1,cipher AES-128-CBC"),
        Err(PushError::Epoch(_))
    ));
}

#[test]
fn a_peer_id_of_minus_one_is_undefined_but_switches_to_the_second_format() {
    assert_eq!(reply("peer-id -1").unwrap().0.peer_id, Some(0xff_ffff));
    assert_eq!(
        reply("peer-id 16777214").unwrap().0.peer_id,
        Some(0xff_fffe)
    );
}

#[test]
fn a_stub_is_let_in_and_real_compression_only_if_allowed() {
    assert_eq!(reply("comp-lzo no").unwrap().0.framing, Some(Framing::Lzo));
    assert_eq!(
        reply("compress stub-v2").unwrap().0.framing,
        Some(Framing::V2)
    );
    assert_eq!(
        reply("compress lz4").unwrap_err(),
        PushError::Compression("compress lz4".into())
    );
    assert_eq!(
        reply("comp-lzo").unwrap_err(),
        PushError::Compression("comp-lzo".into())
    );
    let rules = PullRules {
        compression: CompressionPolicy::Asymmetric,
        ..PullRules::default()
    };
    let options = reply_with("compress lz4", &rules).unwrap().0;
    assert_eq!(
        (options.framing, options.server_compresses),
        (Some(Framing::Swap), true)
    );
    assert!(matches!(
        reply("compress zstd"),
        Err(PushError::Compression(_))
    ));
}

#[test]
fn what_a_server_may_not_push_is_passed_over_with_a_note() {
    for item in [
        "up /bin/sh",
        "bind-dev eth0",
        "ca /etc/passwd",
        "remote evil.example",
        "no-such-thing",
        "verb 9",
    ] {
        let (options, notes) = reply(item).unwrap();
        assert_eq!(notes.len(), 1, "{item}");
        assert_eq!(options, PushedOptions::default(), "{item}");
    }
}

#[test]
fn one_bad_option_does_not_spoil_the_others() {
    let (options, notes) =
        reply("route 10.0.0.1 255.0.0.0,route 10.0.0.0 255.0.0.0,ping x,route,echo \"a\"b\"")
            .unwrap();
    assert_eq!(options.tunnel.routes.len(), 1);
    assert_eq!(notes.len(), 4 - usize::from(!options.echo.is_empty()));
}

#[test]
fn every_option_that_the_table_lets_a_server_push_has_its_place() {
    for row in table::rows() {
        if row.treatment != Treatment::Honour || !row.scope.holds(Scope::PUSHED) {
            continue;
        }
        let args = vec!["1"; *row.args.start()];
        let applied = PushedOptions::default().apply(row.name, &args, &PullRules::default());
        assert!(!matches!(applied, Ok(Applied::NotMine)), "{}", row.name);
    }
}

#[test]
fn an_update_replaces_by_name_over_all_of_its_parts() {
    let (before, _) = reply(
        "ping 10,route 10.0.0.0 255.0.0.0,ifconfig 10.8.0.2 255.255.255.0,dns server 1 address 1.1.1.1,\
         route-gateway 10.8.0.1",
    )
    .unwrap();
    let after = update(
        &before,
        "route 1.1.1.1,route 2.2.2.2,-ifconfig,?bla,push-continuation 2,route 3.3.3.3,route 4.4.4.4,-dns,\
         push-continuation 1",
    )
    .unwrap();

    assert_eq!(after.tunnel.routes.len(), 4);
    assert_eq!(after.tunnel.ifconfig, None);
    assert!(after.tunnel.dns.servers.is_empty());
    assert_eq!(after.ping, Some(Duration::from_secs(10)));
    assert_eq!(after.tunnel.route_gateway, before.tunnel.route_gateway);
    assert_eq!(after.list.len(), 6);
}

#[test]
fn an_update_knows_its_forms() {
    let none = PushedOptions::default();
    assert!(update(&none, " -?dns, route 10.0.0.0, ?dhcp-option DNS 8.8.8.8").is_ok());
    assert!(matches!(
        update(&none, " -dhcp-option, ?-dns"),
        Err(PushError::Malformed(_))
    ));
    assert_eq!(
        update(&none, " dev tun"),
        Err(PushError::UpdateUnsupported("dev".into()))
    );
    assert_eq!(
        update(&none, " -peer-id"),
        Err(PushError::UpdateUnsupported("peer-id".into()))
    );
    assert!(update(&none, "?dev tun,-?cipher").is_ok());
    assert!(matches!(
        update(&none, "-route 10.0.0.0"),
        Err(PushError::Malformed(_))
    ));
    for apart in ["- route", "? route 10.0.0.0", "-? route"] {
        assert!(matches!(update(&none, apart), Err(PushError::Malformed(_))));
    }
}

#[test]
fn an_update_removes_and_adds_again() {
    let (before, _) = reply("route 10.0.0.0,route 11.0.0.0").unwrap();
    let after = update(&before, "-route,route 12.0.0.0").unwrap();
    assert_eq!(after.tunnel.routes.len(), 1);
}

#[test]
fn an_update_takes_both_redirections_as_one() {
    let (before, _) = reply("redirect-private def1").unwrap();
    let redirect = update(&before, "redirect-gateway def1")
        .unwrap()
        .tunnel
        .redirect
        .unwrap();
    assert!(redirect.default_route());
}

#[test]
fn an_update_keeps_the_token_and_changes_the_keepalive() {
    let (before, _) = reply("auth-token x,ping 10,ping-restart 60").unwrap();
    let after = update(&before, "keepalive 5 30").unwrap();
    assert_eq!(after.auth_token, before.auth_token);
    assert_eq!(after.ping, Some(Duration::from_secs(5)));
    assert_eq!(after.ping_restart, Some(Duration::from_secs(30)));
}

#[test]
fn what_differs_between_two_pushes_of_the_same_tunnel_does_not_count() {
    let same = |a: &str, b: &str| reply(a).unwrap().0.same_tunnel(&reply(b).unwrap().0);
    assert!(same(
        "peer-id 1,auth-token a,route 10.0.0.0",
        "peer-id 2,ping 9,route 10.0.0.0,cipher AES-128-GCM"
    ));
    assert!(!same("route 10.0.0.0", "route 11.0.0.0"));
    assert!(!same("route 10.0.0.0", ""));
}

#[test]
fn filters_apply_to_updates_too() {
    let rules = PullRules {
        filters: vec![PullFilter {
            action: PullAction::Ignore,
            text: "route ".into(),
        }],
        ..PullRules::default()
    };
    let items = ["?route 10.0.0.0".to_owned(), "-route".to_owned()];
    let (before, _) = reply("route 11.0.0.0").unwrap();
    let (after, notes) = before.updated(&items[..1], &rules).unwrap();
    assert_eq!(after.tunnel.routes.len(), 1);
    assert_eq!(notes.len(), 1);
}

#[test]
fn little_of_an_endless_option_is_repeated() {
    let endless = "x".repeat(60_000);
    let (_, notes) = reply(&format!("{endless},topology {endless}")).unwrap();
    assert_eq!(notes.len(), 2);
    for note in notes {
        assert!(note.to_string().len() < 600, "{}", note.to_string().len());
    }
}

proptest! {
    #[test]
    fn no_push_panics(text in "([a-z0-9.:/ ,\"'?-]|\\PC)*") {
        let _ = reply(&text);
        let _ = update(&PushedOptions::default(), &text);
    }

    #[test]
    fn an_update_of_nothing_changes_nothing(text in "(route 10.0.0.0|ping [0-9]|peer-id [0-9]|dns server 1 address 1.1.1.1|,){0,9}") {
        if let Ok((before, _)) = reply(&text) {
            prop_assert_eq!(update(&before, "").unwrap(), before);
        }
    }
}
