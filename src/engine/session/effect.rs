//! `Effect`: what the world is asked to do; `Report`: how it went.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::super::config::build::SocketSettings;
use super::super::config::{ConnectionConfig, Transport};
use super::super::crypto::cipher::Cipher;
use super::super::error::ConnectionError;
use super::super::event::{Event, Input};
use super::super::netplan::DeviceAddress;
use super::super::profile::model::Profile;
use super::super::proxy::ProxySetup;
use super::super::secret::SecretBytes;
use super::command::{Confirmation, Refusal, Ticket};
use super::exit_class::ExitClass;
use super::network::{Device, Step};
use super::remotes::Lookup;
use super::status::Status;
use super::user_input::Attention;

/// What the world is asked to do. Each is begun in this order, and none is waited for: its end is a [`Report`].
#[derive(Debug)]
pub enum Effect {
    /// End the attempt at once, without a goodbye. Answered by [`Report::Abandoned`].
    Abandon,
    /// Tell the status to all who show it. Given on change only.
    Announce(Status),
    /// Tell the user that something is wanted from them.
    Attention(Attention),
    /// Begin an attempt. Answered by [`Report::Opened`] and events, or [`Report::AttemptFailed`].
    Connect(Box<Launch>),
    /// The tunnel carries traffic.
    Connected(Box<Summary>),
    /// The session is over. Nothing comes after it.
    Exit(ExitClass),
    /// A person or the network needs this much longer; the service manager must not lose its patience.
    ExtendTimeout(Duration),
    /// Tell the connection something.
    Input(Input),
    /// Get the profile. Answered by [`Report::Profile`].
    LoadProfile(ProfileSource),
    /// Take the step. Answered by [`Report::NetworkDone`] or [`Report::NetworkFailed`].
    Network(Step),
    /// Be ready, as the service manager understands it. Given once, and again after a reload.
    Ready,
    /// Put right what the world around has changed in the network.
    Refresh,
    /// Begin a key renegotiation.
    Renegotiate,
    /// Answer the command with this ticket.
    Reply(Ticket, Result<String, Refusal>),
    /// Look a name up. Answered by [`Report::Resolved`].
    Resolve(Lookup),
    /// Keep these bytes beyond the process; see [`super::saved::Saved`].
    Save(SecretBytes),
    /// Say goodbye to the server and end the attempt. Answered by [`Event::Ended`].
    Stop,
    /// The session begins to leave.
    Stopping,
}

/// Where the profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileSource {
    /// From where the front found it.
    FrontEnd,
    /// From the configuration manager, after the session manager took us on.
    Manager(Confirmation),
}

/// One attempt, as the tunnel is to begin it.
#[derive(Debug)]
pub struct Launch {
    /// All that the connection needs.
    pub config: ConnectionConfig,
    /// How the socket is to be.
    pub socket: SocketSettings,
    /// The way through a proxy, whose address the endpoint has then.
    pub proxy_setup: Option<ProxySetup>,
    /// The detour needs the server's address: this is to be looked up before.
    pub find_server: Option<Lookup>,
    /// How long opening the transport may take.
    pub open_timeout: Duration,
    /// Keep packets to this address out of the tunnel that is still in force.
    pub protect: Option<IpAddr>,
}

/// How something went that the world was asked for, or what it did by itself.
#[derive(Debug)]
pub enum Report {
    /// The attempt was ended at once; nothing more comes of it.
    Abandoned,
    /// No transport could be opened: the attempt is over.
    AttemptFailed(ConnectionError),
    /// The connection says so. After [`Event::Ended`] the attempt is over.
    Event(Event),
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
    /// The transport is open; the handshake begins.
    Opened {
        /// Our address on it.
        local: SocketAddr,
        /// Where packets are sent: the server's address, or that of the proxy in front of it.
        peer: SocketAddr,
    },
    /// The server is reached by another way now, or can be reached again.
    PathChanged,
    /// No way leads to the server.
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
    /// The data channel's cipher.
    pub cipher: Cipher,
    /// The TLS version and suite.
    pub tls: String,
    /// Which attempt since the last success, or the start, it was: 1 is the first.
    pub attempt: u32,
}
