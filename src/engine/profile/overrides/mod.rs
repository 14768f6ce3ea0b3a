//! Overrides: what the user wants otherwise than the profile, by name and value.

mod proxy;

use std::net::IpAddr;

use thiserror::Error;

use super::error::{Note, Place};
use super::model::{DnsUse, Profile, Remote, UnusedFamily};
use super::value::is_host_name;
use crate::secret::SecretText;
use crate::settings::{CertProfile, CompressionPolicy, TlsVersion, Transport};

/// A value as it is given: on the command line always as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverrideValue<'a> {
    /// On or off.
    Switch(bool),
    /// A text; for a switch, `yes` and `no` and their like.
    Text(&'a str),
}

/// One override, understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Override {
    /// `allow-compression`.
    AllowCompression(CompressionPolicy),
    /// `auth-fail-retry`: a refused login is tried again.
    AuthFailRetry(bool),
    /// `dns-fallback-google`: public name servers where none is named and all traffic is redirected.
    DnsFallback(bool),
    /// `dns-scope`: `global` or `tunnel`.
    DnsScope(DnsUse),
    /// `dns-setup-disabled`: names are resolved as before.
    DnsSetupDisabled(bool),
    /// `enable-legacy-algorithms`: CBC ciphers are offered too.
    LegacyAlgorithms(bool),
    /// `enterprise-profile`: device posture, which this client does not have.
    EnterpriseProfile(String),
    /// `ipv6`: `yes`, `no` or `default`.
    Ipv6(UnusedFamily),
    /// `log-level`: 0 to 6.
    LogLevel(u8),
    /// `automatic-restart`, `dns-sync-lookup`: somebody else's business, or none.
    NoEffect(&'static str),
    /// `persist-tun`.
    PersistTun(bool),
    /// `proxy-...`.
    Proxy(ProxyOverride),
    /// `...-override`.
    Remote(RemoteOverride),
    /// `tls-cert-profile`.
    TlsCertProfile(CertProfile),
    /// `tls-version-min`.
    TlsVersionMin(TlsVersion),
}

/// An override about the HTTP proxy.
#[derive(Debug, PartialEq, Eq)]
pub enum ProxyOverride {
    /// `proxy-auth-cleartext`: the password may be sent as it is.
    ClearText(bool),
    /// `proxy-host`.
    Host(String),
    /// `proxy-password`.
    Password(SecretText),
    /// `proxy-port`.
    Port(u16),
    /// `proxy-username`.
    Username(String),
}

/// An override for all remotes.
#[derive(Debug, PartialEq, Eq)]
pub enum RemoteOverride {
    /// `port-override`.
    Port(u16),
    /// `proto-override`: the remotes with `tcp` or `udp` only.
    Proto(Transport),
    /// `server-override`.
    Server(String),
}

/// An override that cannot be used. The value is never part of the message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadOverride {
    /// It contradicts the profile.
    #[error("the override {key} does not fit the profile: {why}")]
    Conflict {
        /// Its name.
        key: &'static str,
        /// What is in the way.
        why: &'static str,
    },
    /// There is no override of this name.
    #[error("there is no override {0}")]
    Unknown(String),
    /// The value is wrong.
    #[error("the value of the override {key} is wrong; right: {right}")]
    Value {
        /// Its name.
        key: String,
        /// What would be right.
        right: &'static str,
    },
}

/// The names of all overrides, what they take, and what they are for.
pub static OVERRIDES: &[(&str, &str, &str)] = &[
    (
        "allow-compression",
        "no, asym or yes",
        "Whether compressed packets are accepted; none is ever sent.",
    ),
    ("auth-fail-retry", SWITCH, "A refused login is tried again."),
    (
        "automatic-restart",
        "text",
        "For the session manager; no effect here.",
    ),
    (
        "dns-fallback-google",
        SWITCH,
        "Public name servers where none is named and all traffic is redirected.",
    ),
    (
        "dns-scope",
        "global or tunnel",
        "Whether all names are resolved in the tunnel, or those of its domains.",
    ),
    (
        "dns-setup-disabled",
        SWITCH,
        "Names are resolved as before.",
    ),
    (
        "dns-sync-lookup",
        SWITCH,
        "No effect: nothing waits for name servers.",
    ),
    (
        "enable-legacy-algorithms",
        SWITCH,
        "Ciphers in CBC mode are offered too.",
    ),
    (
        "enterprise-profile",
        "text",
        "Device posture; this client does not have it.",
    ),
    (
        "ipv6",
        "yes, no or default",
        "Whether an address family that the tunnel lacks is blocked (no).",
    ),
    ("log-level", "0 to 6", "How much is logged."),
    ("persist-tun", SWITCH, "Keep the device while reconnecting."),
    ("port-override", PORT, "The port of all remotes."),
    (
        "proto-override",
        "tcp or udp",
        "Use the remotes with this protocol only; all, where there are none.",
    ),
    (
        "proxy-auth-cleartext",
        SWITCH,
        "The password may be sent to the proxy as it is.",
    ),
    ("proxy-host", HOST, "The HTTP proxy."),
    ("proxy-password", "text", "The password for the proxy."),
    ("proxy-port", PORT, "The port of the HTTP proxy."),
    ("proxy-username", "text", "The user name for the proxy."),
    (
        "server-override",
        HOST,
        "The server, in place of all remotes' names.",
    ),
    (
        "tls-cert-profile",
        "legacy, preferred, suiteb or insecure",
        "How strong certificates must be.",
    ),
    (
        "tls-version-min",
        "tls_1_0 to tls_1_3",
        "The lowest TLS version; those below 1.2 are raised to it.",
    ),
];

