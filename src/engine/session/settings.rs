//! `Settings`: what the session itself takes from the profile.

use std::time::Duration;

use super::super::profile::model::{AddressFamily, AuthRetry, Profile, Remote};
use super::super::profile::proxy::Proxy;
use super::super::secret::SecretText;
use super::login::{ChallengeFormat, LoginRules, StaticChallenge};
use super::remotes::{Family, Lookup, Target};

/// What the session itself takes from the profile.
#[derive(Debug)]
pub struct Settings {
    /// The remotes in order, at least one.
    pub targets: Vec<Target>,
    /// `remote-random`.
    pub shuffle: bool,
    /// `remote-random-hostname`.
    pub random_host_prefix: bool,
    /// `connect-retry`: how long to wait between attempts, at first and at most.
    pub wait: (Duration, Duration),
    /// `connect-retry-max`.
    pub rounds_max: Option<u32>,
    /// What to log in with.
    pub login: LoginRules,
    /// The user name that the profile has.
    pub username: Option<String>,
    /// The password that the profile has.
    pub password: Option<SecretText>,
    /// What a failure means.
    pub retry: RetryRules,
    /// `persist-tun`: device, addresses, routes and DNS stay while we reconnect or pause.
    pub persist_tun: bool,
}

/// What a failure means, as far as the profile has a say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetryRules {
    /// `auth-retry`.
    pub auth_retry: AuthRetry,
    /// The override `auth-fail-retry`: a refused login is tried again.
    pub retry_refused_login: bool,
    /// `ping-exit`: a silent server ends the session.
    pub end_when_lost: bool,
}

impl Settings {
    /// What `profile` says.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        let login = profile.login.as_ref();
        Self {
            targets: profile.remotes.iter().enumerate().map(target).collect(),
            shuffle: profile.remote_random,
            random_host_prefix: profile.remote_random_hostname,
            wait: (profile.retry.first, profile.retry.longest),
            rounds_max: profile.retry.rounds,
            login: LoginRules {
                password_needed: login.is_some(),
                username_only: login.is_some_and(|login| login.username_only),
                static_challenge: profile.static_challenge.as_ref().map(|challenge| {
                    StaticChallenge {
                        text: challenge.text.clone(),
                        echo: challenge.echo,
                        format: if challenge.concat {
                            ChallengeFormat::Concatenated
                        } else {
                            ChallengeFormat::Scrv1
                        },
                    }
                }),
                forget_password: profile.auth_nocache,
            },
            username: login.and_then(|login| login.username.clone()),
            password: login.and_then(|login| Some(login.password.as_ref()?.duplicate())),
            retry: RetryRules {
                auth_retry: profile.auth_retry,
                retry_refused_login: profile.preferences.auth_fail_retry,
                end_when_lost: profile.timing.ping_exit,
            },
            persist_tun: profile.device.persist,
        }
    }
}

fn target((index, remote): (usize, &Remote)) -> Target {
    let family = match remote.family {
        Some(AddressFamily::V4) => Family::V4,
        Some(AddressFamily::V6) => Family::V6,
        None => Family::Any,
    };
    // How we come to the proxy does not matter to how it comes to the server.
    let (host, port, lookup_family) = match &remote.options.proxy {
        Some(Proxy::Http(proxy)) => (&proxy.host, proxy.port, Family::Any),
        Some(Proxy::Socks(proxy)) => (&proxy.host, proxy.port, Family::Any),
        None => (&remote.host, remote.port, family),
    };
    Target {
        index,
        host: remote.host.clone(),
        port: remote.port,
        family,
        transport: remote.transport,
        lookup: Lookup {
            host: host.clone(),
            port,
            family: lookup_family,
        },
    }
}
