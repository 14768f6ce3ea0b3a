//! The generated corpus, `tests/data/profiles/corpus`: of each profile its verdict, and the settings that result.
//!
//! `NAME.ovpn` is judged as `NAME.verdict` says, a list of lines: `accept` or `refuse`, `openvpn accept` or `openvpn
//! refuse` (what OpenVPN 2.6 does), the same with `openvpn-2.7` where 2.7 does otherwise, `because ABOUT: REASON` where one
//! of them differs from us, then `set SETTING` for each setting that is
//! not the usual one, `note OPTION`, `minor OPTION` and `error OPTION`, each as often as it is said.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::super::super::settings::Timing;
use super::super::super::model::{Remote, RemoteOptions, Retry};
use super::super::super::table::DIFFERENCES;
use super::super::super::tunnel::TunnelOptions;
use super::*;

fn folder() -> PathBuf {
    let mut above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    above
        .find_map(|above| {
            let folder = above.join("tests/data/profiles/corpus");
            folder.is_dir().then_some(folder)
        })
        .expect("the corpus is there")
}

fn names() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).expect("it can be read");
    let names = entries.filter_map(|entry| {
        let path = entry.expect("it can be read").path();
        let is_profile = path.extension().is_some_and(|ending| ending == "ovpn");
        is_profile.then(|| path.file_stem().unwrap().to_string_lossy().into_owned())
    });
    names.collect()
}

fn verdict(name: &str) -> String {
    fs::read_to_string(folder().join(format!("{name}.verdict"))).unwrap_or_default()
}

/// What is made of a profile, in the lines of its verdict.
fn outcome(name: &str) -> Vec<String> {
    let folder = folder();
    let bytes = fs::read(folder.join(format!("{name}.ovpn"))).expect("it can be read");
    let text = String::from_utf8(bytes).expect("the corpus is UTF-8");
    let mut load =
        |file: &str| fs::read(folder.join(file)).map_err(|error| error.kind().to_string());
    let examined = Profile::examine(name, &text, &mut load);
    let mut lines = Vec::new();
    if examined.errors.is_empty() {
        lines.push("accept".to_owned());
        lines.extend(
            settings(&examined.profile)
                .into_iter()
                .map(|line| format!("set {line}")),
        );
    } else {
        lines.push("refuse".to_owned());
    }
    for note in &examined.notes {
        let weight = if note.minor { "minor" } else { "note" };
        lines.push(format!("{weight} {}", note.directive));
    }
    let errors = examined.errors.iter();
    lines.extend(errors.map(|error| format!("error {}", error.directive).trim_end().to_owned()));
    lines
}

#[derive(Default)]
struct Settings(Vec<String>);

impl Settings {
    fn flag(&mut self, name: &str, is_set: bool) {
        if is_set {
            self.0.push(name.to_owned());
        }
    }

    fn unless<T: Debug + PartialEq>(&mut self, name: &str, value: &T, usual: &T) {
        if value != usual {
            self.0.push(format!("{name} {value:?}"));
        }
    }

    fn some<T: Debug>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.0.push(format!("{name} {value:?}"));
        }
    }
}

/// The settings of a profile that are not the usual ones.
fn settings(profile: &Profile) -> Vec<String> {
    let mut list = Settings::default();
    list.0.extend(profile.remotes.iter().map(remote));
    list.flag("remote-random", profile.remote_random);
    list.flag("remote-random-hostname", profile.remote_random_hostname);
    list.unless("retry", &profile.retry, &Retry::default());
    list.unless("device", &profile.device.name, &"tun".to_owned());
    list.some("queue", profile.device.queue_length.as_ref());
    list.some("table", profile.device.table.as_ref());
    list.flag("persist-tun", profile.device.persist);
    list.flag("no-routes", profile.device.no_routes);
    list.unless("socket", &profile.socket, &Default::default());
    if let Some(login) = &profile.login {
        let password = if login.password.is_some() {
            "given"
        } else {
            "asked"
        };
        let only = if login.username_only { " only" } else { "" };
        list.0.push(format!(
            "login {} {password}{only}",
            login.username.as_deref().unwrap_or("asked")
        ));
    }
    list.some("static-challenge", profile.static_challenge.as_ref());
    list.unless("auth-retry", &profile.auth_retry, &Default::default());
    list.flag("auth-nocache", profile.auth_nocache);
    trust(&mut list, profile);
    list.unless(
        "ciphers",
        &cipher_names(profile),
        &"AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305".to_owned(),
    );
    list.some("fallback", profile.data.fallback.as_ref());
    list.unless("digest", &profile.data.digest, &Digest::Sha1);
    list.unless("framing", &profile.data.framing, &Framing::None);
    list.unless("replay-window", &profile.data.replay_window, &2048);
    list.unless(
        "compression",
        &profile.pull.compression,
        &CompressionPolicy::No,
    );
    timing(&mut list, profile);
    list.flag("route-nopull", profile.pull.no_routes);
    list.flag("allow-pull-fqdn", profile.pull.host_names);
    for filter in &profile.pull.filters {
        list.0
            .push(format!("pull-filter {:?} {:?}", filter.action, filter.text));
    }
    list.flag("push-peer-info", profile.peer_info.push);
    list.flag("auto-session", profile.peer_info.auto_session);
    for (name, value) in &profile.peer_info.user_variables {
        list.0.push(format!("{name} {value}"));
    }
    tunnel(&mut list, &profile.tunnel);
    list.some("verb", profile.verbosity.as_ref());
    list.some("friendly-name", profile.meta.friendly_name.as_ref());
    list.0
}

