//! Remotes, and what may be set for one of them alone.

use std::sync::Arc;
use std::time::Duration;

use super::Interpreter;
use super::proxy::ProxyDraft;
use crate::crypto::hmac::Digest;
use crate::crypto::static_key::KeyDirection;
use crate::profile::lexer::Directive;
use crate::profile::model::{AddressFamily, Material, Remote, RemoteOptions, WrappingText};
use crate::profile::transfer;
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, choice, host, number, port, seconds, word};
use crate::settings::{MssFix, PacketLimit, Timing, Transport};

/// One `remote` line.
#[derive(Debug, Clone)]
pub(super) struct RemoteLine {
    host: String,
    port: Option<u16>,
    protocol: Option<Protocol>,
}

/// One `remote` line, or a `<connection>` block with its remotes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) remotes: Vec<RemoteLine>,
    /// What the block says beside.
    pub(super) draft: Option<Draft>,
}

/// As long as OpenVPN 3 waits when it is told to wait for ever.
const FOREVER: Duration = Duration::from_secs(7 * 24 * 3600);

type Protocol = (Transport, Option<AddressFamily>);

/// What is said about remotes, by the profile for all or by a block for its own; `None` where nothing is.
#[derive(Debug, Clone, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option without arguments, and they are independent"
)]
pub(super) struct Draft {
    protocol: Option<Protocol>,
    port: Option<u16>,
    remote_port: Option<u16>,
    local_port: Option<u16>,
    local: Option<String>,
    bind: bool,
    no_bind: bool,
    float: bool,
    server_poll: Option<Duration>,
    tun_mtu: Option<u16>,
    tun_mtu_max: Option<u16>,
    mssfix: Option<MssFix>,
    fragment: Option<PacketLimit>,
    no_probe: bool,
    control_packet_size: Option<u16>,
    exit_notify: Option<u8>,
    proxy: ProxyDraft,
    wrapping: WrappingDraft,
}

#[derive(Debug, Clone, Default)]
struct WrappingDraft {
    auth: Option<Material>,
    crypt: Option<Material>,
    crypt_v2: Option<Material>,
    direction: Option<KeyDirection>,
}

impl WrappingDraft {
    fn count(&self) -> usize {
        usize::from(self.auth.is_some())
            + usize::from(self.crypt.is_some())
            + usize::from(self.crypt_v2.is_some())
    }

    fn text(&self, digest: Digest) -> WrappingText {
        if let Some(key) = &self.crypt_v2 {
            WrappingText::TlsCryptV2 { key: key.clone() }
        } else if let Some(key) = &self.crypt {
            WrappingText::TlsCrypt { key: key.clone() }
        } else if let Some(key) = &self.auth {
            WrappingText::TlsAuth {
                key: key.clone(),
                direction: self.direction.unwrap_or(KeyDirection::Bidirectional),
                digest,
            }
        } else {
            WrappingText::None
        }
    }
}

impl Draft {
    /// This block's requests where it has some, the profile's elsewhere.
    fn over(&self, common: &Self) -> Self {
        let own_wrapping = self.wrapping.count() > 0;
        let mut wrapping = if own_wrapping {
            &self.wrapping
        } else {
            &common.wrapping
        }
        .clone();
        wrapping.direction = self.wrapping.direction.or(common.wrapping.direction);
        let own_proxy = self.proxy.names_one();
        Self {
            protocol: self.protocol.or(common.protocol),
            port: self.port.or(common.port),
            remote_port: self.remote_port.or(self.port).or(common.remote_port),
            local_port: self.local_port.or(common.local_port),
            local: self.local.clone().or_else(|| common.local.clone()),
            bind: self.bind || common.bind,
            no_bind: self.no_bind || common.no_bind,
            float: self.float || common.float,
            server_poll: self.server_poll.or(common.server_poll),
            tun_mtu: self.tun_mtu.or(common.tun_mtu),
            tun_mtu_max: self.tun_mtu_max.or(common.tun_mtu_max),
            mssfix: self.mssfix.or(common.mssfix),
            fragment: self.fragment.or(common.fragment),
            no_probe: self.no_probe || common.no_probe,
            control_packet_size: self.control_packet_size.or(common.control_packet_size),
            exit_notify: self.exit_notify.or(common.exit_notify),
            proxy: if own_proxy {
                self.proxy.over(&common.proxy)
            } else {
                common.proxy.clone()
            },
            wrapping,
        }
    }

