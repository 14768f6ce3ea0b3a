//! What a profile means, as lines that people can read: only what it says, no defaults.

use std::fmt::Debug;

use openvpn_engine::profile::Proxy;
use openvpn_engine::profile::TunnelOptions;
use openvpn_engine::profile::{
    AddressFamily, DataOptions, Material, Profile, Remote, RemoteOptions, Retry, Socket,
    TlsOptions, WrappingText,
};
use openvpn_engine::settings::{
    CertProfile, MssFix, PeerChecks, PeerInfo, PullRules, Timing, Transport,
};

/// The meaning of a profile.
pub(super) fn of(profile: &Profile) -> String {
    let mut lines = Lines::default();
    for remote in &profile.remotes {
        lines.add(&server(remote));
    }
    lines.flag("servers in random order", profile.remote_random);
    lines.flag("random host name", profile.remote_random_hostname);
    people(&mut lines, profile);
    session(&mut lines, profile);
    tls(&mut lines, &profile.tls);
    data(&mut lines, profile);
    timing(&mut lines, &profile.timing);
    network(&mut lines, &profile.tunnel);
    peer_info(&mut lines, &profile.peer_info);
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn add(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn flag(&mut self, line: &str, is_set: bool) {
        if is_set {
            self.add(line);
        }
    }

    /// A value, unless it is the usual one.
    fn unless<T: Debug + PartialEq>(&mut self, name: &str, value: &T, usual: &T) {
        if value != usual {
            self.add(&format!("{name}: {}", shown(value)));
        }
    }

    fn some<T: Debug>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.add(&format!("{name}: {}", shown(value)));
        }
    }
}

fn shown(value: &impl Debug) -> String {
    format!("{value:?}")
        .replace("Some(", "(")
        .replace("Network(", "(")
}

fn server(remote: &Remote) -> String {
    let transport = match remote.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let family = match remote.family {
        None => "",
        Some(AddressFamily::V4) => "4",
        Some(AddressFamily::V6) => "6",
    };
    let (host, port) = (&remote.host, remote.port);
    let mut parts = vec![format!("server: {host} {port} {transport}{family}")];
    parts.extend(wrapping(&remote.options.wrapping));
    parts.extend(remote.options.proxy.as_ref().map(proxy));
    parts.extend(unusual(&remote.options));
    parts.join(", ")
}

fn wrapping(wrapping: &WrappingText) -> Option<String> {
    match wrapping {
        WrappingText::None => None,
        WrappingText::TlsAuth {
            key,
            direction,
            digest,
        } => Some(format!("tls-auth {direction:?} {digest:?} {}", source(key))),
        WrappingText::TlsCrypt { key } => Some(format!("tls-crypt {}", source(key))),
        WrappingText::TlsCryptV2 { key } => Some(format!("tls-crypt-v2 {}", source(key))),
    }
}

fn proxy(proxy: &Proxy) -> String {
    match proxy {
        Proxy::Http(http) => format!(
            "HTTP proxy {} {} {:?}, login {}, version {}, agent {:?}, headers {:?}, {:?}",
            http.host,
            http.port,
            http.auth,
            http.login.is_some(),
            http.version,
            http.agent,
            http.headers,
            http.timeout
        ),
        Proxy::Socks(socks) => {
            let login = socks.login.is_some();
            format!("SOCKS proxy {} {}, login {login}", socks.host, socks.port)
        }
    }
}

fn unusual(options: &RemoteOptions) -> Vec<String> {
    let usual = Timing::default();
    let mut parts = Vec::new();
    let mut extra = |text: String, is_unusual: bool| {
        if is_unusual {
            parts.push(text);
        }
    };
    let local = options.local.as_deref();
    extra(
        format!("from {}", local.unwrap_or_default()),
        local.is_some(),
    );
    let port = options.local_port;
    extra(
        format!("from port {}", port.unwrap_or_default()),
        port.is_some(),
    );
    extra("float".to_owned(), options.float);
    extra(
        format!("answers within {:?}", options.server_poll),
        options.server_poll != usual.server_poll,
    );
    extra(format!("MTU {}", options.tun_mtu), options.tun_mtu != 1500);
    extra(
        format!("MTU at most {}", options.tun_mtu_max),
        options.tun_mtu_max != 1600,
    );
    extra(
        format!("mssfix {:?}", options.mssfix),
        options.mssfix != MssFix::Default,
    );
    extra(
        format!("fragments {:?}", options.fragment),
        options.fragment.is_some(),
    );
    extra("nothing asked".to_owned(), !options.probe_path);
    extra(
        format!("control packets of {}", options.control_packet_size),
        options.control_packet_size != usual.control_packet_size,
    );
    extra(
        format!("{} exit notifications", options.exit_notify),
        options.exit_notify != usual.exit_notify,
    );
    parts
}