fn cipher_names(profile: &Profile) -> String {
    let names: Vec<&str> = profile
        .data
        .ciphers
        .iter()
        .map(|cipher| cipher.name())
        .collect();
    names.join(":")
}

fn remote(remote: &Remote) -> String {
    let options = &remote.options;
    let mut text = format!(
        "remote {} {} {:?}",
        remote.host, remote.port, remote.transport
    );
    if let Some(family) = remote.family {
        text.push_str(&format!(" {family:?}"));
    }
    text.push_str(&wrapping_and_proxy(options));
    let mut more = |word: String| text.push_str(&format!(" {word}"));
    for (name, value) in [
        ("local", options.local.clone()),
        ("lport", options.local_port.map(|port| port.to_string())),
        ("fragment", options.fragment.map(|size| format!("{size:?}"))),
        (
            "tun-mtu",
            Some(options.tun_mtu)
                .filter(|mtu| *mtu != 1500)
                .map(|mtu| mtu.to_string()),
        ),
        (
            "mssfix",
            Some(options.mssfix)
                .filter(|fix| *fix != MssFix::Default)
                .map(|fix| format!("{fix:?}")),
        ),
        (
            "poll",
            Some(options.server_poll.as_secs())
                .filter(|poll| *poll != 10)
                .map(|poll| poll.to_string()),
        ),
        (
            "exit-notify",
            Some(options.exit_notify)
                .filter(|count| *count != 1)
                .map(|count| count.to_string()),
        ),
    ] {
        if let Some(value) = value {
            more(format!("{name}={value}"));
        }
    }
    if options.float {
        more("float".into());
    }
    if !options.probe_path {
        more("disable-occ".into());
    }
    text
}

fn wrapping_and_proxy(options: &RemoteOptions) -> String {
    let wrapping = match &options.wrapping {
        WrappingText::None => String::new(),
        WrappingText::TlsAuth {
            direction, digest, ..
        } => format!(" tls-auth={direction:?}/{digest:?}"),
        WrappingText::TlsCrypt { .. } => " tls-crypt".to_owned(),
        WrappingText::TlsCryptV2 { .. } => " tls-crypt-v2".to_owned(),
    };
    let proxy = match &options.proxy {
        None => String::new(),
        Some(Proxy::Http(http)) => {
            format!(" http-proxy={}:{}/{:?}", http.host, http.port, http.auth)
        }
        Some(Proxy::Socks(socks)) => format!(" socks-proxy={}:{}", socks.host, socks.port),
    };
    wrapping + &proxy
}

fn trust(list: &mut Settings, profile: &Profile) {
    let tls = &profile.tls;
    list.unless("ca", &tls.ca.len(), &1);
    list.flag("cert", tls.cert.is_some());
    list.flag("pkcs12", tls.pkcs12.is_some());
    list.flag("passphrase", tls.key_passphrase.is_some());
    list.unless("extra-certs", &tls.extra_certs.len(), &0);
    list.some("crl", tls.crl.as_ref().map(Vec::len).as_ref());
    list.unless("fingerprints", &tls.fingerprints.len(), &0);
    list.flag("no-certificate", tls.no_certificate);
    list.unless("cert-type", &tls.checks.cert_type, &Some(CertType::Server));
    list.some("name", tls.checks.name.as_ref());
    list.some("netscape", tls.checks.netscape_type.as_ref());
    list.some("eku", tls.checks.extended_key_usage.as_ref());
    list.some("ku", tls.checks.key_usage.as_ref());
    list.some("tls-min", tls.version_min.as_ref());
    list.some("tls-max", tls.version_max.as_ref());
    list.some("tls-cipher", tls.cipher_list.as_ref());
    list.some("tls-ciphersuites", tls.cipher_suites.as_ref());
    list.some("tls-groups", tls.groups.as_ref());
    list.unless("cert-profile", &tls.cert_profile, &Default::default());
    list.some("sni", tls.sni.as_ref());
}