    /// What is said beside `nobind` and cannot be together with it.
    fn bound_in_spite(&self) -> Option<&'static str> {
        if !self.no_bind {
            None
        } else if self.local.is_some() {
            Some("local")
        } else if self.local_port.is_some_and(|port| port != 0) {
            Some("lport")
        } else {
            self.bind.then_some("bind")
        }
    }

    /// Whether the halves of the `tls-auth` key are left unsaid.
    const fn lacks_direction(&self) -> bool {
        self.wrapping.auth.is_some() && self.wrapping.direction.is_none()
    }

    fn options(&self, digest: Digest) -> RemoteOptions {
        let defaults = Timing::default();
        let tun_mtu = self.tun_mtu.unwrap_or(1500);
        let local_port = self.local_port.or(self.port);
        let binds =
            !self.no_bind && (self.bind || self.local.is_some() || self.local_port.is_some());
        RemoteOptions {
            wrapping: self.wrapping.text(digest),
            proxy: self.proxy.finished(),
            local: self.local.clone().filter(|_| binds),
            local_port: local_port.filter(|_| binds),
            float: self.float,
            server_poll: self.server_poll.unwrap_or(defaults.server_poll),
            tun_mtu,
            tun_mtu_max: self
                .tun_mtu_max
                .unwrap_or_else(|| tun_mtu.max(1600))
                .max(tun_mtu),
            mssfix: self.mssfix.unwrap_or(MssFix::Default),
            fragment: self.fragment,
            probe_path: !self.no_probe,
            control_packet_size: self
                .control_packet_size
                .unwrap_or(defaults.control_packet_size),
            exit_notify: self.exit_notify.unwrap_or(defaults.exit_notify),
        }
    }
}

/// `remote host [port [proto]]`.
pub(super) fn remote(directive: &Directive, args: &[&str]) -> Result<RemoteLine, BadValue> {
    debug_assert_eq!(directive.name, "remote", "the caller has looked");
    Ok(RemoteLine {
        host: host(args, 0)?,
        port: if args.len() > 1 {
            Some(port(args, 1)?)
        } else {
            None
        },
        protocol: if args.len() > 2 {
            Some(protocol(args, 2)?)
        } else {
            None
        },
    })
}

fn protocol(args: &[&str], index: usize) -> Result<Protocol, BadValue> {
    const NAMES: &[(&str, Protocol)] = &[
        ("udp", (Transport::Udp, None)),
        ("tcp", (Transport::Tcp, None)),
        ("udp4", (Transport::Udp, Some(AddressFamily::V4))),
        ("udp6", (Transport::Udp, Some(AddressFamily::V6))),
        ("tcp4", (Transport::Tcp, Some(AddressFamily::V4))),
        ("tcp6", (Transport::Tcp, Some(AddressFamily::V6))),
    ];
    let text = word(args, index)?;
    let name = text.to_ascii_lowercase();
    let bare = name.strip_suffix("-client").unwrap_or(&name);
    if name.ends_with("-server") {
        return Err(BadValue::because(
            index,
            format!("{text} is for servers"),
            "tcp-client",
        ));
    }
    choice(&[bare], 0, NAMES).map_err(|bad| BadValue::new(index, text, bad.right))
}

fn direction(args: &[&str], index: usize) -> Result<KeyDirection, BadValue> {
    const WORDS: &[(&str, KeyDirection)] = &[
        ("0", KeyDirection::Normal),
        ("1", KeyDirection::Inverse),
        ("bidirectional", KeyDirection::Bidirectional),
        ("bi", KeyDirection::Bidirectional),
    ];
    choice(args, index, WORDS)
}

impl Interpreter<'_, '_> {
    /// What holds for all remotes, and the plain remotes themselves.
    pub(super) fn apply_common_remote(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        if directive.name == "remote" {
            let remotes = vec![remote(directive, args)?];
            self.entries.push(Entry {
                remotes,
                draft: None,
            });
            return Ok(Applied::Done);
        }
        let mut common = std::mem::take(&mut self.common);
        let outcome = self.apply_to_remote(&mut common, directive, args);
        self.common = common;
        outcome
    }