/// Where some material is, and how much there is of it; never what it is.
fn source(material: &Material) -> String {
    let bytes = material.content.expose().len();
    match &material.file {
        None => format!("(line {}, {bytes} bytes)", material.place.line),
        Some(file) => format!("({file}, {bytes} bytes)"),
    }
}

fn people(lines: &mut Lines, profile: &Profile) {
    let meta = &profile.meta;
    lines.some("profile name", meta.profile_name.as_ref());
    lines.some("friendly name", meta.friendly_name.as_ref());
    lines.some("user name for good", meta.username.as_ref());
    lines.flag("autologin", meta.autologin);
    lines.flag("external PKI", meta.external_pki);
    lines.some("password may be saved", meta.allow_password_save.as_ref());
    lines.unless("servers to choose from", &meta.servers, &Vec::new());
    if let Some(login) = &profile.login {
        let name = login.username.as_deref().unwrap_or("asked for");
        let password = match (&login.password, login.username_only) {
            (_, true) => "none",
            (Some(_), false) => "known",
            (None, false) => "asked for",
        };
        lines.add(&format!("login: user name {name}, password {password}"));
    }
    lines.some("challenge", profile.static_challenge.as_ref());
    lines.unless(
        "after a refused login",
        &format!("{:?}", profile.auth_retry),
        &"None".to_owned(),
    );
    lines.flag("password is forgotten", profile.auth_nocache);
}

fn session(lines: &mut Lines, profile: &Profile) {
    lines.unless("retry", &profile.retry, &Retry::default());
    let device = &profile.device;
    lines.unless("device", &device.name.as_str(), &"tun");
    lines.some("device queue", device.queue_length.as_ref());
    lines.flag("device stays while reconnecting", device.persist);
    lines.some("routing table", device.table.as_ref());
    lines.flag("no routes are set", device.no_routes);
    lines.unless("socket", &profile.socket, &Socket::default());
    lines.some("verbosity", profile.verbosity.as_ref());
}

fn tls(lines: &mut Lines, tls: &TlsOptions) {
    for (name, materials) in [
        ("ca", tls.ca.iter().collect::<Vec<_>>()),
        ("cert", tls.cert.iter().collect()),
        ("key", tls.key.iter().collect()),
        ("extra-certs", tls.extra_certs.iter().collect()),
        ("pkcs12", tls.pkcs12.iter().collect()),
        ("crl-verify", tls.crl.iter().flatten().collect()),
    ] {
        for material in materials {
            lines.add(&format!("{name} {}", source(material)));
        }
    }
    lines.flag("passphrase is known", tls.key_passphrase.is_some());
    lines.flag("no certificate of our own", tls.no_certificate);
    for fingerprint in &tls.fingerprints {
        let hex: String = fingerprint
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        lines.add(&format!("fingerprint {hex}"));
    }
    checks(lines, &tls.checks);
    lines.some("TLS at least", tls.version_min.as_ref());
    lines.some("TLS at most", tls.version_max.as_ref());
    lines.some("suites of TLS 1.2", tls.cipher_list.as_ref());
    lines.some("suites of TLS 1.3", tls.cipher_suites.as_ref());
    lines.some("groups", tls.groups.as_ref());
    lines.unless("certificates", &tls.cert_profile, &CertProfile::default());
    lines.some("SNI", tls.sni.as_ref());
}

fn checks(lines: &mut Lines, checks: &PeerChecks) {
    lines.some("server's certificate is for a", checks.cert_type.as_ref());
    lines.some("server's key usage", checks.key_usage.as_ref());
    lines.some(
        "server's extended key usage",
        checks.extended_key_usage.as_ref(),
    );
    lines.some("server's Netscape type", checks.netscape_type.as_ref());
    lines.some("server's name", checks.name.as_ref());
    if let Some(hash) = &checks.hash {
        let sizes: Vec<usize> = hash.fingerprints.iter().map(Vec::len).collect();
        lines.add(&format!(
            "hashes of {sizes:?} bytes at depth {}",
            hash.depth
        ));
    }
    lines.some("name is looked for in", checks.username_field.as_ref());
}

