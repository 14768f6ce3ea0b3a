//! `PushedOptions`: what the server pushed, typed where it means something to the engine.

mod apply;
mod filter;
pub(crate) mod split;
mod update;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use zeroize::Zeroize;

use self::apply::Trouble;
use self::filter::{Verdict, judge};
use super::error::{Note, Place};
use super::lexer::tokenise;
use super::table::{self, Scope, Treatment};
use super::tunnel::{Applied, TunnelOptions};
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::secret::SecretText;
use crate::settings::{Framing, MssFix, PullRules};
pub use crate::settings::{PullAction, PullFilter};

/// One option as it was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedOption {
    /// Its name.
    pub name: String,
    /// Its arguments, unquoted.
    pub args: Vec<String>,
}

/// The options that are in force after a push: typed where they mean something to the engine.
///
/// `None` is *not pushed* everywhere. A time of zero is *switched off*.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PushedOptions {
    /// All options in force in the order they came, after `pull-filter` and `route-nopull`; tokens are left out.
    pub list: Vec<PushedOption>,

    /// `cipher`.
    pub cipher: Option<Cipher>,
    /// `auth`: the digest of the data channel's CBC ciphers.
    pub digest: Option<Digest>,
    /// `peer-id`, 0 to 0xFFFFFF (the last is undefined, but switches to `DATA_V2` all the same).
    pub peer_id: Option<u32>,
    /// `protocol-flags` and `key-derivation`.
    pub flags: ProtocolFlags,
    /// `compress` and `comp-lzo`: the framing to use.
    pub framing: Option<Framing>,
    /// The server named a real algorithm: what it sends may be compressed.
    pub server_compresses: bool,

    /// `ping` (also by `keepalive`).
    pub ping: Option<Duration>,
    /// `ping-restart` (also by `keepalive`), unless `ping-exit` follows.
    pub ping_restart: Option<Duration>,
    /// `ping-exit`, unless `ping-restart` follows: silence for this long ends the session.
    pub ping_exit: Option<Duration>,
    /// `inactive`: time, and how many bytes of tunnel traffic count as activity.
    pub inactive: Option<(Duration, u64)>,
    /// `session-timeout`.
    pub session_timeout: Option<Duration>,
    /// `explicit-exit-notify`: how many exit notifications on UDP.
    pub exit_notify: Option<u8>,
    /// `reneg-sec`.
    pub reneg: Option<Duration>,
    /// `reneg-bytes`; 0 is never.
    pub reneg_bytes: Option<u64>,
    /// `reneg-pkts`; 0 is never.
    pub reneg_packets: Option<u64>,
    /// `hand-window`.
    pub hand_window: Option<Duration>,
    /// `tran-window`.
    pub tran_window: Option<Duration>,
    /// `tls-timeout`.
    pub tls_timeout: Option<Duration>,
    /// `become-primary`.
    pub become_primary: Option<Duration>,

    /// `tun-mtu`, 68 to 65535; not yet capped by the profile's `tun-mtu-max`.
    pub tun_mtu: Option<u16>,
    /// `mssfix`.
    pub mssfix: Option<MssFix>,
    /// Addresses, routes, redirection and name resolution.
    pub tunnel: TunnelOptions,

    /// `auth-token`.
    pub auth_token: Option<Arc<SecretText>>,
    /// `auth-token-user`, decoded.
    pub auth_token_user: Option<String>,
    /// `auth-nocache`: the password is to be forgotten after use.
    pub auth_nocache: bool,
    /// `custom-control`: the app control channel.
    pub custom_control: Option<CustomControl>,
    /// `client-ip`: our address as the server sees it.
    pub client_ip: Option<IpAddr>,
    /// `sndbuf`, in bytes.
    pub sndbuf: Option<u32>,
    /// `rcvbuf`, in bytes.
    pub rcvbuf: Option<u32>,
    /// `persist-tun`.
    pub persist_tun: bool,
    /// `echo` and `parameter`: text for the front.
    pub echo: Vec<String>,
}

impl PushedOptions {
    /// The options of a whole `PUSH_REPLY`, all of its parts joined, as [`split::split`] gives them. What is unknown,
    /// not to be pushed or badly written is passed over with a note.
    ///
    /// # Errors
    ///
    /// [`PushError`] if the attempt cannot go on with these options.
    pub fn from_reply(items: &[String], rules: &PullRules) -> Result<(Self, Vec<Note>), PushError> {
        let mut notes = Vec::new();
        let mut list = Vec::new();
        for item in items
            .iter()
            .map(|item| item.trim())
            .filter(|item| !item.is_empty())
        {
            let Some(option) = tokens(item) else {
                notes.push(note("", "an option with an unbalanced quotation mark"));
                continue;
            };
            match judge(rules, &option)? {
                Verdict::In => list.push(option),
                Verdict::Out(why) => notes.push(note(&option.name, why)),
            }
        }
        let (options, more) = Self::from_list(list, rules)?;
        notes.extend(more);
        Ok((options, notes))
    }

    /// Whether both lead to the same device, addresses, routes and name resolution, so that a reconnect may keep what
    /// is set up. What differs between any two pushes (tokens, numbers, timers) does not count.
    #[must_use]
    pub fn same_tunnel(&self, other: &Self) -> bool {
        fn lasting(options: &PushedOptions) -> impl Iterator<Item = &PushedOption> {
            const PASSING: &[&str] = &[
                "cipher",
                "client-ip",
                "echo",
                "explicit-exit-notify",
                "key-derivation",
                "parameter",
                "peer-id",
                "ping",
                "ping-exit",
                "ping-restart",
                "ping-timer-rem",
                "protocol-flags",
            ];
            options
                .list
                .iter()
                .filter(|option| !PASSING.contains(&option.name.as_str()))
        }
        lasting(self).eq(lasting(other))
    }

