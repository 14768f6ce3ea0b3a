//! All that a connection says: bytes to send, events for the session, and when to come back.

use std::time::Instant;

use super::crypto::cipher::Cipher;
use super::error::ConnectionError;
pub use super::error::Undecodable;
use super::profile::pushed::PushedOptions;
use super::secret::SecretText;

/// One thing to do. `Wait` ends the drain.
#[derive(Debug)]
pub enum Output<'a> {
    /// Tell the session.
    Event(Event),
    /// Send these bytes: control traffic and keepalive, at most a few packets a second. On TCP without the length
    /// prefix.
    Transmit(&'a [u8]),
    /// Nothing more now. Come back at `until` (`None`: only on input); `name` says which timer asked.
    Wait {
        /// When to call `handle_input` with [`Input::Deadline`].
        until: Option<Instant>,
        /// Which timer asked, for the trace log.
        name: &'static str,
    },
}

/// What a connection is told, apart from packets.
#[derive(Debug)]
pub enum Input {
    /// The answer to [`Event::ChallengeText`]; sent to the server as `CR_RESPONSE`.
    Answer(SecretText),
    /// A message for the app control channel (`ACC`).
    AppControl {
        /// The protocol's name, as the server announced it.
        protocol: String,
        /// The message; fragmented by the connection.
        payload: Vec<u8>,
    },
    /// The deadline of the last [`Output::Wait`] has passed.
    Deadline,
    /// The path to the server changed under us (new source address, resume): send something at once, so that the
    /// server sees the new address.
    PathChanged,
    /// No way leads to the server any more, until [`Input::PathChanged`].
    PathLost,
    /// Begin a renegotiation now.
    Renegotiate,
    /// Send the exit notification to the server as the protocol allows, then end.
    Stop,
    /// The transport failed; ends the attempt with [`ConnectionError::Transport`].
    TransportFailed(String),
    /// The machine has slept: see whether the server still knows us. Ends the attempt with
    /// [`ConnectionError::PeerLost`] when it does not answer for a few seconds, as soon as a way leads to it.
    Woke,
}

/// What the session must know.
#[derive(Debug)]
pub enum Event {
    /// A message of the app control channel, joined from its fragments.
    AppControl {
        /// The protocol's name.
        protocol: String,
        /// The message.
        payload: Vec<u8>,
    },
    /// The server postpones its decision, for an action outside of the tunnel.
    AuthPending {
        /// How long the server allows for it, in seconds.
        timeout_seconds: u32,
    },
    /// The server asks a question while the login is pending; answered by [`Input::Answer`].
    ChallengeText {
        /// Whether the answer may be shown while it is typed.
        echo: bool,
        /// Whether an answer is needed at all.
        response_required: bool,
        /// The question.
        text: String,
    },
    /// The attempt is over. Every later input is ignored.
    Ended(Ended),
    /// The server sent information for the user.
    Info(String),
    /// A renegotiation came to its end and its key is in use for sending.
    KeyRenewed {
        /// The key id in use, 1 to 7.
        key_id: u8,
        /// Its age and its end.
        times: KeyTimes,
    },
    /// Longer packets are not to be given to this connection, or they make packets above the limit of `fragment`. Comes
    /// before [`Event::Pushed`].
    LargestPayload(u16),
    /// The user is to open a web page to finish the login.
    OpenUrl(String),
    /// Packets above this get lost on the path to the server, without a word; TCP is fitted into it already. `None`: no
    /// longer, all pass.
    PathLimit(Option<PathLimit>),
    /// The server's options arrived, the keys are installed: the data channel is open as soon as a TUN is attached.
    Pushed(Box<Established>),
    /// Pushed options changed (`PUSH_UPDATE`): the whole set as it is to be from here on.
    PushUpdated(Box<PushedOptions>),
    /// The attempt came one step further.
    Stage(Stage),
    /// The server gave a token that replaces the password.
    Token(AuthToken),
    /// Packets come from the server, and nothing of use is in them; each cause is named once.
    Undecodable(Undecodable),
}

/// How far an attempt has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// The reset was sent; the server has not answered.
    Waiting,
    /// The server answered the reset; TLS begins.
    ServerAnswered,
    /// TLS is up, keys are being exchanged.
    Authenticating,
    /// The server has our credentials; its options are asked for.
    GettingConfig,
}

/// The largest packets that pass on the path to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathLimit {
    /// Bytes of a whole IP packet.
    pub packet: u16,
    /// Bytes of the tunnelled packet within.
    pub payload: u16,
}

/// What was agreed on with the server.
#[derive(Debug, Clone)]
pub struct Established {
    /// The data channel's cipher.
    pub cipher: Cipher,
    /// The options, after `pull-filter` and `route-nopull`.
    pub options: PushedOptions,
    /// The TLS version, suite and key exchange group, as text for people.
    pub tls: String,
    /// Whether data keys come from the TLS exporter.
    pub exporter_keys: bool,
    /// Whether data packets use the epoch format.
    pub epoch: bool,
    /// The server certificate's subject.
    pub server_subject: String,
    /// Age and end of the first key.
    pub key_times: KeyTimes,
}

/// The age of a key and its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyTimes {
    /// When its negotiation began.
    pub negotiated_at: Instant,
    /// When we renew it by ourselves; `None`: only the server does, or a limit of use.
    pub renewal_at: Option<Instant>,
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Something went wrong.
    Failed(ConnectionError),
    /// We were asked to stop and have sent an exit notification.
    Stopped,
}

/// A token that the server gave in place of the password.
#[derive(Debug, PartialEq, Eq)]
pub struct AuthToken {
    /// The user name to send with it, if the server set one.
    pub username: Option<String>,
    /// The token.
    pub token: SecretText,
}
