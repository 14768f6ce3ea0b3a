//! `PushedOptions`: what the server pushed, typed where it means something to the engine.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::dns::{DhcpOption, DnsOptions};
use super::tunnel::{Ifconfig4, Ifconfig6, Redirect, RouteGateway, RouteOption, Topology};
use crate::engine::config::{Framing, MssFix};
use crate::engine::crypto::cipher::Cipher;
use crate::engine::crypto::hmac::Digest;
use crate::engine::secret::SecretText;

/// One `pull-filter` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullFilter {
    /// What happens to an option that matches.
    pub action: PullAction,
    /// The text that the option must begin with.
    pub text: String,
}

/// What `pull-filter` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullAction {
    /// Let it in, whatever follows.
    Accept,
    /// Leave it out.
    Ignore,
    /// End the attempt.
    Reject,
}

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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, and they are independent"
)]
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
    /// `ping-restart` (also by `keepalive`).
    pub ping_restart: Option<Duration>,
    /// `ping-exit`: silence for this long ends the session.
    pub ping_exit: Option<Duration>,
    /// `inactive`: time, and how many bytes of tunnel traffic count as activity.
    pub inactive: Option<(Duration, u64)>,
    /// `session-timeout`.
    pub session_timeout: Option<Duration>,
    /// `explicit-exit-notify`: how many goodbyes on UDP.
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
    /// `ifconfig`.
    pub ifconfig: Option<Ifconfig4>,
    /// `ifconfig-ipv6`.
    pub ifconfig_ipv6: Option<Ifconfig6>,
    /// `topology`.
    pub topology: Option<Topology>,
    /// `route-gateway`.
    pub route_gateway: Option<RouteGateway>,
    /// `route-ipv6-gateway`.
    pub route_ipv6_gateway: Option<Ipv6Addr>,
    /// `route` and `route-ipv6`, in order.
    pub routes: Vec<RouteOption>,
    /// `route-metric`.
    pub route_metric: Option<u32>,
    /// `redirect-gateway` and `redirect-private`.
    pub redirect: Option<Redirect>,
    /// `block-ipv4`.
    pub block_ipv4: bool,
    /// `block-ipv6`.
    pub block_ipv6: bool,
    /// `block-outside-dns`: names are resolved inside of the tunnel only.
    pub block_outside_dns: bool,
    /// `dns`.
    pub dns: DnsOptions,
    /// `dhcp-option`, in order.
    pub dhcp: Vec<DhcpOption>,

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

/// The words of `protocol-flags`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the option, and they are independent"
)]
pub struct ProtocolFlags {
    /// `aead-epoch`: data packets use the epoch format.
    pub aead_epoch: bool,
    /// `cc-exit`: goodbye is said in the control channel.
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