    /// Options that have passed the filters, to fields.
    fn from_list(
        list: Vec<PushedOption>,
        rules: &PullRules,
    ) -> Result<(Self, Vec<Note>), PushError> {
        let mut options = Self::default();
        let mut notes = Vec::new();
        for mut option in list {
            match options.take(&option, rules)? {
                None if option.name.starts_with("auth-token") => option.args.zeroize(),
                None if option.name == "push-continuation" => {}
                None => options.list.push(option),
                Some(why) => notes.push(note(&option.name, &why)),
            }
        }
        for priority in options.tunnel.dns.without_address() {
            let text = format!("server {priority} has no address, and is of no use");
            notes.push(note("dns", &text));
        }
        options.check()?;
        Ok((options, notes))
    }

    /// Takes one option in; the answer says why it has no effect.
    fn take(
        &mut self,
        option: &PushedOption,
        rules: &PullRules,
    ) -> Result<Option<String>, PushError> {
        let Some(row) = table::find(&option.name) else {
            return Ok(Some("this client does not know it".to_owned()));
        };
        if !row.scope.holds(Scope::PUSHED) {
            return Ok(Some("it is not for a server to push".to_owned()));
        }
        match row.treatment {
            Treatment::Honour => {}
            Treatment::Ignore(why) | Treatment::Refuse(why) => return Ok(Some(why.to_owned())),
            Treatment::Implied(_) => return Ok(None),
        }
        if !row.args.contains(&option.args.len()) {
            return Ok(Some(format!(
                "it does not take {} arguments",
                option.args.len()
            )));
        }
        let args: Vec<&str> = option.args.iter().map(String::as_str).collect();
        match self.apply(&option.name, &args, rules) {
            Ok(Applied::Done) => Ok(None),
            Ok(Applied::Ignored(why)) => Ok(Some(why)),
            Ok(Applied::NotMine) => Ok(Some("this client does not know it".to_owned())),
            Err(Trouble::Bad(bad)) => Ok(Some(bad.to_string())),
            Err(Trouble::Fatal(error)) => Err(error),
        }
    }

    /// What only the whole shows.
    fn check(&self) -> Result<(), PushError> {
        if !self.flags.aead_epoch {
            return Ok(());
        }
        if self.peer_id.is_none() {
            return Err(PushError::Epoch("a peer-id"));
        }
        if self.cipher.is_some_and(|cipher| !cipher.is_aead()) {
            return Err(PushError::Epoch("an AEAD cipher"));
        }
        Ok(())
    }
}

/// An option to name and arguments; `None` if a quotation mark has no partner.
fn tokens(item: &str) -> Option<PushedOption> {
    let mut tokens = tokenise(item).ok()?.into_iter().map(|token| token.text);
    let name = tokens.next()?;
    Some(PushedOption {
        name,
        args: tokens.collect(),
    })
}

fn note(name: &str, text: &str) -> Note {
    Note {
        place: Place::default(),
        directive: beginning(name, LONGEST_NAME),
        text: beginning(text, LONGEST_TEXT),
        minor: false,
    }
}

fn beginning(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// What is shown of an option's name, in characters.
const LONGEST_NAME: usize = 64;
/// What is said about an option, in characters; an argument of it may be among it.
const LONGEST_TEXT: usize = 512;

/// The words of `protocol-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the option, and they are independent"
)]
pub struct ProtocolFlags {
    /// `aead-epoch`: data packets use the epoch format.
    pub aead_epoch: bool,
    /// `cc-exit`: exit notification is said in the control channel.
    pub cc_exit: bool,
    /// `dyn-tls-crypt`: renegotiations are protected by a key of their own.
    pub dyn_tls_crypt: bool,
    /// `tls-ekm`: data keys come from the TLS exporter (also by `key-derivation tls-ekm`).
    pub tls_ekm: bool,
}

/// `custom-control`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomControl {
    /// The longest message, header included, in bytes.
    pub max_len: usize,
    /// Whether payloads may travel as base64 (`6`).
    pub base64: bool,
    /// Whether payloads may travel as text (`A`).
    pub text: bool,
    /// The protocols that the server speaks.
    pub protocols: Vec<String>,
}

/// A push that must end the attempt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PushError {
    /// `cipher` or `auth` names what this client does not have.
    #[error(
        "the server wants the data channel's {option} to be {name}, which is not available here"
    )]
    Algorithm {
        /// The option.
        option: &'static str,
        /// The name that was pushed.
        name: String,
    },
    /// Compression that the profile does not let in.
    #[error("the server compresses ({0}), and allow-compression does not permit it")]
    Compression(String),
    /// Epoch data packets need an AEAD cipher and a peer id.
    #[error("the server wants aead-epoch without {0}")]
    Epoch(&'static str),
    /// `key-derivation` other than `tls-ekm`.
    #[error("the server wants the unknown key derivation {0}")]
    KeyDerivation(String),
    /// A message that cannot be taken apart.
    #[error("malformed push: {0}")]
    Malformed(String),
    /// `peer-id` out of its range.
    #[error("the server pushed the impossible peer-id {0}")]
    PeerId(String),
    /// A word of `protocol-flags` that changes the wire format in a way unknown here.
    #[error("the server wants the unknown protocol flag {0}")]
    ProtocolFlag(String),
    /// `pull-filter reject` matched.
    #[error("pull-filter rejects what the server pushed: {0}")]
    Rejected(String),
    /// `PUSH_UPDATE` demands a change of an option that cannot be changed in a running session.
    #[error("the server wants to change {0} while the tunnel is up, which is impossible")]
    UpdateUnsupported(String),
}

#[cfg(test)]
mod tests;
