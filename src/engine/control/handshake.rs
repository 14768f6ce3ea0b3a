//! One key negotiation as states that own what they need.

use std::time::Instant;

use rustls::crypto::SecureRandom;

use super::key_method::{self, ClientSource, ServerMessage, Texts};
use super::message::{self, BadCommand, Inbox};
use super::tls::{Tls, TlsFactory};
use crate::error::ConnectionError;
use crate::secret::{Secret, SecretBytes, SecretText};
use crate::wire::head::KeyId;

/// One negotiation, from the reset to a key, and the TLS session it leaves behind for messages.
#[derive(Debug)]
pub struct Handshake {
    key_id: KeyId,
    began: Instant,
    server_reset_seen: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The resets are on their way.
    AwaitResets,
    /// TLS is on its way; our half of the key exchange waits inside of it.
    InTls(Box<InTls>),
    /// Both halves are exchanged.
    Exchanged(Box<Exchanged>),
    /// The key was derived; what stays is the way for messages.
    Established(Box<Messages>),
    /// The negotiation failed.
    Failed,
}

#[derive(Debug)]
struct InTls {
    tls: Tls,
    source: ClientSource,
    /// Decrypted, and not yet a whole key exchange message.
    received: Vec<SecretBytes>,
    /// A server may refuse us in words before its half of the exchange.
    refusal: Inbox,
}

#[derive(Debug)]
struct Exchanged {
    messages: Messages,
    source: ClientSource,
    server: ServerMessage,
}

/// An established TLS session as a way for messages.
#[derive(Debug)]
struct Messages {
    tls: Tls,
    inbox: Inbox,
}

/// What data keys are derived from.
#[derive(Debug)]
pub struct KeySources {
    /// Our random share.
    pub client: ClientSource,
    /// The server's.
    pub server: key_method::ServerSource,
}

impl Handshake {
    /// A negotiation that begins with our reset.
    #[must_use]
    pub const fn new(key_id: KeyId, now: Instant) -> Self {
        Self {
            key_id,
            began: now,
            server_reset_seen: false,
            state: State::AwaitResets,
        }
    }

    /// The server's reset has come.
    pub const fn note_server_reset(&mut self) {
        self.server_reset_seen = true;
    }

    /// Begins TLS, if both resets are through and it has not begun yet.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Tls`] if there is no randomness, or our half of the key exchange is too long.
    pub fn begin_tls(
        &mut self,
        reset_acknowledged: bool,
        factory: &TlsFactory,
        random: &dyn SecureRandom,
        texts: impl FnOnce() -> Texts,
    ) -> Result<(), ConnectionError> {
        if !(matches!(self.state, State::AwaitResets)
            && self.server_reset_seen
            && reset_acknowledged)
        {
            return Ok(());
        }
        let source = fresh_source(random)?;
        let mut tls = factory.start()?;
        // TLS keeps it back until the server's certificate was judged.
        tls.send(key_method::encode_client(&source, &texts()).expose())?;
        self.state = State::InTls(Box::new(InTls {
            tls,
            source,
            received: Vec::new(),
            refusal: Inbox::default(),
        }));
        Ok(())
    }

