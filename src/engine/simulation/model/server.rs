//! A model server: the same channel in the server's role, rustls, and a script of what it says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Environment;
use crate::control::channel::{Channel, ChannelSetup, Received};
use crate::control::key_method::{
    ClientMessage, ServerSource, Texts, decode_client, encode_server,
};
use crate::control::message::Inbox;
use crate::control::wrap::Side;
use crate::crypto::derive::{DATA_KEYS_LABEL, DYNAMIC_TLS_CRYPT_LABEL, KeySources, expand_keys};
use crate::crypto::static_key::{KeyDirection, StaticKey};
use crate::data::key::DataKey;
use crate::data::plane::{DataPlane, Notice};
use crate::secret::Secret;
use crate::wire::control::SessionId;
use crate::wire::head::{KeyId, PacketHead};
use rustls::{ServerConfig, ServerConnection};

use super::script::{Script, data_plane, tls_config};

/// The model server.
#[derive(Debug)]
pub(crate) struct Server {
    script: Script,
    tls: Arc<ServerConfig>,
    environment: Environment,
    channel: Channel,
    sessions: BTreeMap<KeyId, Session>,
    newest: KeyId,
    next_key_id: KeyId,
    data: DataPlane,
    pushed: bool,
    /// Says nothing any more.
    pub(crate) silent: bool,
    /// What the client said, but for pings and the first halves of key exchanges.
    pub(crate) heard: Vec<String>,
    /// The texts of each key exchange.
    pub(crate) logins: Vec<Texts>,
    /// Tunnelled packets that arrived.
    pub(crate) packets: Vec<Vec<u8>>,
    /// The client sent an exit notification in the data channel.
    pub(crate) client_left: bool,
    /// Control packets that were dropped.
    pub(crate) rejected: u64,
    ready: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Session {
    tls: ServerConnection,
    inbox: Inbox,
    plaintext: Vec<u8>,
    exchange: Option<(ClientMessage, ServerSource)>,
    /// When the negotiation is given up.
    give_up_at: Instant,
}

impl Server {
    pub(crate) fn new(script: Script, environment: Environment, now: Instant) -> Self {
        let setup = ChannelSetup {
            side: Side::Server,
            wrapping: Arc::clone(&script.wrapping),
            transport: script.transport,
            ipv6: false,
            packet_size: 1250,
            tls_timeout: Duration::from_secs(1),
            session_id: SessionId::new(random(&environment)).expect("randomness is not zero"),
        };
        Self {
            tls: tls_config(&script, &environment),
            channel: Channel::new(setup, now),
            sessions: BTreeMap::new(),
            newest: KeyId::FIRST,
            next_key_id: KeyId::FIRST.next(),
            data: data_plane(&script, &environment, now),
            pushed: false,
            silent: false,
            heard: Vec::new(),
            logins: Vec::new(),
            packets: Vec::new(),
            client_left: false,
            rejected: 0,
            ready: Vec::new(),
            script,
            environment,
        }
    }

    /// Takes a packet from the network.
    pub(crate) fn receive(&mut self, now: Instant, packet: &mut [u8]) {
        let head = packet
            .first()
            .and_then(|byte| PacketHead::decode(*byte).ok());
        if head.is_some_and(|head| head.opcode.is_data()) {
            if let Some(inner) = self.data.open(now, packet) {
                self.packets.push(packet[inner].to_vec());
            }
        } else {
            match self.channel.receive(now, packet) {
                Ok(Received::Opened { key_id, .. }) => self.begin_session(now, key_id),
                Ok(Received::Nothing { .. } | Received::Readable { .. }) => {}
                Err(_) => self.rejected += 1,
            }
        }
        self.advance(now);
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.advance(now);
    }

    /// The next packet to be sent.
    pub(crate) fn transmit(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.silent {
            return None;
        }
        self.ready
            .pop()
            .or_else(|| self.channel.poll_transmit(now, 1_900_000_000))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.silent {
            return None;
        }
        self.channel
            .deadline()
            .into_iter()
            .chain(self.data.deadline())
            .min()
    }

    /// Says something, by the newest session.
    pub(crate) fn say(&mut self, message: &str) {
        let session = self
            .sessions
            .get_mut(&self.newest)
            .expect("a session to speak in");
        session
            .tls
            .writer()
            .write_all(format!("{message}\0").as_bytes())
            .expect("TLS buffers it");
        self.flush(self.newest);
    }

    /// Writes bytes into the newest session as they are.
    pub(crate) fn say_raw(&mut self, bytes: &[u8]) {
        let session = self
            .sessions
            .get_mut(&self.newest)
            .expect("a session to speak in");
        session
            .tls
            .writer()
            .write_all(bytes)
            .expect("TLS buffers it");
        self.flush(self.newest);
    }