fn data(lines: &mut Lines, profile: &Profile) {
    let usual = DataOptions::default();
    let data = &profile.data;
    let names: Vec<&str> = data.ciphers.iter().map(|cipher| cipher.name()).collect();
    lines.add(&format!("ciphers: {}", names.join(":")));
    lines.some(
        "cipher where none is agreed on",
        data.fallback.map(|cipher| cipher.name()).as_ref(),
    );
    lines.unless("digest", &data.digest, &usual.digest);
    lines.unless("framing", &data.framing, &usual.framing);
    lines.unless("replay window", &data.replay_window, &usual.replay_window);
    pull(lines, &profile.pull);
}

fn pull(lines: &mut Lines, pull: &PullRules) {
    let usual = PullRules::default();
    for filter in &pull.filters {
        lines.add(&format!("pushed {:?}: {:?}", filter.text, filter.action));
    }
    lines.flag("no pushed routes", pull.no_routes);
    lines.unless("compression", &pull.compression, &usual.compression);
    lines.flag("pushed routes may name hosts", pull.host_names);
}

fn timing(lines: &mut Lines, timing: &Timing) {
    let usual = Timing::default();
    lines.unless("handshake", &timing.hand_window, &usual.hand_window);
    lines.unless("old key decrypts", &timing.tran_window, &usual.tran_window);
    lines.unless("new keys after", &timing.reneg, &usual.reneg);
    lines.unless(
        "new keys after bytes",
        &timing.reneg_bytes,
        &usual.reneg_bytes,
    );
    lines.unless(
        "new keys after packets",
        &timing.reneg_packets,
        &usual.reneg_packets,
    );
    lines.unless(
        "retransmission after",
        &timing.tls_timeout,
        &usual.tls_timeout,
    );
    lines.unless(
        "new key encrypts after",
        &timing.become_primary,
        &usual.become_primary,
    );
    lines.unless("ping", &timing.ping, &usual.ping);
    lines.unless(
        "silence ends the attempt",
        &timing.ping_restart,
        &usual.ping_restart,
    );
    lines.flag("silence ends the session", timing.ping_exit);
    lines.unless("inactive", &timing.inactive, &usual.inactive);
    lines.unless(
        "session at most",
        &timing.session_timeout,
        &usual.session_timeout,
    );
}

fn network(lines: &mut Lines, tunnel: &TunnelOptions) {
    let usual = TunnelOptions::default();
    lines.some("address", tunnel.ifconfig.as_ref());
    lines.some("IPv6 address", tunnel.ifconfig_ipv6.as_ref());
    lines.some("topology", tunnel.topology.as_ref());
    lines.some("gateway", tunnel.route_gateway.as_ref());
    lines.some("IPv6 gateway", tunnel.route_ipv6_gateway.as_ref());
    for route in &tunnel.routes {
        let metric = route.metric.map(|metric| format!(" metric {metric}"));
        lines.add(&format!(
            "route: {} by {}{}",
            shown(&route.destination),
            shown(&route.gateway),
            metric.unwrap_or_default()
        ));
    }
    lines.some("metric", tunnel.route_metric.as_ref());
    lines.some("redirect", tunnel.redirect.as_ref());
    lines.unless("block", &tunnel.block, &usual.block);
    for (priority, server) in &tunnel.dns.servers {
        lines.add(&format!("dns server {priority}: {}", shown(server)));
    }
    lines.unless("search domains", &tunnel.dns.search_domains, &Vec::new());
    for option in &tunnel.dhcp {
        lines.add(&format!("dhcp-option: {}", shown(option)));
    }
}

fn peer_info(lines: &mut Lines, info: &PeerInfo) {
    lines.some("IV_GUI_VER", info.gui_version.as_ref());
    lines.some("IV_SSO", info.sso.as_ref());
    lines.flag("tells the server about the machine", info.push);
    for (name, value) in &info.user_variables {
        lines.add(&format!("{name}={value}"));
    }
    lines.flag("asks for a session token", info.auto_session);
}
