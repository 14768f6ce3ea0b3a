//! `Effect`: what the world is asked to do; `Report`: how it went.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::super::config::Transport;
use super::super::crypto::cipher::Cipher;
use super::super::netplan::DeviceAddress;
use super::super::profile::model::Profile;
use super::super::secret::SecretBytes;
use super::exit_class::ExitClass;
use super::network::{Device, Step};
use super::remotes::Lookup;
use super::request::Refusal;
use super::status::Status;
use super::tunnel::{AttemptId, TunnelOrder, TunnelReport};
use super::user_input::Attention;

/// What the world is asked to do. Each is begun in this order, and none is waited for: its end is a [`Report`].
#[derive(Debug)]
pub enum Effect {
    /// Tell the status to all who show it. Given on change only.
    Announce(Status),
    /// Tell the user that something is wanted from them.
    Attention(Attention),
    /// The tunnel carries traffic.
    Connected(Box<Summary>),
    /// The session is over. Nothing comes after it.
    Exit(ExitClass),
    /// A person or the network needs this much longer; the service manager is to extend its timeout.
    ExtendTimeout(Duration),
    /// Get the profile. Answered by [`Report::Profile`].
    LoadProfile,
    /// Take the step. Answered by [`Report::NetworkDone`] or [`Report::NetworkFailed`].
    Network(Step),
    /// Be ready, as the service manager understands it. Given once, and again after a reload.
    Ready,
    /// Put right what the world around has changed in the network.
    Refresh,
    /// The session is registered, with the profile of this name, or cannot be.
    Registered(Result<String, Refusal>),
    /// Look a name up. Answered by [`Report::Resolved`].
    Resolve(Lookup),
    /// Keep these bytes beyond the process; see [`super::saved::Saved`].
    Save(SecretBytes),
    /// The session begins to leave.
    Stopping,
    /// Have the tunnel do this.
    Tunnel(TunnelOrder),
}

/// How something went that the world was asked for, or what it did by itself.
#[derive(Debug)]
pub enum Report {
    /// The step is taken; `device` after [`Step::Apply`].
    NetworkDone(Option<Device>),
    /// The step failed.
    NetworkFailed {
        /// The class it ends the session with.
        class: ExitClass,
        /// What went wrong and what would help.
        reason: String,
    },
    /// Nobody can be asked, and why.
    NobodyToAsk(String),
    /// The path to the server has changed, or there is one again.
    PathChanged,
    /// There is no route to the server.
    PathLost,
    /// The profile is there, or cannot be used.
    Profile(Result<Box<Loaded>, Refusal>),
    /// The answer of the resolver.
    Resolved {
        /// What was asked.
        lookup: Lookup,
        /// The addresses; none if there is no such name or no answer.
        addresses: Vec<SocketAddr>,
    },
    /// The system's resolver was started again, and knows nothing of our servers.
    ResolverRestarted,
    /// Somebody changed routes or rules of the host.
    RoutesChanged,
    /// The machine is about to sleep.
    Suspending,
    /// The device failed under us.
    TunLost(String),
    /// The tunnel says this of an attempt. What it says of one that is over is ignored.
    Tunnel(AttemptId, TunnelReport),
    /// The machine woke up after this long a sleep.
    Woke(Duration),
}

/// A profile, ready to be used.
#[derive(Debug)]
pub struct Loaded {
    /// Its name, for people.
    pub name: String,
    /// The profile, overrides applied.
    pub profile: Profile,
}

/// The gateways inside of a tunnel, where the server or the profile names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gateways {
    /// `route-gateway`.
    pub ipv4: Option<Ipv4Addr>,
    /// `route-ipv6-gateway`.
    pub ipv6: Option<Ipv6Addr>,
}

/// What is to be told about a connection that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// The device.
    pub device: Device,
    /// Its addresses.
    pub addresses: Vec<DeviceAddress>,
    /// The server as the profile names it.
    pub host: String,
    /// The server's address.
    pub server: SocketAddr,
    /// UDP or TCP.
    pub transport: Transport,
    /// Who we are authenticated as, if by a name.
    pub username: Option<String>,
    /// The gateways inside of the tunnel.
    pub gateways: Gateways,
    /// The device's MTU.
    pub mtu: u16,
    /// The data channel's cipher.
    pub cipher: Cipher,
    /// The TLS version and suite.
    pub tls: String,
    /// Which attempt since the last success, or the start, it was: 1 is the first.
    pub attempt: u32,
}
