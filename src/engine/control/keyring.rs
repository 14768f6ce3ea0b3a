//! Key ids, the current and the retiring key, when to renegotiate.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::auth::Login;
use super::channel::{Channel, Received, Rejected};
use super::handshake::Handshake;
use super::negotiator::{
    Derivation, Negotiator, SessionIds, derive_key, export_dynamic_key, flush,
};
use super::windows::Windows;
use super::wrap::WrapError;
use crate::config::{ConnectionConfig, Transport};
use crate::crypto::static_key::StaticKey;
use crate::error::ConnectionError;
use crate::event::KeyTimes;
use crate::secret::SecretText;
use crate::timers::Timers;
use crate::wire::head::KeyId;

/// The negotiations of one connection: the first one, and those that renew its key.
///
/// After every input, take what [`Keyring::poll`] and [`Keyring::transmit`] have.
#[derive(Debug)]
pub struct Keyring {
    channel: Channel,
    negotiator: Negotiator,
    transport: Transport,
    server_poll: Duration,
    windows: Windows,
    /// The first negotiation, then the newest one that came to its end.
    current: Handshake,
    /// A renegotiation on its way.
    pending: Option<Handshake>,
    /// The key before the current one: it still opens, and may still seal.
    retiring: Option<Handshake>,
    /// The id that the next renegotiation has, on both sides.
    next_key_id: KeyId,
    /// Renegotiations in a row that the server did not answer.
    unanswered: u8,
    sending: KeyId,
    /// `None` until the server's options say it.
    derivation: Option<Derivation>,
    timers: Timers,
    notices: VecDeque<Notice>,
}

/// What a keyring has to say.
#[derive(Debug)]
pub enum Notice {
    /// A control message that cannot be one was dropped.
    BadCommand,
    /// The server said something.
    Command(SecretText),
    /// A key is gone.
    Drop(KeyId),
    /// Both halves of the first key exchange are there: ask for the options, then [`Keyring::settle`].
    Exchanged,
    /// The attempt is over.
    Failed(ConnectionError),
    /// A renegotiated key: install it. It does not seal yet.
    Install(KeyId, StaticKey),
    /// The server answered the reset.
    ServerAnswered,
    /// Seal with this key from here on.
    SwitchTo(KeyId),
    /// The first TLS handshake is over.
    TlsUp,
}

impl Keyring {
    /// Begins the first negotiation.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::ProfileUnusable`] if TLS cannot be set up as the profile wants it, [`ConnectionError::Tls`]
    /// if there is no randomness.
    pub fn new(config: &ConnectionConfig, now: Instant) -> Result<Self, ConnectionError> {
        let negotiator = Negotiator::new(config)?;
        let windows = Windows::new(&config.timing);
        let mut timers = Timers::default();
        if !config.timing.server_poll.is_zero() {
            timers.set_after(SERVER_POLL, now, config.timing.server_poll);
        }
        timers.set_after(HAND_WINDOW, now, windows.hand);
        Ok(Self {
            channel: negotiator.open_channel(config, now)?,
            negotiator,
            transport: config.endpoint.transport,
            server_poll: config.timing.server_poll,
            windows,
            current: Handshake::new(KeyId::FIRST, now),
            pending: None,
            retiring: None,
            next_key_id: KeyId::FIRST.next(),
            unanswered: 0,
            sending: KeyId::FIRST,
            derivation: None,
            timers,
            notices: VecDeque::new(),
        })
    }

    /// Takes a control packet.
    ///
    /// # Errors
    ///
    /// [`Rejected`]: the packet was dropped, nothing has changed.
    pub fn receive(&mut self, now: Instant, packet: &[u8]) -> Result<(), Rejected> {
        let received = self.channel.receive(now, packet).inspect_err(|rejected| {
            if rejected.is_fatal(self.transport) {
                let error = ConnectionError::PeerMisbehaved(blame(*rejected));
                self.notices.push_back(Notice::Failed(error));
            }
        });
        let key_id = match received? {
            Received::Opened { key_id, by_peer } => {
                self.open(now, key_id, by_peer);
                key_id
            }
            Received::Nothing { key_id } | Received::Readable { key_id } => key_id,
        };
        self.advance(now, key_id);
        Ok(())
    }

