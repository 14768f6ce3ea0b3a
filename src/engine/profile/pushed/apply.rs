//! One pushed option into the typed fields.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{CustomControl, PushError, PushedOptions};
use crate::profile::transfer::{self, Compression};
use crate::profile::tunnel::{Applied, Author};
use crate::profile::value::{BadValue, at_least_a_second, buffer, number, parsed, seconds, word};
use crate::secret::SecretText;
use crate::settings::{CompressionPolicy, PullRules};

/// Why an option is not in force.
pub(super) enum Trouble {
    /// The option alone is of no use.
    Bad(BadValue),
    /// The attempt is over.
    Fatal(PushError),
}

impl From<BadValue> for Trouble {
    fn from(bad: BadValue) -> Self {
        Self::Bad(bad)
    }
}

impl From<PushError> for Trouble {
    fn from(error: PushError) -> Self {
        Self::Fatal(error)
    }
}

impl PushedOptions {
    /// Takes one option in, of those that the table lets a server push.
    pub(super) fn apply(
        &mut self,
        name: &str,
        args: &[&str],
        rules: &PullRules,
    ) -> Result<Applied, Trouble> {
        let author = Author::Server {
            host_names: rules.host_names,
        };
        let mut applied = self.tunnel.apply(name, args, author)?;
        if applied == Applied::NotMine {
            applied = self.apply_timers(name, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_data(name, args, rules)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_session(name, args)?;
        }
        Ok(applied)
    }

    fn apply_timers(&mut self, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
        match name {
            "ping" => self.ping = Some(transfer::ping(args, 0)?),
            "ping-restart" => {
                self.ping_restart = Some(transfer::ping(args, 0)?);
                self.ping_exit = None;
            }
            "ping-exit" => {
                self.ping_exit = Some(transfer::ping(args, 0)?);
                self.ping_restart = None;
            }
            "keepalive" => {
                let (ping, restart) = transfer::keepalive(args)?;
                self.ping = Some(ping);
                self.ping_restart = Some(restart);
                self.ping_exit = None;
            }
            "inactive" => self.inactive = Some(transfer::inactive(args)?),
            "session-timeout" => self.session_timeout = Some(seconds(args, 0)?),
            "explicit-exit-notify" => self.exit_notify = Some(transfer::exit_notify(args)?),
            "reneg-sec" => self.reneg = Some(seconds(args, 0)?),
            "reneg-bytes" => self.reneg_bytes = Some(transfer::limit(args)?),
            "reneg-pkts" => self.reneg_packets = Some(transfer::limit(args)?),
            "hand-window" => self.hand_window = Some(at_least_a_second(args, 0)?),
            "tran-window" => self.tran_window = Some(at_least_a_second(args, 0)?),
            "tls-timeout" => self.tls_timeout = Some(at_least_a_second(args, 0)?),
            "tls-timeout-ms" => {
                let millis: u32 = number(args, 0, 100..=86_400_000)?;
                self.tls_timeout = Some(Duration::from_millis(millis.into()));
            }
            "become-primary" => self.become_primary = Some(seconds(args, 0)?),
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn apply_data(
        &mut self,
        name: &str,
        args: &[&str],
        rules: &PullRules,
    ) -> Result<Applied, Trouble> {
        match name {
            "cipher" => {
                let name = word(args, 0)?;
                let unknown = |_| PushError::Algorithm {
                    option: "cipher",
                    name: name.to_owned(),
                };
                self.cipher = Some(name.parse().map_err(unknown)?);
            }
            "auth" => self.digest = Some(digest(word(args, 0)?)?),
            "peer-id" => self.peer_id = Some(peer_id(word(args, 0)?)?),
            "key-derivation" => match word(args, 0)? {
                "tls-ekm" => self.flags.tls_ekm = true,
                other => return Err(PushError::KeyDerivation(other.to_owned()).into()),
            },
            "protocol-flags" => self.protocol_flags(args)?,
            "comp-lzo" => self.compression(transfer::comp_lzo(args), "comp-lzo", args, rules)?,
            "compress" => self.compression(transfer::compress(args), "compress", args, rules)?,
            "tun-mtu" => self.tun_mtu = Some(number(args, 0, 68..=u16::MAX)?),
            "mssfix" => self.mssfix = Some(transfer::mssfix(args)?),
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn apply_session(&mut self, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
        match name {
            "auth-token" => self.auth_token = Some(Arc::new(SecretText::from(word(args, 0)?))),
            "auth-token-user" => self.auth_token_user = Some(token_user(word(args, 0)?)?),
            "auth-nocache" => self.auth_nocache = true,
            "custom-control" => self.custom_control = Some(CustomControl::parse(args)?),
            "client-ip" => self.client_ip = Some(parsed(args, 0, "an IP address")?),
            "sndbuf" => self.sndbuf = buffer(args)?,
            "rcvbuf" => self.rcvbuf = buffer(args)?,
            "persist-tun" => self.persist_tun = true,
            "echo" | "parameter" => self.echo.push(args.join(" ")),
            "push-continuation" => {}
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn protocol_flags(&mut self, words: &[&str]) -> Result<(), PushError> {
        for word in words {
            match *word {
                "aead-epoch" => self.flags.aead_epoch = true,
                "cc-exit" => self.flags.cc_exit = true,
                "dyn-tls-crypt" => self.flags.dyn_tls_crypt = true,
                "tls-ekm" => self.flags.tls_ekm = true,
                other => return Err(PushError::ProtocolFlag(other.to_owned())),
            }
        }
        Ok(())
    }

    fn compression(
        &mut self,
        form: Result<Compression, BadValue>,
        name: &str,
        args: &[&str],
        rules: &PullRules,
    ) -> Result<(), PushError> {
        let text = || format!("{name} {}", args.join(" ")).trim_end().to_owned();
        let form = form.map_err(|_| PushError::Compression(text()))?;
        if form.real && rules.compression == CompressionPolicy::No {
            return Err(PushError::Compression(text()));
        }
        self.framing = Some(form.framing);
        self.server_compresses = form.real;
        Ok(())
    }
}

impl CustomControl {
    /// The arguments of `custom-control`, which may also come by `INFO_PRE,ACC:`.
    ///
    /// # Errors
    ///
    /// [`BadValue`] if an argument is missing or is no number.
    pub fn parse(args: &[&str]) -> Result<Self, BadValue> {
        let max_len = number(args, 0, 1..=usize::from(u16::MAX))?;
        let flags: Vec<_> = word(args, 1)?.split(':').collect();
        let protocols = word(args, 2)?.split(':').filter(|name| !name.is_empty());
        Ok(Self {
            max_len,
            base64: flags.contains(&"6"),
            text: flags.contains(&"A"),
            protocols: protocols.map(str::to_owned).collect(),
        })
    }
}

fn digest(name: &str) -> Result<crate::crypto::hmac::Digest, PushError> {
    let unknown = || PushError::Algorithm {
        option: "auth",
        name: name.to_owned(),
    };
    crate::profile::cipher_list::digest(name).ok_or_else(unknown)
}

/// -1 switches to `DATA_V2` with an undefined id.
fn peer_id(text: &str) -> Result<u32, PushError> {
    const UNDEFINED: u32 = 0xff_ffff;
    match text.parse::<i64>().map(u32::try_from) {
        Ok(Ok(id)) if id < UNDEFINED => Ok(id),
        Ok(Err(_)) if text == "-1" => Ok(UNDEFINED),
        Ok(Ok(_) | Err(_)) | Err(_) => Err(PushError::PeerId(text.to_owned())),
    }
}

fn token_user(text: &str) -> Result<String, BadValue> {
    STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| BadValue::because(0, "the user name cannot be decoded", "base64 of UTF-8"))
}
