//! What every negotiation of a connection needs: TLS, randomness, what we say, and how keys are derived.

use std::sync::Arc;
use std::time::Instant;

use rustls::crypto::SecureRandom;
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;

use super::auth::Login;
use super::channel::{Channel, ChannelSetup};
use super::handshake::{Handshake, no_randomness};
use super::key_method::Texts;
use super::tls::TlsFactory;
use super::wrap::Side;
use super::{occ, peer_info};
use crate::config::ConnectionConfig;
use crate::crypto::derive::{self, DATA_KEYS_LABEL, DYNAMIC_TLS_CRYPT_LABEL, KeySources};
use crate::crypto::static_key::StaticKey;
use crate::error::ConnectionError;
use crate::secret::Secret;
use crate::wire::control::SessionId;

/// How data keys are derived, which the server decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivation {
    /// By the TLS exporter.
    Exporter,
    /// By the old PRF.
    Prf,
}

/// The session ids of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionIds {
    /// Ours.
    pub client: SessionId,
    /// The server's.
    pub server: SessionId,
}

impl SessionIds {
    /// Those that a channel has.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::PeerMisbehaved`] if the server has not answered yet.
    pub fn of(channel: &Channel) -> Result<Self, ConnectionError> {
        let server = channel
            .peer_session_id()
            .ok_or(ConnectionError::PeerMisbehaved("it has no session id"))?;
        Ok(Self {
            client: channel.session_id(),
            server,
        })
    }
}

/// What the first negotiation and all later ones have in common. What we say stays the same, since servers compare;
/// but for the login, in which a token may take the password's place.
#[derive(Debug)]
pub struct Negotiator {
    factory: TlsFactory,
    random: &'static dyn SecureRandom,
    wall_clock: Arc<dyn TimeProvider>,
    options: String,
    peer_info: String,
    login: Login,
}

impl Negotiator {
    /// Prepares TLS and our texts.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::ProfileUnusable`] if TLS cannot be set up as the profile wants it.
    pub fn new(config: &ConnectionConfig) -> Result<Self, ConnectionError> {
        let factory = TlsFactory::new(&config.tls, &config.environment)
            .map_err(|error| ConnectionError::ProfileUnusable(error.to_string()))?;
        for name in factory.ignored() {
            tracing::warn!(name, "TLS setting not known here, passed over");
        }
        Ok(Self {
            factory,
            random: config.environment.provider.secure_random,
            wall_clock: Arc::clone(&config.environment.wall_clock),
            options: occ::options_string(config),
            peer_info: peer_info::peer_info(config),
            login: Login::new(config.credentials.clone(), config.token.clone()),
        })
    }

    /// Moves bytes both ways between the lane of a key and its TLS session; begins that once the resets of both sides
    /// are through.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`] if TLS or the key exchange fails. What TLS has to say about it is on its way then.
    pub fn pump(
        &self,
        channel: &mut Channel,
        handshake: &mut Handshake,
    ) -> Result<(), ConnectionError> {
        let key_id = handshake.key_id();
        let reset_acknowledged = channel.all_acknowledged(key_id);
        handshake.begin_tls(reset_acknowledged, &self.factory, self.random, || Texts {
            options: self.options.clone(),
            username: self.login.username().to_owned(),
            password: self.login.password(),
            peer_info: self.peer_info.clone(),
        })?;
        let bytes = channel.read(key_id);
        let result = if bytes.is_empty() {
            Ok(())
        } else {
            handshake.receive(&bytes)
        };
        flush(channel, handshake);
        result
    }

    /// The lower half of the control channel, under a session id of its own.
    ///
    /// # Errors
    ///
    /// [`ConnectionError::Tls`] if there is no randomness.
    pub fn open_channel(
        &self,
        config: &ConnectionConfig,
        now: Instant,
    ) -> Result<Channel, ConnectionError> {
        let setup = ChannelSetup {
            side: Side::Client,
            wrapping: Arc::clone(&config.wrapping),
            transport: config.endpoint.transport,
            ipv6: config.endpoint.address.is_ipv6(),
            packet_size: config.timing.control_packet_size,
            tls_timeout: config.timing.tls_timeout,
            session_id: self.fresh_session_id()?,
        };
        Ok(Channel::new(setup, now))
    }

    /// Seconds since 1970, for the time field of wrapped packets.
    #[must_use]
    pub fn wall_seconds(&self) -> u32 {
        let seconds = self
            .wall_clock
            .current_time()
            .map_or(0, |time: UnixTime| time.as_secs());
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    fn fresh_session_id(&self) -> Result<SessionId, ConnectionError> {
        // All zero is no session id, and comes up once in 2^64.
        for _ in 0..8 {
            let mut bytes = [0; 8];
            self.random.fill(&mut bytes).map_err(|_| no_randomness())?;
            if let Some(session_id) = SessionId::new(bytes) {
                return Ok(session_id);
            }
        }
        Err(no_randomness())
    }

    /// What we log in with.
    #[must_use]
    pub const fn login(&self) -> &Login {
        &self.login
    }

    /// What we log in with, to take a token.
    pub const fn login_mut(&mut self) -> &mut Login {
        &mut self.login
    }
}

/// Moves what TLS has to say into the lane of its key.
pub fn flush(channel: &mut Channel, handshake: &mut Handshake) {
    if let Some(bytes) = handshake.output() {
        channel.write(handshake.key_id(), &bytes);
    }
}

/// Takes the data keys out of a finished negotiation.
///
/// # Errors
///
/// [`ConnectionError`] if the negotiation is not finished, or TLS does not export.
pub fn derive_key(
    handshake: &mut Handshake,
    derivation: Derivation,
    ids: SessionIds,
) -> Result<StaticKey, ConnectionError> {
    let sources = handshake.finish().ok_or(ConnectionError::PeerMisbehaved(
        "keys were asked for out of turn",
    ))?;
    match derivation {
        Derivation::Exporter => Ok(StaticKey(handshake.export(DATA_KEYS_LABEL)?)),
        Derivation::Prf => Ok(derive::expand_keys(&KeySources {
            pre_master: &sources.client.pre_master,
            client_randoms: [
                sources.client.random1.expose(),
                sources.client.random2.expose(),
            ],
            server_randoms: [
                sources.server.random1.expose(),
                sources.server.random2.expose(),
            ],
            client_session_id: ids.client.to_bytes(),
            server_session_id: ids.server.to_bytes(),
        })),
    }
}

/// The key that protects renegotiations, before the profile's own key is mixed in.
///
/// # Errors
///
/// [`ConnectionError`] if TLS does not export.
pub fn export_dynamic_key(handshake: &Handshake) -> Result<Secret<256>, ConnectionError> {
    handshake.export(DYNAMIC_TLS_CRYPT_LABEL)
}