    /// Takes the next bytes of the server's stream. After an error, [`Handshake::output`] may hold a last alert.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] if TLS or the key exchange fails. Only those of the negotiation are worth the attempt.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), ConnectionError> {
        if let Some(tls) = self.tls_mut() {
            tls.read_tls(bytes)?;
        }
        let state = std::mem::replace(&mut self.state, State::Failed);
        self.state = match state {
            State::InTls(in_tls) => in_tls.advance()?,
            State::Exchanged(mut exchanged) => {
                exchanged.messages.collect();
                State::Exchanged(exchanged)
            }
            State::Established(mut messages) => {
                messages.collect();
                State::Established(messages)
            }
            state @ (State::AwaitResets | State::Failed) => state,
        };
        Ok(())
    }

    /// Bytes for the server's stream, if there are any.
    pub fn output(&mut self) -> Option<Vec<u8>> {
        self.tls_mut()?.write_tls()
    }

    /// The next control message. A bad one is `Err`, and alone.
    pub fn next_command(&mut self) -> Option<Result<SecretText, BadCommand>> {
        match &mut self.state {
            State::Exchanged(exchanged) => exchanged.messages.inbox.next(),
            State::Established(messages) => messages.inbox.next(),
            State::InTls(in_tls) => in_tls.refusal.next(),
            State::AwaitResets | State::Failed => None,
        }
    }

    /// Sends one control message in a record of its own.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Tls`] if TLS takes no more.
    pub fn send(&mut self, command: &str) -> Result<(), ConnectionError> {
        if let Some(tls) = self.tls_mut() {
            tls.send(message::encode(command).expose())?;
        }
        Ok(())
    }

    /// Takes out what data keys are derived from; the negotiation is finished with that. `None`: it is not there
    /// yet, or was taken before.
    pub fn finish(&mut self) -> Option<KeySources> {
        match std::mem::replace(&mut self.state, State::Failed) {
            State::Exchanged(exchanged) => {
                let Exchanged {
                    messages,
                    source,
                    server,
                } = *exchanged;
                self.state = State::Established(Box::new(messages));
                Some(KeySources {
                    client: source,
                    server: server.source,
                })
            }
            other @ (State::AwaitResets
            | State::Established(_)
            | State::Failed
            | State::InTls(_)) => {
                self.state = other;
                None
            }
        }
    }

    /// Fills `key` from the exporter of this session.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Tls`] before the end of the TLS handshake.
    pub fn export<const N: usize>(&self, label: &str) -> Result<Secret<N>, ConnectionError> {
        let tls = self.tls().ok_or(ConnectionError::PeerMisbehaved(
            "keys were asked for too early",
        ))?;
        let mut key = Secret::new([0; N]);
        tls.export(label, key.expose_mut())?;
        Ok(key)
    }

    /// The id of the key that is negotiated.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// When it began.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// Whether the server's reset has come.
    #[must_use]
    pub const fn server_has_answered(&self) -> bool {
        self.server_reset_seen
    }

    /// Whether both halves of the key exchange are there.
    #[must_use]
    pub const fn is_exchanged(&self) -> bool {
        matches!(self.state, State::Established(_) | State::Exchanged(_))
    }

    /// The server's options string; empty before the exchange, and once the key is derived.
    #[must_use]
    pub fn server_options(&self) -> &str {
        match &self.state {
            State::Exchanged(exchanged) => &exchanged.server.options,
            State::AwaitResets | State::Established(_) | State::Failed | State::InTls(_) => "",
        }
    }

    /// What is being waited for, in words.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        match &self.state {
            State::AwaitResets if self.server_reset_seen => "the server's acknowledgement",
            State::AwaitResets => "the server's reset",
            State::InTls(in_tls) if in_tls.tls.is_handshaking() => {
                "the TLS handshake, where servers fall silent that speak neither TLS 1.2 nor 1.3, \
                 or share no cipher or signature with us (nothing but DHE or RSA for the key exchange, \
                 a key on P-521)"
            }
            State::InTls(_) => {
                "the server's half of the key exchange, where servers fall silent that refuse our \
                 certificate"
            }
            State::Exchanged(_) => "the server's options",
            State::Established(_) => "nothing",
            State::Failed => "the end",
        }
    }

    /// Whether the TLS handshake is over.
    #[must_use]
    pub fn tls_is_up(&self) -> bool {
        self.tls().is_some_and(|tls| !tls.is_handshaking())
    }

    /// Version, suite and group of TLS, as text for people.
    #[must_use]
    pub fn describe_tls(&self) -> String {
        self.tls().map(Tls::describe).unwrap_or_default()
    }

    /// The subject of the server's certificate.
    #[must_use]
    pub fn server_subject(&self) -> String {
        self.tls().and_then(Tls::server_subject).unwrap_or_default()
    }

    fn tls(&self) -> Option<&Tls> {
        match &self.state {
            State::InTls(in_tls) => Some(&in_tls.tls),
            State::Exchanged(exchanged) => Some(&exchanged.messages.tls),
            State::Established(messages) => Some(&messages.tls),
            State::AwaitResets | State::Failed => None,
        }
    }

    fn tls_mut(&mut self) -> Option<&mut Tls> {
        match &mut self.state {
            State::InTls(in_tls) => Some(&mut in_tls.tls),
            State::Exchanged(exchanged) => Some(&mut exchanged.messages.tls),
            State::Established(messages) => Some(&mut messages.tls),
            State::AwaitResets | State::Failed => None,
        }
    }
}

impl InTls {
    /// Looks for the server's half of the exchange in what was decrypted.
    fn advance(mut self: Box<Self>) -> Result<State, ConnectionError> {
        while let Some(record) = self.tls.receive() {
            self.received.push(record);
        }
        let len: usize = self
            .received
            .iter()
            .map(|record| record.expose().len())
            .sum();
        if len > LONGEST_EXCHANGE {
            return Err(ConnectionError::PeerMisbehaved(
                "its half of the key exchange has no end",
            ));
        }
        let mut plaintext = Vec::with_capacity(len);
        for record in &self.received {
            plaintext.extend_from_slice(record.expose());
        }
        let plaintext = SecretBytes::new(plaintext);
        if plaintext.expose().first().is_some_and(|byte| *byte >= b' ') {
            self.received.clear();
            self.refusal.push(plaintext.expose());
            return Ok(State::InTls(self));
        }
        let decoded = key_method::decode_server(plaintext.expose())
            .map_err(|bad| ConnectionError::PeerMisbehaved(bad.0))?;
        let Some((server, used)) = decoded else {
            return Ok(State::InTls(self));
        };
        let mut inbox = Inbox::default();
        inbox.push(plaintext.expose().get(used..).unwrap_or_default());
        let messages = Messages {
            tls: self.tls,
            inbox,
        };
        Ok(State::Exchanged(Box::new(Exchanged {
            messages,
            source: self.source,
            server,
        })))
    }
}

impl Messages {
    fn collect(&mut self) {
        while let Some(record) = self.tls.receive() {
            self.inbox.push(record.expose());
        }
    }
}

fn fresh_source(random: &dyn SecureRandom) -> Result<ClientSource, ConnectionError> {
    Ok(ClientSource {
        pre_master: fresh(random)?,
        random1: fresh(random)?,
        random2: fresh(random)?,
    })
}

fn fresh<const N: usize>(random: &dyn SecureRandom) -> Result<Secret<N>, ConnectionError> {
    let mut bytes = Secret::new([0; N]);
    random
        .fill(bytes.expose_mut())
        .map_err(|_| no_randomness())?;
    Ok(bytes)
}

/// There is nothing to make secrets from.
#[must_use]
pub fn no_randomness() -> ConnectionError {
    ConnectionError::Tls("the system gave no randomness".to_owned())
}

/// What a server may send before its half of the key exchange is whole.
const LONGEST_EXCHANGE: usize = 32_768;