fn timing(list: &mut Settings, profile: &Profile) {
    let (timing, usual) = (&profile.timing, Timing::default());
    list.unless("ping", &timing.ping, &usual.ping);
    list.unless("ping-restart", &timing.ping_restart, &usual.ping_restart);
    list.flag("ping-exit", timing.ping_exit);
    list.unless("inactive", &timing.inactive, &usual.inactive);
    list.unless("reneg", &timing.reneg, &usual.reneg);
    list.unless("reneg-bytes", &timing.reneg_bytes, &usual.reneg_bytes);
    list.unless("hand-window", &timing.hand_window, &usual.hand_window);
    list.unless("tran-window", &timing.tran_window, &usual.tran_window);
    list.unless("tls-timeout", &timing.tls_timeout, &usual.tls_timeout);
    list.unless(
        "session-timeout",
        &timing.session_timeout,
        &usual.session_timeout,
    );
}

fn tunnel(list: &mut Settings, tunnel: &TunnelOptions) {
    list.some("topology", tunnel.topology.as_ref());
    list.flag("ifconfig", tunnel.ifconfig.is_some());
    list.flag("ifconfig-ipv6", tunnel.ifconfig_ipv6.is_some());
    list.some("route-metric", tunnel.route_metric.as_ref());
    list.some("route-gateway", tunnel.route_gateway.as_ref());
    for route in &tunnel.routes {
        list.0
            .push(format!("route {:?} {:?}", route.destination, route.gateway));
    }
    if let Some(redirect) = &tunnel.redirect {
        let flags = [
            ("default", redirect.default_route()),
            ("def1", redirect.def1),
            ("ipv4", redirect.ipv4),
            ("ipv6", redirect.ipv6),
            ("local", redirect.local),
            ("bypass-dns", redirect.bypass_dns),
            ("block-local", redirect.block_local),
        ];
        let flags: Vec<&str> = flags
            .iter()
            .filter(|(_, set)| *set)
            .map(|(name, _)| *name)
            .collect();
        list.0.push(format!("redirect {}", flags.join(" ")));
    }
    list.unless("block", &tunnel.block, &Default::default());
    for (priority, server) in &tunnel.dns.servers {
        list.0
            .push(format!("dns {priority} {:?}", server.addresses));
    }
    list.unless("search", &tunnel.dns.search_domains, &Vec::new());
    for option in &tunnel.dhcp {
        list.0.push(format!("dhcp {option:?}"));
    }
}

#[test]
fn every_profile_of_the_corpus_is_judged_as_written() {
    let mut wrong = String::new();
    for name in names() {
        let expected = verdict(&name);
        let expected: Vec<&str> = expected
            .lines()
            .filter(|line| !line.starts_with("openvpn") && !line.starts_with("because "))
            .collect();
        let found = outcome(&name);
        if found != expected {
            wrong.push_str(&format!(
                "== {name}\n-- expected\n{}\n-- found\n{}\n",
                expected.join("\n"),
                found.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_corpus_is_large_and_every_difference_to_openvpn_has_its_reason() {
    let names = names();
    assert!(names.len() >= 150, "{}", names.len());
    for name in names {
        let verdict = verdict(&name);
        let has = |start: &str| verdict.lines().any(|line| line.starts_with(start));
        let ours = has("accept");
        assert!(ours != has("refuse"), "{name}: one verdict");
        assert!(has("openvpn accept") != has("openvpn refuse"), "{name}");
        let of_2_6 = has("openvpn accept");
        let of_2_7 = if of_2_6 {
            !has("openvpn-2.7 refuse")
        } else {
            has("openvpn-2.7 accept")
        };
        let differs = ours != of_2_6 || ours != of_2_7;
        let mut reasons = verdict
            .lines()
            .filter_map(|line| line.strip_prefix("because "));
        let about = reasons.next().and_then(|reason| reason.split_once(": "));
        assert_eq!(
            differs,
            about.is_some(),
            "{name}: a reason is for a difference"
        );
        let listed = |about| DIFFERENCES.iter().any(|row| row.about == about);
        assert!(
            about.is_none_or(|(about, _)| listed(about)),
            "{name}: {about:?}"
        );
    }
}