    /// Does what is due at `now`, but for retransmissions: those are in [`Keyring::transmit`].
    pub fn handle_deadline(&mut self, now: Instant) {
        while let Some(name) = self.timers.take_due(now) {
            match name {
                BECOME_PRIMARY => self.promote(),
                HAND_WINDOW => self.time_out(now),
                RENEGOTIATE => self.renegotiate(now),
                SERVER_POLL => self.fail(ConnectionError::NoAnswer {
                    seconds: self.server_poll.as_secs(),
                }),
                _ => self.forget_retiring(),
            }
        }
    }

    /// Derives the first key as the server wants it; renegotiations follow suit, and last as long as `windows` says.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] if there are no keys yet, or TLS has no exporter.
    pub fn settle(
        &mut self,
        now: Instant,
        derivation: Derivation,
        windows: Windows,
    ) -> Result<StaticKey, ConnectionError> {
        let ids = SessionIds::of(&self.channel)?;
        let block = derive_key(&mut self.current, derivation, ids)?;
        self.windows = windows;
        self.derivation = Some(derivation);
        if derivation == Derivation::Exporter {
            self.channel.allow_long_acks();
        }
        self.channel.expect_key_state(Some(self.next_key_id));
        self.plan_renegotiation(now);
        Ok(block)
    }

    /// Protects renegotiations by a key of their own.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] if TLS does not export.
    pub fn protect_renegotiations(&mut self) -> Result<(), ConnectionError> {
        let key = export_dynamic_key(&self.current)?;
        self.channel.install_dynamic_tls_crypt(&key);
        Ok(())
    }

    /// Begins a renegotiation, unless one is on its way or the first key is not there yet.
    pub fn renegotiate(&mut self, now: Instant) {
        if self.derivation.is_some() && self.pending.is_none() {
            let key_id = self.next_key_id;
            self.channel.open_key_state(now, key_id);
            self.begin(now, key_id);
        }
    }

    /// The server was heard with this key, so it may be used for sealing.
    pub fn note_heard(&mut self, key_id: u8) {
        if self.current.key_id().get() == key_id {
            self.promote();
        }
    }

    /// Sends a control message, by the newest session.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Tls`] if TLS takes no more.
    pub fn send(&mut self, command: &str) -> Result<(), ConnectionError> {
        self.current.send(command)?;
        flush(&mut self.channel, &mut self.current);
        Ok(())
    }

    /// Has the server acknowledge something: to see whether it is there, without saying anything.
    pub fn ask_again(&mut self, now: Instant) {
        self.channel.ask_again(now, self.current.key_id());
    }

    /// The next thing to know.
    pub fn poll(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// The next packet to be sent, if one is due.
    pub fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        let wall_seconds = self.negotiator.wall_seconds();
        self.channel.poll_transmit(now, wall_seconds)
    }

