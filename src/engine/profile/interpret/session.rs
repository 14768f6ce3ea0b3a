//! The session as a whole: role, device, socket, timers, filters, verbosity.

use std::time::Duration;

use super::Interpreter;
use crate::profile::lexer::Directive;
use crate::profile::pushed::{PullAction, PullFilter};
use crate::profile::transfer;
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, at_least_a_second, buffer, choice, number, seconds, word};
use crate::settings::CompressionPolicy;

impl Interpreter<'_, '_> {
    pub(super) fn apply_session(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        let profile = &mut self.profile;
        match directive.name.as_str() {
            "client" => {
                self.role.pull = true;
                self.role.tls_client = true;
            }
            "pull" => self.role.pull = true,
            "tls-client" => self.role.tls_client = true,
            "mode" if word(args, 0)? != "p2p" => {
                let reason = "this is a client";
                return Err(BadValue::because(0, reason, "p2p, or leave it out"));
            }
            "mode" => {}
            "dev" => profile.device.name = device(word(args, 0)?)?,
            "dev-type" => {
                let kind = word(args, 0)?;
                if device(kind)? != "tun" {
                    return Err(BadValue::new(0, kind, "tun"));
                }
            }
            "persist-tun" => profile.device.persist = true,
            "txqueuelen" => profile.device.queue_length = Some(number(args, 0, 1..=1_000_000)?),
            "route-noexec" => profile.device.no_routes = true,
            "route-table" => profile.device.table = Some(number(args, 0, 1..=u32::MAX)?),
            "mark" => profile.socket.mark = Some(mark(word(args, 0)?)?),
            "sndbuf" => profile.socket.sndbuf = buffer(args)?,
            "rcvbuf" => profile.socket.rcvbuf = buffer(args)?,
            "bind-dev" => profile.socket.device = Some(device(word(args, 0)?)?),
            "remote-random" => profile.remote_random = true,
            "remote-random-hostname" => profile.remote_random_hostname = true,
            "proto-force" => self.force_protocol(args)?,
            "verb" => {
                // More than the most there is says no more, and is no error elsewhere.
                let level: u32 = if args.is_empty() {
                    1
                } else {
                    number(args, 0, 0..=u32::MAX).map_err(|bad| BadValue {
                        right: format!("a number from 0 to {MOST_VERBOSE}"),
                        ..bad
                    })?
                };
                profile.verbosity = Some(
                    u8::try_from(level)
                        .unwrap_or(MOST_VERBOSE)
                        .min(MOST_VERBOSE),
                );
            }
            "push-peer-info" => profile.peer_info.push = true,
            "route-nopull" => profile.pull.no_routes = true,
            "allow-pull-fqdn" => profile.pull.host_names = true,
            "pull-filter" => profile.pull.filters.push(pull_filter(args)?),
            "ignore-unknown-option" => {}
            "setenv" => return self.setenv(args),
            "compat-mode" => self.compat_mode(args)?,
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    pub(super) fn apply_timing(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        let timing = &mut self.profile.timing;
        match directive.name.as_str() {
            "ping" => timing.ping = unless_zero(transfer::ping(args, 0)?),
            "ping-restart" => {
                timing.ping_restart = unless_zero(transfer::ping(args, 0)?);
                timing.ping_exit = false;
            }
            "ping-exit" => {
                timing.ping_restart = unless_zero(transfer::ping(args, 0)?);
                timing.ping_exit = true;
            }
            "keepalive" => {
                let (ping, restart) = transfer::keepalive(args)?;
                timing.ping = unless_zero(ping);
                timing.ping_restart = unless_zero(restart);
                timing.ping_exit = false;
            }
            "inactive" => {
                let (after, bytes) = transfer::inactive(args)?;
                timing.inactive = unless_zero(after).map(|after| (after, bytes));
            }
            "session-timeout" => timing.session_timeout = unless_zero(seconds(args, 0)?),
            "hand-window" => timing.hand_window = at_least_a_second(args, 0)?,
            "tran-window" => timing.tran_window = at_least_a_second(args, 0)?,
            "tls-timeout" => timing.tls_timeout = at_least_a_second(args, 0)?,
            "tls-timeout-ms" => {
                let millis: u32 = number(args, 0, 100..=86_400_000)?;
                timing.tls_timeout = Duration::from_millis(millis.into());
            }
            "become-primary" => timing.become_primary = Some(seconds(args, 0)?),
            "reneg-sec" => timing.reneg = unless_zero(seconds(args, 0)?),
            "reneg-bytes" => {
                timing.reneg_bytes = Some(transfer::limit(args)?).filter(|bytes| *bytes > 0);
            }
            "reneg-pkts" => {
                timing.reneg_packets = Some(transfer::limit(args)?).filter(|packets| *packets > 0);
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    pub(super) fn apply_retry(&mut self, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
        let retry = &mut self.profile.retry;
        match name {
            "connect-retry" => {
                retry.first = seconds(args, 0)?.max(Duration::from_secs(1));
                if args.len() > 1 {
                    retry.longest = seconds(args, 1)?;
                }
                retry.longest = retry.longest.max(retry.first);
            }
            "connect-retry-max" => {
                let rounds = if word(args, 0)? == "unlimited" {
                    0
                } else {
                    number(args, 0, 0..=u32::MAX)?
                };
                retry.rounds = Some(rounds).filter(|rounds| *rounds > 0);
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    /// Defaults as of an earlier version of OpenVPN.
    fn compat_mode(&mut self, args: &[&str]) -> Result<(), BadValue> {
        let text = word(args, 0)?;
        let right = "a version like 2.4.0";
        let parts: Option<Vec<u32>> = text.split('.').map(|part| part.parse().ok()).collect();
        let parts = parts.ok_or_else(|| BadValue::new(0, text, right))?;
        let version = match parts.as_slice() {
            [major, minor] | [major, minor, _] => (*major, *minor),
            _ => return Err(BadValue::new(0, text, right)),
        };
        if version < (2, 6) && !self.tls.compression_named {
            self.profile.pull.compression = CompressionPolicy::Asymmetric;
        }
        Ok(())
    }
}

/// The highest `verb` that means something.
const MOST_VERBOSE: u8 = 11;

fn unless_zero(time: Duration) -> Option<Duration> {
    Some(time).filter(|time| !time.is_zero())
}

/// A name that Linux takes for a network device, and that is not one of layer 2.
fn device(name: &str) -> Result<String, BadValue> {
    if name.starts_with("tap") {
        let reason = "this is a layer-2 device, and only layer 3 is supported";
        return Err(BadValue::because(0, reason, "tun, on the server too"));
    }
    let fits = (1..=15).contains(&name.len())
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '/' || c == ':')
        && !matches!(name, "." | ".." | "null");
    if !fits {
        return Err(BadValue::new(
            0,
            name,
            "tun, or a name of at most 15 characters",
        ));
    }
    Ok(name.to_owned())
}

fn mark(text: &str) -> Result<u32, BadValue> {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    parsed.ok_or_else(|| BadValue::new(0, text, "a number, decimal or 0x..."))
}

fn pull_filter(args: &[&str]) -> Result<PullFilter, BadValue> {
    const ACTIONS: &[(&str, PullAction)] = &[
        ("accept", PullAction::Accept),
        ("ignore", PullAction::Ignore),
        ("reject", PullAction::Reject),
    ];
    Ok(PullFilter {
        action: choice(args, 0, ACTIONS)?,
        text: word(args, 1)?.to_owned(),
    })
}