    /// Begins a renegotiation.
    pub(crate) fn renegotiate(&mut self, now: Instant) {
        if self.is_up() {
            self.channel.open_key_state(now, self.next_key_id);
        }
    }

    /// Sends a packet through the tunnel.
    pub(crate) fn send_packet(&mut self, now: Instant, payload: &[u8]) {
        let (front, back) = self.data.seal_room();
        let mut buffer = vec![0; front + payload.len() + back];
        buffer[front..front + payload.len()].copy_from_slice(payload);
        if let Some(packet) = self
            .data
            .seal(now, &mut buffer, front..front + payload.len())
        {
            self.ready.push(buffer[packet].to_vec());
        }
    }

    /// A packet of the tunnel that is not sent yet.
    pub(crate) fn sealed(&mut self, now: Instant, payload: &[u8]) -> Vec<u8> {
        self.send_packet(now, payload);
        self.ready.pop().expect("a key to seal with")
    }

    /// Seals with the newest key, whatever the client has.
    pub(crate) fn use_newest_key(&mut self) {
        self.data.switch_to(self.newest.get());
    }

    /// Sends the exit notification in the data channel.
    pub(crate) fn send_exit(&mut self, now: Instant) {
        let packet = self.data.exit_message(now).map(<[u8]>::to_vec);
        self.ready.extend(packet);
    }

    /// Whether the options were sent and data may flow.
    pub(crate) const fn is_up(&self) -> bool {
        self.data.sending_key().is_some()
    }

    fn begin_session(&mut self, now: Instant, key_id: KeyId) {
        let session = Session {
            tls: ServerConnection::new(Arc::clone(&self.tls)).expect("the configuration is sound"),
            inbox: Inbox::default(),
            plaintext: Vec::new(),
            exchange: None,
            give_up_at: now + HAND_WINDOW,
        };
        self.sessions.insert(key_id, session);
    }

    fn advance(&mut self, now: Instant) {
        self.give_up_late(now);
        let key_ids: Vec<KeyId> = self.sessions.keys().copied().collect();
        for key_id in key_ids {
            self.pump(key_id);
        }
        while let Some(notice) = self.data.poll(now) {
            match notice {
                Notice::PeerExited => self.client_left = true,
                Notice::NewerKeyHeard { key_id } => self.data.switch_to(key_id),
                Notice::PingDue => {
                    let packet = self.data.ping(now).map(<[u8]>::to_vec);
                    self.ready.extend(packet);
                }
                Notice::KeyNearlyUsedUp { .. }
                | Notice::LoadHeard { .. }
                | Notice::PeerLost { .. } => {}
            }
        }
    }

    /// Forgets renegotiations that took too long; their key ids count as used.
    fn give_up_late(&mut self, now: Instant) {
        let is_late = |session: &Session| session.exchange.is_none() && now >= session.give_up_at;
        let late = self.sessions.iter().find(|(_, session)| is_late(session));
        if let Some((&key_id, _)) = late {
            if key_id != KeyId::FIRST {
                self.sessions.remove(&key_id);
                self.channel.close_key_state(key_id);
                self.next_key_id = key_id.next();
                self.channel.expect_key_state(Some(self.next_key_id));
            }
        }
    }

    fn pump(&mut self, key_id: KeyId) {
        let bytes = self.channel.read(key_id);
        let Some(session) = self.sessions.get_mut(&key_id) else {
            return;
        };
        if session.read(&bytes).is_err() {
            self.flush(key_id);
            return;
        }
        self.flush(key_id);
        self.exchange(key_id);
        let Some(session) = self.sessions.get_mut(&key_id) else {
            return;
        };
        let said: Vec<String> = session
            .inbox
            .by_ref()
            .flatten()
            .map(|text| text.expose().to_owned())
            .collect();
        for message in said {
            if message == "PUSH_REQUEST" {
                self.push();
            }
            self.heard.push(message);
        }
    }