const SWITCH: &str = "yes or no";
const PORT: &str = "1 to 65535";
const HOST: &str = "a host name or an address";

impl Override {
    /// Understands one override.
    ///
    /// # Errors
    ///
    /// [`BadOverride`] if there is none of this name, or the value is wrong.
    pub fn parse(key: &str, value: OverrideValue<'_>) -> Result<Self, BadOverride> {
        let Some((_, right, _)) = OVERRIDES.iter().find(|(name, ..)| *name == key) else {
            return Err(BadOverride::Unknown(key.to_owned()));
        };
        let understood = if *right == SWITCH {
            switch(value).and_then(|on| Self::of_switch(key, on))
        } else {
            match value {
                OverrideValue::Text(text) => Self::of_text(key, text),
                OverrideValue::Switch(_) => None,
            }
        };
        understood.ok_or_else(|| BadOverride::Value {
            key: key.to_owned(),
            right,
        })
    }

    fn of_switch(key: &str, on: bool) -> Option<Self> {
        match key {
            "auth-fail-retry" => Some(Self::AuthFailRetry(on)),
            "dns-fallback-google" => Some(Self::DnsFallback(on)),
            "dns-setup-disabled" => Some(Self::DnsSetupDisabled(on)),
            "dns-sync-lookup" => Some(Self::NoEffect("dns-sync-lookup")),
            "enable-legacy-algorithms" => Some(Self::LegacyAlgorithms(on)),
            "persist-tun" => Some(Self::PersistTun(on)),
            "proxy-auth-cleartext" => Some(Self::Proxy(ProxyOverride::ClearText(on))),
            _ => None,
        }
    }

    fn of_text(key: &str, text: &str) -> Option<Self> {
        match key {
            "allow-compression" => compression(text).map(Self::AllowCompression),
            "automatic-restart" => Some(Self::NoEffect("automatic-restart")),
            "dns-scope" => dns_scope(text).map(Self::DnsScope),
            "enterprise-profile" => Some(Self::EnterpriseProfile(text.to_owned())),
            "ipv6" => unused_family(text).map(Self::Ipv6),
            "log-level" => text
                .parse()
                .ok()
                .filter(|level| *level <= 6)
                .map(Self::LogLevel),
            "port-override" => port(text).map(RemoteOverride::Port).map(Self::Remote),
            "proto-override" => protocol(text).map(RemoteOverride::Proto).map(Self::Remote),
            "proxy-host" => host(text).map(ProxyOverride::Host).map(Self::Proxy),
            "proxy-password" => Some(Self::Proxy(ProxyOverride::Password(SecretText::from(text)))),
            "proxy-port" => port(text).map(ProxyOverride::Port).map(Self::Proxy),
            "proxy-username" => Some(Self::Proxy(ProxyOverride::Username(text.to_owned()))),
            "server-override" => host(text).map(RemoteOverride::Server).map(Self::Remote),
            "tls-cert-profile" => cert_profile(text).map(Self::TlsCertProfile),
            "tls-version-min" => tls_version(text).map(Self::TlsVersionMin),
            _ => None,
        }
    }
}