    /// What may be said for all remotes or for one.
    pub(super) fn apply_to_remote(
        &mut self,
        draft: &mut Draft,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        if directive.name == "fragment" && args.first() == Some(&"0") {
            let text = "zero switches it off here, and is an error elsewhere; leave the line out";
            self.note(directive, text.to_owned());
        }
        let mut applied = apply_address(draft, &directive.name, args)?;
        if applied == Applied::NotMine {
            applied = apply_sizes(draft, &directive.name, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_proxy(&mut draft.proxy, directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_wrapping(&mut draft.wrapping, directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_retry(&directive.name, args)?;
        }
        Ok(applied)
    }

    fn apply_wrapping(
        &mut self,
        draft: &mut WrappingDraft,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        match directive.name.as_str() {
            "tls-auth" => {
                // It is the same setting as key-direction, and outlives the file if a block follows.
                if args.len() > 1 {
                    draft.direction = Some(direction(args, 1)?);
                }
                draft.auth = self.material(directive)?.or_else(|| draft.auth.take());
            }
            "tls-crypt" => draft.crypt = self.material(directive)?.or_else(|| draft.crypt.take()),
            "tls-crypt-v2" => {
                draft.crypt_v2 = self.material(directive)?.or_else(|| draft.crypt_v2.take());
            }
            "key-direction" => draft.direction = Some(direction(args, 0)?),
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    /// All remotes with all that holds for each, in the order of the profile.
    pub(super) fn remotes(&mut self, digest: Digest) -> Vec<Remote> {
        let mut remotes = Vec::new();
        let common = Arc::new(self.common.options(digest));
        let mut several = self.common.wrapping.count() > 1;
        let mut bound = None;
        let mut lacks_direction = false;
        for entry in &self.entries {
            let merged = entry.draft.as_ref().map(|draft| draft.over(&self.common));
            several |= entry
                .draft
                .as_ref()
                .is_some_and(|draft| draft.wrapping.count() > 1);
            let options = merged.as_ref().map_or_else(
                || Arc::clone(&common),
                |draft| Arc::new(draft.options(digest)),
            );
            let draft = merged.as_ref().unwrap_or(&self.common);
            bound = bound.or_else(|| draft.bound_in_spite());
            lacks_direction |= draft.lacks_direction();
            for line in &entry.remotes {
                let (transport, family) = line
                    .protocol
                    .or(draft.protocol)
                    .unwrap_or((Transport::Udp, None));
                let port = line
                    .port
                    .or(draft.remote_port)
                    .or(draft.port)
                    .unwrap_or(1194);
                let host = line.host.clone();
                let options = Arc::clone(&options);
                remotes.push(Remote {
                    host,
                    port,
                    transport,
                    family,
                    options,
                });
            }
        }
        if let Some(name) = bound {
            let right = format!("{name} or nobind, but not both");
            self.whole_error(name, "it contradicts nobind", &right);
        }
        if lacks_direction {
            let text = "no direction is given, which is right only if the server gives none; usual is 1 here, 0 there";
            self.whole_note("tls-auth", text);
        }
        if several {
            let reason = "tls-auth, tls-crypt and tls-crypt-v2 exclude each other";
            self.whole_error("tls-crypt", reason, "one of them, the one of the server");
        }
        remotes
    }
}

fn apply_address(draft: &mut Draft, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
    match name {
        "proto" => draft.protocol = Some(protocol(args, 0)?),
        "port" => draft.port = Some(port(args, 0)?),
        "rport" => draft.remote_port = Some(port(args, 0)?),
        "lport" => draft.local_port = Some(number(args, 0, 0..=u16::MAX)?),
        "local" => {
            draft.local = if word(args, 0)? == "*" {
                None
            } else {
                Some(host(args, 0)?)
            };
        }
        "bind" => draft.bind = true,
        "nobind" => draft.no_bind = true,
        "float" => draft.float = true,
        "server-poll-timeout" | "connect-timeout" => {
            draft.server_poll =
                Some(seconds(args, 0)?).map(|time| if time.is_zero() { FOREVER } else { time });
        }

        _ => return Ok(Applied::NotMine),
    }
    Ok(Applied::Done)
}

fn apply_sizes(draft: &mut Draft, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
    match name {
        "tun-mtu" => draft.tun_mtu = Some(number(args, 0, 100..=u16::MAX)?),
        "tun-mtu-max" => draft.tun_mtu_max = Some(number(args, 0, 68..=u16::MAX)?),
        "mssfix" => draft.mssfix = Some(transfer::mssfix(args)?),
        "fragment" => draft.fragment = transfer::fragment(args)?,
        "disable-occ" => draft.no_probe = true,
        "max-packet-size" => draft.control_packet_size = Some(number(args, 0, 154..=2048)?),
        "mssfix-ctrl" => {
            let size: u16 = number(args, 0, 256..=u16::MAX)?;
            draft.control_packet_size = Some(size.min(2048));
        }
        "explicit-exit-notify" => draft.exit_notify = Some(transfer::exit_notify(args)?),
        _ => return Ok(Applied::NotMine),
    }
    Ok(Applied::Done)
}