    /// Answers the client's half of the key exchange, once it is there.
    fn exchange(&mut self, key_id: KeyId) {
        let source = ServerSource {
            random1: Secret::new(random(&self.environment)),
            random2: Secret::new(random(&self.environment)),
        };
        let Some(session) = self.sessions.get_mut(&key_id) else {
            return;
        };
        if session.exchange.is_some() {
            let rest = std::mem::take(&mut session.plaintext);
            session.inbox.push(&rest);
            return;
        }
        let Ok(Some((mut message, used))) = decode_client(&session.plaintext) else {
            return;
        };
        let rest = session.plaintext.split_off(used);
        session.inbox.push(&rest);
        session.plaintext.clear();
        if let Some(bytes) = &self.script.instead_of_exchange {
            session
                .tls
                .writer()
                .write_all(bytes)
                .expect("TLS buffers it");
            session.exchange = Some((message, source));
            self.flush(key_id);
            return;
        }
        let answer = encode_server(&source, &self.script.options, self.script.peer_info);
        session
            .tls
            .writer()
            .write_all(answer.expose())
            .expect("TLS buffers it");
        let silence = Texts {
            options: String::new(),
            username: String::new(),
            password: "".into(),
            peer_info: String::new(),
        };
        self.logins
            .push(std::mem::replace(&mut message.texts, silence));
        session.exchange = Some((message, source));
        self.flush(key_id);
        if key_id != KeyId::FIRST {
            let before = std::mem::replace(&mut self.newest, key_id);
            self.install(key_id);
            self.next_key_id = key_id.next();
            self.channel.expect_key_state(Some(self.next_key_id));
            self.keep_only([before, key_id]);
            for message in self.script.on_renewed.clone() {
                self.say(&message);
            }
        }
    }

    /// Forgets the keys before these, as servers do.
    fn keep_only(&mut self, kept: [KeyId; 2]) {
        let old: Vec<KeyId> = self
            .sessions
            .keys()
            .copied()
            .filter(|key_id| !kept.contains(key_id))
            .collect();
        for key_id in old {
            self.sessions.remove(&key_id);
            self.channel.close_key_state(key_id);
            self.data.drop_key(key_id.get());
        }
    }

    fn push(&mut self) {
        if self.pushed {
            return;
        }
        self.pushed = true;
        for message in self.script.on_push_request.clone() {
            self.say(&message);
        }
        self.install(KeyId::FIRST);
        self.data.switch_to(0);
        self.channel.expect_key_state(Some(KeyId::FIRST.next()));
        if self.script.dynamic_tls_crypt {
            let session = self.sessions.get(&KeyId::FIRST).expect("the first session");
            let mut key = Secret::new([0; 256]);
            session
                .tls
                .export_keying_material(
                    &mut key.expose_mut()[..],
                    DYNAMIC_TLS_CRYPT_LABEL.as_bytes(),
                    None,
                )
                .expect("the handshake is over");
            self.channel.install_dynamic_tls_crypt(&key);
        }
    }

    fn install(&mut self, key_id: KeyId) {
        let block = self.key_block(key_id);
        let key = DataKey {
            key_id: key_id.get(),
            cipher: self.script.cipher,
            format: self.script.format,
            block,
            direction: KeyDirection::Inverse,
            peer_id: self.script.peer_id,
            framing: self.script.framing,
        };
        self.data.install(&key).expect("the script's key is sound");
    }

    fn key_block(&self, key_id: KeyId) -> StaticKey {
        let client_id = self.channel.peer_session_id().expect("a client").to_bytes();
        let server_id = self.channel.session_id().to_bytes();
        let session = self.sessions.get(&key_id).expect("a session");
        let mut exported = Secret::new([0; 256]);
        session
            .tls
            .export_keying_material(
                &mut exported.expose_mut()[..],
                DATA_KEYS_LABEL.as_bytes(),
                None,
            )
            .expect("the handshake is over");
        if self.script.exporter {
            return StaticKey(exported);
        }
        let (client, server) = session.exchange.as_ref().expect("both halves");
        expand_keys(&KeySources {
            pre_master: &client.source.pre_master,
            client_randoms: [
                client.source.random1.expose(),
                client.source.random2.expose(),
            ],
            server_randoms: [server.random1.expose(), server.random2.expose()],
            client_session_id: client_id,
            server_session_id: server_id,
        })
    }

    fn flush(&mut self, key_id: KeyId) {
        let Some(session) = self.sessions.get_mut(&key_id) else {
            return;
        };
        let mut bytes = Vec::new();
        while session.tls.wants_write() {
            session.tls.write_tls(&mut bytes).expect("memory takes it");
        }
        self.channel.write(key_id, &bytes);
    }
}

impl Session {
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), rustls::Error> {
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).expect("memory gives it");
            self.tls.process_new_packets()?;
            let _ = self.tls.reader().read_to_end(&mut self.plaintext);
        }
        Ok(())
    }
}

fn random<const N: usize>(environment: &Environment) -> [u8; N] {
    let mut bytes = [0; N];
    environment
        .provider
        .secure_random
        .fill(&mut bytes)
        .expect("the tests' randomness never fails");
    bytes
}

const HAND_WINDOW: Duration = Duration::from_secs(60);
