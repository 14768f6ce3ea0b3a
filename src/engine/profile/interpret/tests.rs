//! The laws and examples of this room.

mod corpus;
mod forms;

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::KeyDirection;
use crate::profile::model::{AddressFamily, WrappingText};
use crate::profile::proxy::{HttpAuth, Proxy};
use crate::secret::SecretText;
use crate::settings::{
    CertType, CompressionPolicy, Framing, MssFix, NameCheck, TlsVersion, Transport,
};

/// The least that a profile needs.
const BASE: &str = "client\ndev tun\n<ca>\nCA\n</ca>\nauth-user-pass\n";

fn files(file: &str) -> Result<Vec<u8>, String> {
    match file {
        "login.txt" => Ok(b"user\r\nhunter2\r\n".to_vec()),
        "name.txt" => Ok(b"user\n".to_vec()),
        _ => Err("no such file".to_owned()),
    }
}

fn parse(text: &str) -> Result<(Profile, Vec<Note>), Vec<ProfileError>> {
    Profile::parse("p.ovpn", text, &mut files)
}

fn good(text: &str) -> Profile {
    parse(&format!("{BASE}remote vpn.example 1194\n{text}"))
        .unwrap()
        .0
}

fn notes(text: &str) -> Vec<String> {
    let (_, notes) = parse(&format!("{BASE}remote vpn.example\n{text}")).unwrap();
    notes.iter().map(ToString::to_string).collect()
}