impl Profile {
    /// Puts overrides over what the profile says. Their order does not matter.
    ///
    /// # Errors
    ///
    /// [`BadOverride::Conflict`] if the result does not hold together; the profile must not be used then.
    pub fn apply_overrides(&mut self, overrides: &[Override]) -> Result<Vec<Note>, BadOverride> {
        let mut notes = Vec::new();
        for requested in overrides {
            self.apply_other_override(requested, &mut notes);
        }
        self.apply_proxy_overrides(overrides)?;
        self.apply_proto_override(overrides, &mut notes);
        let (min, max) = (self.tls.version_min, self.tls.version_max);
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            let why = "tls-version-max is lower";
            return Err(BadOverride::Conflict {
                key: "tls-version-min",
                why,
            });
        }
        let mut kept: Vec<Remote> = Vec::new();
        for remote in self.remotes.drain(..) {
            if !kept.iter().any(|known| is_same(known, &remote)) {
                kept.push(remote);
            }
        }
        self.remotes = kept;
        Ok(notes)
    }

    fn apply_remote_override(&mut self, requested: &RemoteOverride) {
        for remote in &mut self.remotes {
            match requested {
                RemoteOverride::Server(host) => {
                    remote.host.clone_from(host);
                    // An address of the other family would never be tried.
                    remote.family = remote.family.filter(|_| host.parse::<IpAddr>().is_err());
                }
                RemoteOverride::Port(port) => remote.port = *port,
                RemoteOverride::Proto(_) => {}
            }
        }
    }

    /// Keeps the remotes with the wanted protocol. Where there are none, or a proxy that carries TCP only decides, all
    /// are kept: a server does not speak a protocol because the user wants it.
    fn apply_proto_override(&mut self, overrides: &[Override], notes: &mut Vec<Note>) {
        let wanted = overrides.iter().rev().find_map(|requested| {
            if let Override::Remote(RemoteOverride::Proto(transport)) = requested {
                Some(*transport)
            } else {
                None
            }
        });
        let Some(wanted) = wanted else { return };
        if self.remotes.iter().any(|remote| remote.transport == wanted) {
            self.remotes.retain(|remote| remote.transport == wanted);
        } else {
            notes.push(note(
                "proto-override",
                "no remote has this protocol, so that all are kept",
            ));
        }
    }

    fn apply_other_override(&mut self, requested: &Override, notes: &mut Vec<Note>) {
        let preferences = &mut self.preferences;
        match requested {
            Override::AllowCompression(policy) => self.pull.compression = *policy,
            Override::AuthFailRetry(on) => preferences.auth_fail_retry = *on,
            Override::DnsFallback(on) => preferences.dns_fallback = *on,
            Override::DnsScope(scope) if preferences.dns != DnsUse::Off => preferences.dns = *scope,
            Override::DnsSetupDisabled(true) => preferences.dns = DnsUse::Off,
            Override::LegacyAlgorithms(true) => self.data.allow_legacy(),
            Override::EnterpriseProfile(name) => {
                preferences.enterprise_profile = Some(name.clone());
                notes.push(note(
                    "enterprise-profile",
                    "this client has no device posture",
                ));
            }
            Override::Ipv6(family) => preferences.unused_family = *family,
            Override::LogLevel(level) => preferences.log_level = Some(*level),
            Override::NoEffect(key) => notes.push(note(key, "it has no effect here")),
            Override::PersistTun(on) => self.device.persist = *on,
            Override::TlsCertProfile(profile) => self.tls.cert_profile = *profile,
            Override::TlsVersionMin(version) => {
                let before = self.tls.version_min.unwrap_or(*version);
                self.tls.version_min = Some(before.max(*version));
            }
            Override::Remote(requested) => self.apply_remote_override(requested),
            Override::DnsScope(_)
            | Override::DnsSetupDisabled(false)
            | Override::LegacyAlgorithms(false)
            | Override::Proxy(_) => {}
        }
    }
}

fn is_same(a: &Remote, b: &Remote) -> bool {
    let place = |remote: &Remote| (remote.port, remote.transport, remote.family);
    a.host == b.host && place(a) == place(b)
}

fn note(key: &str, text: &str) -> Note {
    Note {
        place: Place::default(),
        directive: key.to_owned(),
        text: text.to_owned(),
        minor: false,
    }
}

fn switch(value: OverrideValue<'_>) -> Option<bool> {
    match value {
        OverrideValue::Switch(on) => Some(on),
        OverrideValue::Text("yes" | "true" | "1" | "on") => Some(true),
        OverrideValue::Text("no" | "false" | "0" | "off") => Some(false),
        OverrideValue::Text(_) => None,
    }
}

fn compression(text: &str) -> Option<CompressionPolicy> {
    match text {
        "no" => Some(CompressionPolicy::No),
        "asym" | "yes" => Some(CompressionPolicy::Asymmetric),
        _ => None,
    }
}

fn dns_scope(text: &str) -> Option<DnsUse> {
    match text {
        "global" => Some(DnsUse::Global),
        "tunnel" => Some(DnsUse::Tunnel),
        _ => None,
    }
}

fn unused_family(text: &str) -> Option<UnusedFamily> {
    match text {
        "yes" => Some(UnusedFamily::Allow),
        "no" => Some(UnusedFamily::Block),
        "default" => Some(UnusedFamily::Default),
        _ => None,
    }
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn protocol(text: &str) -> Option<Transport> {
    match text {
        "tcp" => Some(Transport::Tcp),
        "udp" => Some(Transport::Udp),
        _ => None,
    }
}

fn host(text: &str) -> Option<String> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    let fits = bare.parse::<IpAddr>().is_ok() || is_host_name(bare);
    fits.then(|| bare.to_owned())
}

fn cert_profile(text: &str) -> Option<CertProfile> {
    match text.strip_suffix("-default").unwrap_or(text) {
        "insecure" => Some(CertProfile::Insecure),
        "legacy" => Some(CertProfile::Legacy),
        "preferred" => Some(CertProfile::Preferred),
        "suiteb" => Some(CertProfile::SuiteB),
        _ => None,
    }
}

fn tls_version(text: &str) -> Option<TlsVersion> {
    match text {
        "default" | "disabled" | "tls_1_0" | "tls_1_1" | "tls_1_2" => Some(TlsVersion::V1_2),
        "tls_1_3" => Some(TlsVersion::V1_3),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