    /// When something is to be done, and what.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, &'static str)> {
        let resend = self.channel.deadline().map(|at| (at, "resend"));
        let timer = self.timers.next().map(|(name, at)| (at, name));
        resend.into_iter().chain(timer).min()
    }

    /// Whether the server has all that we sent on the newest session.
    #[must_use]
    pub fn all_acknowledged(&self) -> bool {
        self.channel.all_acknowledged(self.current.key_id())
    }

    /// Age and end of the newest key.
    #[must_use]
    pub fn key_times(&self) -> KeyTimes {
        KeyTimes {
            negotiated_at: self.current.began(),
            renewal_at: self.timers.get(RENEGOTIATE),
        }
    }

    /// Whether a renegotiation is on its way.
    #[must_use]
    pub const fn is_renegotiating(&self) -> bool {
        self.pending.is_some()
    }

    /// The newest negotiation that came to its end, or the first one.
    #[must_use]
    pub const fn current(&self) -> &Handshake {
        &self.current
    }

    /// How long things may take.
    #[must_use]
    pub const fn windows(&self) -> &Windows {
        &self.windows
    }

    /// What we log in with.
    #[must_use]
    pub const fn login(&self) -> &Login {
        self.negotiator.login()
    }

    /// What we log in with, to take a token.
    pub const fn login_mut(&mut self) -> &mut Login {
        self.negotiator.login_mut()
    }

    /// The server's reset has come for a key.
    fn open(&mut self, now: Instant, key_id: KeyId, by_peer: bool) {
        if by_peer {
            // It gave up on what was on its way.
            self.drop_pending();
            self.begin(now, key_id);
        }
        if key_id == KeyId::FIRST {
            self.timers.clear(SERVER_POLL);
            self.notices.push_back(Notice::ServerAnswered);
        }
        if let Some(handshake) = self.find(key_id) {
            handshake.note_server_reset();
        }
    }

    /// Begins a renegotiation whose lane is open.
    fn begin(&mut self, now: Instant, key_id: KeyId) {
        // Whoever begins another key forgets the one before the current one, so sealing with it must end.
        self.promote();
        self.pending = Some(Handshake::new(key_id, now));
        self.channel.expect_key_state(Some(key_id.next()));
        self.timers.clear(RENEGOTIATE);
        self.timers.set_after(HAND_WINDOW, now, self.windows.hand);
    }

    /// Moves bytes between the lane of a key and its TLS session, and looks what has become of it.
    fn advance(&mut self, now: Instant, key_id: KeyId) {
        let is_pending = self
            .pending
            .as_ref()
            .is_some_and(|one| one.key_id() == key_id);
        let is_first = self.derivation.is_none();
        let handshakes = [
            Some(&mut self.current),
            self.pending.as_mut(),
            self.retiring.as_mut(),
        ];
        let Some(handshake) = handshakes
            .into_iter()
            .flatten()
            .find(|one| one.key_id() == key_id)
        else {
            return;
        };
        let (was_up, was_exchanged) = (handshake.tls_is_up(), handshake.is_exchanged());
        let result = self.negotiator.pump(&mut self.channel, handshake);
        if is_first && !was_up && handshake.tls_is_up() {
            self.notices.push_back(Notice::TlsUp);
        }
        let is_fresh = !was_exchanged && handshake.is_exchanged();
        if is_first && is_fresh {
            self.timers.clear(HAND_WINDOW);
            self.notices.push_back(Notice::Exchanged);
        }
        while let Some(command) = handshake.next_command() {
            self.notices
                .push_back(command.map_or(Notice::BadCommand, Notice::Command));
        }
        let result = match result {
            Ok(()) if is_pending && is_fresh => self.finish_pending(now),
            other => other,
        };
        match result {
            Ok(()) => {}
            Err(error) if is_pending => self.give_up_pending(now, error),
            Err(error) if self.current.key_id() == key_id => self.fail(error),
            Err(_) => self.forget_retiring(),
        }
    }

    /// Makes the finished renegotiation the current one.
    fn finish_pending(&mut self, now: Instant) -> Result<(), ConnectionError> {
        let (Some(derivation), Some(fresh)) = (self.derivation, self.pending.as_mut()) else {
            return Ok(());
        };
        let ids = SessionIds::of(&self.channel)?;
        let block = derive_key(fresh, derivation, ids)?;
        let Some(fresh) = self.pending.take() else {
            return Ok(());
        };
        self.forget_retiring();
        let (key_id, began) = (fresh.key_id(), fresh.began());
        self.retiring = Some(std::mem::replace(&mut self.current, fresh));
        self.notices.push_back(Notice::Install(key_id, block));
        self.unanswered = 0;
        self.next_key_id = key_id.next();
        self.channel.expect_key_state(Some(self.next_key_id));
        self.timers.clear(HAND_WINDOW);
        self.timers
            .set_after(TRANSITION, began, self.windows.transition);
        self.timers
            .set_after(BECOME_PRIMARY, began, self.windows.until_primary());
        self.plan_renegotiation(now);
        Ok(())
    }

    /// Seals with the current key.
    fn promote(&mut self) {
        self.timers.clear(BECOME_PRIMARY);
        let key_id = self.current.key_id();
        if self.sending != key_id {
            self.sending = key_id;
            self.notices.push_back(Notice::SwitchTo(key_id));
        }
    }

    fn forget_retiring(&mut self) {
        self.timers.clear(TRANSITION);
        if let Some(old) = self.retiring.take() {
            self.promote();
            self.channel.close_key_state(old.key_id());
            self.notices.push_back(Notice::Drop(old.key_id()));
        }
    }

    /// What the negotiation under way waits for, in words.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.pending.as_ref().unwrap_or(&self.current).stage()
    }

    /// Whether the server has answered at all.
    #[must_use]
    pub const fn server_has_answered(&self) -> bool {
        self.current.server_has_answered()
    }

    fn time_out(&mut self, now: Instant) {
        let seconds = self.windows.hand.as_secs();
        let stage = self.stage();
        let error = ConnectionError::HandshakeTimeout { seconds, stage };
        if self.pending.is_some() {
            self.give_up_pending(now, error);
        } else if self.current.server_has_answered() {
            self.fail(error);
        } else {
            self.fail(ConnectionError::NoAnswer { seconds });
        }
    }

    /// Keeps the current key and tries again later, unless the error is about who the peers are.
    fn give_up_pending(&mut self, now: Instant, error: ConnectionError) {
        tracing::warn!(%error, "renegotiation failed");
        if matches!(
            error,
            ConnectionError::CertificateNotYetValid(_)
                | ConnectionError::CertificateRefused(_)
                | ConnectionError::TlsAlert(_)
        ) {
            self.fail(error);
            return;
        }
        self.drop_pending();
        self.channel.expect_key_state(Some(self.next_key_id));
        self.timers.set_after(RENEGOTIATE, now, RETRY);
    }

    fn drop_pending(&mut self) {
        self.timers.clear(HAND_WINDOW);
        if let Some(failed) = self.pending.take() {
            self.next_key_id = self.key_id_after(&failed);
            self.channel.close_key_state(failed.key_id());
        }
    }

    /// A server that has answered counts the key id as used. One that has not may never have heard of it, or its
    /// answer was lost: both are tried in turn.
    fn key_id_after(&mut self, failed: &Handshake) -> KeyId {
        if failed.server_has_answered() {
            self.unanswered = 0;
            return failed.key_id().next();
        }
        self.unanswered = self.unanswered.wrapping_add(1);
        let expected = self.current.key_id().next();
        if self.unanswered % 2 == 0 {
            expected.next()
        } else {
            expected
        }
    }

    fn plan_renegotiation(&mut self, now: Instant) {
        match self.windows.renegotiate {
            Some(time) => self.timers.set_after(RENEGOTIATE, now, time),
            None => self.timers.clear(RENEGOTIATE),
        }
    }

    fn fail(&mut self, error: ConnectionError) {
        self.notices.push_back(Notice::Failed(error));
    }

    fn find(&mut self, key_id: KeyId) -> Option<&mut Handshake> {
        [
            Some(&mut self.current),
            self.pending.as_mut(),
            self.retiring.as_mut(),
        ]
        .into_iter()
        .flatten()
        .find(|handshake| handshake.key_id() == key_id)
    }
}

/// What a packet that ends the connection says about the server.
const fn blame(rejected: Rejected) -> &'static str {
    match rejected {
        Rejected::EarlyNegotiation(_) => "its reset cannot be read",
        Rejected::Wrapping(WrapError::Malformed(_)) => "what it sends is no control packet",
        Rejected::Wrapping(WrapError::Replayed) => "a control packet came twice",
        Rejected::Wrapping(WrapError::Unauthentic) => {
            "a control packet is not authentic: tls-auth or tls-crypt does not match"
        }
        Rejected::ForAnother
        | Rejected::Misplaced
        | Rejected::TooFar
        | Rejected::UnknownKey
        | Rejected::UnknownSession => "a control packet is for another session",
    }
}

const BECOME_PRIMARY: &str = "become primary";
const HAND_WINDOW: &str = "hand window";
const RENEGOTIATE: &str = "renegotiate";
const SERVER_POLL: &str = "server poll";
const TRANSITION: &str = "transition window";
/// Between a failed renegotiation and the next try.
const RETRY: Duration = Duration::from_secs(10);