fn errors(text: &str) -> Vec<String> {
    let errors = parse(&format!("{BASE}remote vpn.example\n{text}")).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_ordinary_profile_of_a_provider_is_understood() {
    let (profile, notes) = parse(
        "client\r\ndev tun\r\nproto udp\r\nremote 192.0.2.1 1194\r\nresolv-retry infinite\r\nremote-random\r\n\
         nobind\r\ntun-mtu 1500\r\ntun-mtu-extra 32\r\nmssfix 1450\r\npersist-key\r\npersist-tun\r\nping 15\r\n\
         ping-restart 0\r\nping-timer-rem\r\nreneg-sec 0\r\ncomp-lzo no\r\nremote-cert-tls server\r\n\
         auth-user-pass\r\nverb 3\r\npull\r\nfast-io\r\ncipher AES-256-CBC\r\nauth SHA512\r\n\
         <ca>\r\nCA\r\n</ca>\r\nkey-direction 1\r\n<tls-auth>\r\n# 2048 bit\r\nKEY\r\n</tls-auth>\r\n",
    )
    .unwrap();

    assert_eq!(notes.len(), 2, "{notes:?}");
    let remote = &profile.remotes[0];
    assert_eq!(
        (remote.host.as_str(), remote.port, remote.transport),
        ("192.0.2.1", 1194, Transport::Udp)
    );
    assert_eq!(remote.options.mssfix, MssFix::Payload(1450));
    assert!(matches!(
        remote.options.wrapping,
        WrappingText::TlsAuth {
            direction: KeyDirection::Inverse,
            digest: Digest::Sha512,
            ..
        }
    ));
    assert_eq!(profile.timing.ping, Some(Duration::from_secs(15)));
    assert_eq!(
        (profile.timing.ping_restart, profile.timing.reneg),
        (None, None)
    );
    assert_eq!(profile.data.framing, Framing::Lzo);
    assert_eq!(profile.data.fallback, Some(Cipher::Aes256Cbc));
    assert_eq!(profile.data.ciphers.last(), Some(&Cipher::Aes256Cbc));
    assert_eq!(profile.tls.checks.cert_type, Some(CertType::Server));
    assert!(profile.device.persist && profile.remote_random && profile.login.is_some());
    assert_eq!(profile.tls.ca[0].text(), Ok("CA\n"));
}

#[test]
fn the_replay_window_is_wide_unless_the_profile_says_otherwise() {
    let width = |line| good(line).data.replay_window;
    assert_eq!(width(""), 2048);
    assert_eq!(width("replay-window\n"), 64);
    assert_eq!(width("replay-window 128 10\n"), 128);
}

#[test]
fn all_errors_come_at_once_with_their_places() {
    let found = errors(
        "remot x\nport 0\n  verb\tmany\nsecret key.txt\nroute 1.2.3.4\npeer-id 1\nca nowhere.crt\n",
    );
    assert_eq!(
        found,
        [
            "p.ovpn:8:1: remot: there is no such option (perhaps remote)",
            "p.ovpn:9:6: port: \"0\" does not fit (a number from 1 to 65535)",
            "p.ovpn:10:8: verb: \"many\" does not fit (a number from 0 to 11)",
            "p.ovpn:11:1: secret: a static key has no forward secrecy; use TLS",
            "p.ovpn:13:1: peer-id: only a server may say this, by pushing it (leave it out)",
            "p.ovpn:14:4: ca: the file nowhere.crt cannot be read: no such file (a file beside the profile, or the \
             content between <tag> and </tag>)",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    let found: Vec<_> = parse("dev tun\n")
        .unwrap_err()
        .into_iter()
        .map(|e| e.directive)
        .collect();
    assert_eq!(found, ["client", "ca", "cert", "remote"]);
}

#[test]
fn a_wrong_number_of_arguments_is_an_error() {
    assert_eq!(
        errors("remote-cert-tls\n"),
        [
            "p.ovpn:8:1: remote-cert-tls: it has no argument (1 argument. server: the server's certificate must be one for servers)"
        ]
    );
    assert_eq!(
        errors("verb 1 2\n"),
        ["p.ovpn:8:8: verb: it has 2 arguments (0 to 1 argument. How much is logged, 0 to 11)"]
    );
}

#[test]
fn remotes_keep_the_order_of_the_profile_over_lines_and_blocks() {
    let profile = good(
        "remote a.example 443 tcp-client\n<connection>\nremote b.example\nproto tcp6\nport 8443\ntun-mtu 1400\n\
         explicit-exit-notify 3\n</connection>\nremote [2001:db8::1] 1195 udp6\nproto udp4\nrport 1200\n",
    );
    let shown: Vec<_> = profile
        .remotes
        .iter()
        .map(|r| (r.host.as_str(), r.port, r.transport, r.family))
        .collect();
    assert_eq!(
        shown,
        [
            ("vpn.example", 1194, Transport::Udp, Some(AddressFamily::V4)),
            ("a.example", 443, Transport::Tcp, None),
            ("b.example", 8443, Transport::Tcp, Some(AddressFamily::V6)),
            ("2001:db8::1", 1195, Transport::Udp, Some(AddressFamily::V6)),
        ]
    );
    assert_eq!(profile.remotes[2].options.tun_mtu, 1400);
    assert_eq!(profile.timing(&profile.remotes[2]).exit_notify, 3);
    assert_eq!(profile.remotes[0].options.tun_mtu, 1500);
}

#[test]
fn a_block_may_have_a_protection_of_its_own() {
    let profile = good(
        "<tls-auth>\nA\n</tls-auth>\nkey-direction 1\n<connection>\nremote b.example\n<tls-crypt>\nB\n</tls-crypt>\n\
         </connection>\n",
    );
    assert!(matches!(
        profile.remotes[0].options.wrapping,
        WrappingText::TlsAuth { .. }
    ));
    assert!(matches!(
        profile.remotes[1].options.wrapping,
        WrappingText::TlsCrypt { .. }
    ));
}

#[test]
fn errors_within_a_block_have_the_line_of_the_profile() {
    assert_eq!(
        errors("<connection>\nremote b.example\nverb 3\nport x\n</connection>\n"),
        [
            "p.ovpn:10:1: verb: it may not stand within <connection> (on a line of its own outside of the block)",
            "p.ovpn:11:6: port: \"x\" does not fit (a number from 1 to 65535)",
        ]
    );
    assert_eq!(errors("<connection>\nport 1\n</connection>\n").len(), 1);
}

#[test]
fn protections_exclude_each_other() {
    let found = errors("<tls-auth>\nA\n</tls-auth>\n<tls-crypt>\nB\n</tls-crypt>\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("exclude each other"), "{found:?}");
}

#[test]
fn a_login_comes_from_a_file_a_block_or_the_user() {
    let login = good("auth-user-pass login.txt\n").login.unwrap();
    assert_eq!(login.username.as_deref(), Some("user"));
    assert_eq!(
        login.password.as_deref(),
        Some(&SecretText::from("hunter2"))
    );
    let login = good("<auth-user-pass>\nme\n</auth-user-pass>\n")
        .login
        .unwrap();
    assert_eq!(
        (login.username.as_deref(), login.password),
        (Some("me"), None)
    );
    let login = good("auth-user-pass name.txt username-only\n")
        .login
        .unwrap();
    assert!(login.username_only);
    assert!(good("auth-user-pass\n").login.unwrap().username.is_none());
}

#[test]
fn no_secret_of_a_profile_shows() {
    let profile = good("auth-user-pass login.txt\n<key>\nhunter2\n</key>\n<cert>\nx\n</cert>\n");
    assert!(!format!("{profile:?}").contains("hunter2"));
}

#[test]
fn unknown_options_are_excused_in_three_ways() {
    assert_eq!(notes("setenv opt block-magic\n").len(), 1);
    assert_eq!(
        notes("newfangled 1\nignore-unknown-option newfangled other\n").len(),
        1
    );
    assert_eq!(
        notes("newfangled 1\nsetenv FORWARD_COMPATIBLE 1\n").len(),
        1
    );
    assert_eq!(errors("newfangled 1\n").len(), 1);
}

#[test]
fn ciphers_follow_the_list_and_the_old_option() {
    let data = |text: &str| good(text).data;
    assert_eq!(data("").ciphers, Cipher::DEFAULT);
    let old = data("cipher AES-128-CBC\n");
    assert_eq!(
        old.ciphers,
        [&Cipher::DEFAULT[..], &[Cipher::Aes128Cbc]].concat()
    );
    assert_eq!(old.fallback, Some(Cipher::Aes128Cbc));
    for excluding in [
        "data-ciphers AES-128-GCM\ncipher AES-128-CBC\n",
        "cipher AES-128-CBC\ndata-ciphers AES-128-GCM\n",
    ] {
        let data = data(excluding);
        assert_eq!(
            (data.ciphers, data.fallback),
            (vec![Cipher::Aes128Gcm], None)
        );
        assert_eq!(notes(excluding).len(), 1);
    }
    let both = data("cipher AES-128-CBC\ndata-ciphers-fallback AES-256-CBC\n");
    assert_eq!(both.fallback, Some(Cipher::Aes256Cbc));
    assert_eq!(notes("cipher BF-CBC\n").len(), 1);
    assert_eq!(notes("data-ciphers AES-256-GCM:BF-CBC\n").len(), 1);
    assert_eq!(errors("data-ciphers vollbit\n").len(), 1);
    assert_eq!(errors("cipher vollbit\n").len(), 1);
}

#[test]
fn compression_is_framing_unless_allowed() {
    assert_eq!(good("compress stub-v2\n").data.framing, Framing::V2);
    for (text, policy) in [
        ("comp-lzo no\n", CompressionPolicy::No),
        ("compress stub-v2\n", CompressionPolicy::No),
        ("comp-lzo\n", CompressionPolicy::Asymmetric),
        ("compress lz4-v2\n", CompressionPolicy::Asymmetric),
        ("comp-lzo\nallow-compression no\n", CompressionPolicy::No),
        ("allow-compression no\ncomp-lzo\n", CompressionPolicy::No),
    ] {
        assert_eq!(good(text).pull.compression, policy, "{text}");
    }
    assert_eq!(
        good("allow-compression yes\n").pull.compression,
        CompressionPolicy::Asymmetric
    );
    assert_eq!(
        good("compat-mode 2.5.0\n").pull.compression,
        CompressionPolicy::Asymmetric
    );
    let both = good("allow-compression no\ncompat-mode 2.4\n");
    assert_eq!(both.pull.compression, CompressionPolicy::No);
}

#[test]
fn proxies_carry_what_they_can() {
    let profile = good(
        "remote b.example 443 tcp\nhttp-proxy proxy.example 8080 auto\nhttp-proxy-option AGENT me\n\
         http-proxy-option CUSTOM-HEADER X-Y z\n<http-proxy-user-pass>\nu\np\n</http-proxy-user-pass>\n",
    );
    assert_eq!(
        profile.remotes.len(),
        1,
        "UDP does not go through an HTTP proxy"
    );
    let Some(Proxy::Http(http)) = &profile.remotes[0].options.proxy else {
        panic!("no proxy")
    };
    assert_eq!(
        (http.host.as_str(), http.port, http.auth),
        ("proxy.example", 8080, HttpAuth::Auto)
    );
    assert_eq!(http.login.as_ref().unwrap().username.as_deref(), Some("u"));
    assert_eq!(http.headers, [("X-Y".to_owned(), Some("z".to_owned()))]);
    assert_eq!(errors("http-proxy proxy.example 8080\n").len(), 1);

    let profile = good("socks-proxy 127.0.0.1\n");
    assert_eq!(profile.data(&profile.remotes[0]).socks_header, 10);
}

#[test]
fn what_the_server_must_prove_is_typed() {
    let profile = good(
        "verify-x509-name \"C=KG, CN=Test-Server\"\nremote-cert-ku a0 88\nremote-cert-eku 1.3.6.1.5.5.7.3.1\n\
         tls-version-min 1.0 or-highest\ntls-groups X25519:secp256r1\nverify-hash aa:00:00:00:00:00:00:00:00:00:00:00:\
         00:00:00:00:00:00:00:00 SHA1\n<peer-fingerprint>\n# ours\n\
         00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF\n</peer-fingerprint>\n",
    );
    let checks = &profile.tls.checks;
    assert_eq!(
        checks.name,
        Some(NameCheck::Subject("C=KG, CN=Test-Server".into()))
    );
    assert_eq!(checks.key_usage, Some(vec![0xa0, 0x88]));
    assert_eq!(checks.hash.as_ref().unwrap().depth, 1);
    assert_eq!(profile.tls.fingerprints[0][31], 0xff);
    assert_eq!(profile.tls.version_min, Some(TlsVersion::V1_2));
    assert_eq!(
        profile.tls.groups.as_deref(),
        Some(&["X25519".to_owned(), "secp256r1".to_owned()][..])
    );
    assert_eq!(errors("tls-version-max 1.1\n").len(), 1);
    assert_eq!(errors("peer-fingerprint abcd\n").len(), 1);
}

#[test]
fn an_identity_is_whole_or_absent() {
    assert_eq!(errors("<cert>\nC\n</cert>\n").len(), 1);
    assert_eq!(errors("<key>\nK\n</key>\n").len(), 1);
    let inline = good("<pkcs12>\nAQID\nBA==\n</pkcs12>\n")
        .tls
        .pkcs12
        .unwrap();
    assert_eq!(inline.content.expose(), [1, 2, 3, 4]);
    assert_eq!(errors("<pkcs12>\n***\n</pkcs12>\n").len(), 1);
}

#[test]
fn layer_two_and_server_modes_are_refused() {
    for line in [
        "dev tap0",
        "dev-type tap",
        "mode server",
        "server 10.0.0.0 255.0.0.0",
        "proto tcp-server",
    ] {
        assert_eq!(errors(line).len(), 1, "{line}");
    }
    assert_eq!(good("dev my-vpn\n").device.name, "my-vpn");
    assert_eq!(errors("dev ../x\n").len(), 1);
}

#[test]
fn access_server_and_setenv_speak_about_people() {
    let profile = good(
        "# OVPN_ACCESS_SERVER_PROFILE=me@vpn.example/AUTOLOGIN\n# OVPN_ACCESS_SERVER_AUTOLOGIN=1\n\
         setenv FRIENDLY_NAME \"My VPN\"\nsetenv UV_ID 7\nsetenv IV_GUI_VER \"gui 1\"\nsetenv PUSH_PEER_INFO\n",
    );
    assert_eq!(profile.meta.profile_name.as_deref(), Some("me@vpn.example"));
    assert_eq!(profile.meta.friendly_name.as_deref(), Some("My VPN"));
    assert!(profile.meta.autologin && profile.peer_info.auto_session && profile.peer_info.push);
    assert_eq!(
        profile.peer_info.user_variables,
        [("UV_ID".to_owned(), "7".to_owned())]
    );
    assert_eq!(profile.peer_info.gui_version.as_deref(), Some("gui 1"));
    assert_eq!(errors("setenv GENERIC_CONFIG 1\n").len(), 1);
}

#[test]
fn a_profile_without_login_asks_for_session_tokens() {
    let identity =
        "client\ndev tun\n<ca>\nCA\n</ca>\nremote a\n<cert>\nC\n</cert>\n<key>\nK\n</key>\n";
    let asks = |text: &str| parse(text).unwrap().0.peer_info.auto_session;
    assert!(asks(identity));
    assert!(!asks(&format!("{identity}auth-user-pass\n")));
}

#[test]
fn a_pull_filter_has_exactly_two_arguments() {
    assert_eq!(
        good("pull-filter ignore \"route 1.2.3.4\"\n").pull.filters[0].text,
        "route 1.2.3.4"
    );
    assert_eq!(errors("pull-filter ignore one two\n").len(), 1);
}

#[test]
fn a_route_that_cannot_be_is_left_out() {
    assert_eq!(notes("route 10.0.0.1 255.0.0.0\n").len(), 1);
    assert_eq!(good("route 10.0.0.0 255.0.0.0\n").tunnel.routes.len(), 1);
}

#[test]
fn a_zero_means_what_it_means_elsewhere() {
    let profile = good(
        "server-poll-timeout 0\nconnect-retry 0\nsndbuf 0\ninactive 0\nping 0\nreneg-bytes -1\n",
    );
    assert!(profile.remotes[0].options.server_poll > Duration::from_secs(86_400));
    assert_eq!(profile.retry.first, Duration::from_secs(1));
    assert_eq!(
        (
            profile.socket.sndbuf,
            profile.timing.inactive,
            profile.timing.ping
        ),
        (None, None, None)
    );
    assert_eq!(profile.timing.reneg_bytes, None);
    assert_eq!(errors("hand-window 0\n").len(), 1);
}

#[test]
fn every_honoured_row_is_handled() {
    for row in table::rows() {
        if row.treatment != Treatment::Honour || !row.scope.holds(Scope::PROFILE) {
            continue;
        }
        let args = " 1".repeat(*row.args.start());
        let text = format!("{}{args}\n", row.name);
        let silent = parse(&text).err().is_none_or(|errors| {
            let misplaced = |error: &ProfileError| error.reason == "it may not stand here";
            !errors.iter().any(misplaced)
        });
        assert!(silent, "{} is honoured by nobody", row.name);
    }
}

#[test]
fn every_row_of_a_block_is_handled() {
    for row in table::rows() {
        if row.treatment != Treatment::Honour || !row.scope.holds(Scope::CONNECTION) {
            continue;
        }
        let args = " 1".repeat(*row.args.start());
        let text = format!("<connection>\n{}{args}\n</connection>\n", row.name);
        let errors = parse(&text).unwrap_err();
        assert!(
            errors.iter().all(|e| e.reason != "it may not stand here"),
            "{}",
            row.name
        );
    }
}

#[test]
fn the_largest_profiles_are_judged_at_once() {
    for line in [
        "a\n",
        "x y\n",
        "\"a\n",
        "a'\"\n",
        "route 10.0.0.0\n",
        "<ca>\n",
        "remote a\n",
    ] {
        let text = line.repeat(262_144 / line.len());
        let _ = parse(&text);
    }
}

proptest! {
    #[test]
    fn no_profile_panics(text in "([a-z0-9.:/ \n\"'<>#-]|\\PC)*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_directive_panics(
        at in 0_usize..400,
        args in proptest::collection::vec("[a-z0-9.:/-]{0,12}", 0..5),
    ) {
        let rows = table::rows();
        let name = rows[at % rows.len()].name;
        let _ = parse(&format!("{BASE}{name} {}\n<{name}>\n{}\n</{name}>\n", args.join(" "), args.join("\n")));
    }
}
