//! The laws and examples of this room.

use super::*;
use crate::crypto::cipher::Cipher;
use crate::profile::proxy::{HttpAuth, Proxy};

const BASE: &str =
    "client\n<ca>\nx\n</ca>\nauth-user-pass\nremote a.example 1194 udp\nremote b.example 443 tcp\n";

fn profile(text: &str) -> Profile {
    Profile::parse("p", &format!("{BASE}{text}"), &mut |_| Err(String::new()))
        .unwrap()
        .0
}

fn with(text: &str, requested: &[(&str, &str)]) -> Result<Profile, BadOverride> {
    let mut profile = profile(text);
    let parsed: Result<Vec<_>, _> = requested
        .iter()
        .map(|(key, value)| Override::parse(key, OverrideValue::Text(value)))
        .collect();
    profile.apply_overrides(&parsed?)?;
    Ok(profile)
}

#[test]
fn the_names_are_sorted_and_each_is_understood() {
    for pair in OVERRIDES.windows(2) {
        assert!(pair[0].0 < pair[1].0);
    }
    for (key, right, _) in OVERRIDES {
        let example = match *right {
            SWITCH => "yes",
            PORT => "1194",
            "0 to 6" => "3",
            "tls_1_0 to tls_1_3" => "tls_1_3",
            other => other.split([',', ' ']).next().unwrap(),
        };
        assert!(
            Override::parse(key, OverrideValue::Text(example)).is_ok(),
            "{key}"
        );
    }
}

#[test]
fn an_unknown_name_and_a_wrong_value_are_errors_that_hide_the_value() {
    let unknown = Override::parse("no-such", OverrideValue::Text("hunter2")).unwrap_err();
    assert_eq!(unknown, BadOverride::Unknown("no-such".into()));
    let wrong = Override::parse("log-level", OverrideValue::Text("hunter2")).unwrap_err();
    assert_eq!(
        wrong.to_string(),
        "the value of the override log-level is wrong; right: 0 to 6"
    );
    assert!(Override::parse("proxy-host", OverrideValue::Switch(true)).is_err());
    assert!(Override::parse("persist-tun", OverrideValue::Text("maybe")).is_err());
    let secret = Override::parse("proxy-password", OverrideValue::Text("hunter2")).unwrap();
    assert!(!format!("{secret:?}").contains("hunter2"));
}

#[test]
fn the_server_replaces_all_and_equal_remotes_fall_together() {
    let profile = with(
        "",
        &[
            ("server-override", "[2001:db8::1]"),
            ("port-override", "1200"),
            ("proto-override", "tcp"),
        ],
    )
    .unwrap();
    assert_eq!(profile.remotes.len(), 1);
    let remote = &profile.remotes[0];
    assert_eq!(
        (remote.host.as_str(), remote.port, remote.transport),
        ("2001:db8::1", 1200, Transport::Tcp)
    );
}

#[test]
fn a_protocol_keeps_the_remotes_that_have_it_or_all_of_them() {
    let more = "remote c.example 1194 udp6\n";
    let hosts = |text: &str, protocol: &str| {
        let profile = with(text, &[("proto-override", protocol)]).unwrap();
        let hosts = profile.remotes.iter().map(|remote| remote.host.clone());
        hosts.collect::<Vec<_>>()
    };
    assert_eq!(hosts(more, "tcp"), ["b.example"]);
    assert_eq!(hosts(more, "udp"), ["a.example", "c.example"]);
    let only_udp = "proto-force udp\n";
    assert_eq!(hosts(only_udp, "tcp"), ["a.example"]);
    let mut profile = profile(only_udp);
    let requested = Override::parse("proto-override", OverrideValue::Text("tcp")).unwrap();
    let notes = profile.apply_overrides(&[requested]).unwrap();
    assert_eq!(notes.len(), 1);
    assert_eq!(profile.remotes[0].transport, Transport::Udp);
}

#[test]
fn a_proxy_leaves_the_remotes_that_it_can_reach() {
    let profile = with(
        "",
        &[
            ("proxy-password", "p"),
            ("proxy-port", "8080"),
            ("proxy-host", "proxy.example"),
            ("proxy-username", "u"),
        ],
    )
    .unwrap();
    assert_eq!(profile.remotes.len(), 1);
    let Some(Proxy::Http(proxy)) = &profile.remotes[0].options.proxy else {
        panic!("no proxy")
    };
    assert_eq!(proxy.auth, HttpAuth::AutoNoClearText);
    let login = proxy.login.as_ref().unwrap();
    assert_eq!(login.username.as_deref(), Some("u"));
    assert_eq!(login.password.as_deref(), Some(&SecretText::from("p")));
    let udp = [
        ("proxy-host", "p"),
        ("proxy-port", "1"),
        ("proto-override", "udp"),
    ];
    let reached = with("", &udp).unwrap();
    assert_eq!(reached.remotes[0].transport, Transport::Tcp);
    assert_eq!(reached.remotes.len(), 1);
    assert!(matches!(
        with("", &[("proxy-host", "p")]),
        Err(BadOverride::Conflict { .. })
    ));
    let clear = [
        ("proxy-auth-cleartext", "yes"),
        ("proxy-host", "p"),
        ("proxy-port", "1"),
    ];
    let profile = with("", &clear).unwrap();
    let Some(Proxy::Http(proxy)) = &profile.remotes[0].options.proxy else {
        panic!("no proxy")
    };
    assert_eq!(proxy.auth, HttpAuth::Auto);
}

#[test]
fn algorithms_and_versions_follow() {
    let profile = with(
        "",
        &[
            ("enable-legacy-algorithms", "yes"),
            ("allow-compression", "asym"),
            ("tls-version-min", "tls_1_3"),
        ],
    )
    .unwrap();
    assert!(profile.data.ciphers.contains(&Cipher::Aes256Cbc));
    assert_eq!(profile.pull.compression, CompressionPolicy::Asymmetric);
    assert_eq!(profile.tls.version_min, Some(TlsVersion::V1_3));
    assert!(with("tls-version-max 1.2", &[("tls-version-min", "tls_1_3")]).is_err());
    let kept = with("tls-version-min 1.3", &[("tls-version-min", "tls_1_2")]).unwrap();
    assert_eq!(kept.tls.version_min, Some(TlsVersion::V1_3));
}

#[test]
fn preferences_follow_in_any_order() {
    for requested in [
        [("dns-setup-disabled", "yes"), ("dns-scope", "tunnel")],
        [("dns-scope", "tunnel"), ("dns-setup-disabled", "yes")],
    ] {
        assert_eq!(with("", &requested).unwrap().preferences.dns, DnsUse::Off);
    }
    let profile = with(
        "persist-tun",
        &[("persist-tun", "no"), ("ipv6", "no"), ("log-level", "5")],
    )
    .unwrap();
    assert!(!profile.device.persist);
    assert_eq!(profile.preferences.unused_family, UnusedFamily::Block);
    assert_eq!(profile.preferences.log_level, Some(5));
}
