//! None, tls-auth, tls-crypt, tls-crypt-v2: authentic packets in, wrapped packets out.
//!
//! Once dynamic tls-crypt is installed, every key id but the first is protected by it. The first key's packets keep
//! the protection they began with, but some peers change over altogether, so both are tried on them when receiving.

use std::sync::Arc;
use std::time::Instant;

use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::config::Wrapping;
use crate::crypto::ctr;
use crate::crypto::hmac::{Digest, HmacKey};
use crate::crypto::replay::TimedReplayWindow;
use crate::crypto::static_key::{KeyDirection, KeyHalf, StaticKey};
use crate::secret::Secret;
use crate::wire::control::{ControlBody, SessionId};
use crate::wire::head::{KeyId, PacketHead};
use crate::wire::reader::{Malformed, Reader};

/// Which end of the connection this is. We are the client; the other end serves to test against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Sends the first packet.
    Client,
    /// Answers it.
    #[cfg(any(test, fuzzing))]
    Server,
}

/// Protects and checks the control packets of one connection.
#[derive(Debug)]
pub struct Wrapper {
    wrapping: Arc<Wrapping>,
    side: Side,
    usual: Protection,
    dynamic: Option<Protection>,
}

/// A packet that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Opcode and key id.
    pub head: PacketHead,
    /// The sender's session id.
    pub session_id: SessionId,
    /// What [`ControlBody::decode`] reads.
    pub body: Vec<u8>,
}

/// Why a packet did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WrapError {
    /// It is no control packet.
    #[error("no control packet: {0}")]
    Malformed(#[from] Malformed),
    /// Its id was used before, or is too old.
    #[error("a control packet came for the second time")]
    Replayed,
    /// It was not made with our key.
    #[error("a control packet is not authentic")]
    Unauthentic,
}

impl Wrapper {
    /// Begins with fresh packet ids. For tls-auth, the key direction is that of this side.
    #[must_use]
    pub fn new(wrapping: Arc<Wrapping>, side: Side) -> Self {
        let usual = match &*wrapping {
            Wrapping::None => Protection::new(Scheme::None, FIRST_ID),
            Wrapping::TlsAuth {
                key,
                direction,
                digest,
            } => Protection::new(Scheme::auth(key, *direction, *digest), FIRST_ID),
            Wrapping::TlsCrypt { key } => Protection::new(Scheme::crypt(key, side), FIRST_ID),
            Wrapping::TlsCryptV2 { key } => {
                Protection::new(Scheme::crypt(&key.key, side), FIRST_ID_WITH_COOKIES)
            }
        };
        Self {
            wrapping,
            side,
            usual,
            dynamic: None,
        }
    }

    /// Protects all keys but the first with what TLS exported for it, combined with the static key if there is one.
    pub fn install_dynamic(&mut self, exported: &Secret<256>) {
        let exported = StaticKey(exported.duplicate());
        let key = match &*self.wrapping {
            Wrapping::None => exported,
            Wrapping::TlsAuth { key, .. } | Wrapping::TlsCrypt { key } => exported.xor(key),
            Wrapping::TlsCryptV2 { key } => exported.xor(&key.key),
        };
        self.dynamic = Some(Protection::new(Scheme::crypt(&key, self.side), FIRST_ID));
    }

    /// Whether packets of the first key go without any protection.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(*self.wrapping, Wrapping::None)
    }

    /// Whether a client key of our own is in use (tls-crypt-v2).
    #[must_use]
    pub fn has_client_key(&self) -> bool {
        matches!(*self.wrapping, Wrapping::TlsCryptV2 { .. })
    }

    /// How many bytes beside session id and body a packet with this head gets.
    #[must_use]
    pub fn overhead(&self, head: PacketHead) -> usize {
        let protection = match &self.dynamic {
            Some(dynamic) if head.key_id != KeyId::FIRST => dynamic,
            Some(_) | None => &self.usual,
        };
        let client_key = self.client_key(head).map_or(0, <[u8]>::len);
        1 + protection.scheme.overhead() + client_key
    }

    /// The finished packet. `wall_seconds` is the time since 1970.
    #[must_use]
    pub fn seal(
        &mut self,
        wall_seconds: u32,
        head: PacketHead,
        session_id: SessionId,
        body: &ControlBody<'_>,
    ) -> Vec<u8> {
        let protection = match &mut self.dynamic {
            Some(dynamic) if head.key_id != KeyId::FIRST => dynamic,
            Some(_) | None => &mut self.usual,
        };
        let mut front = [0; FRONT];
        front[0] = head.encode();
        front[1..].copy_from_slice(&session_id.to_bytes());
        let mut packet = protection.seal(wall_seconds, front, body);
        if let Some(client_key) = self.client_key(head) {
            packet.extend(client_key);
        }
        packet
    }

    /// Checks a packet that came at `now`.
    ///
    /// # Errors
    ///
    /// [`WrapError`]: the packet must be dropped.
    pub fn open(&mut self, now: Instant, packet: &[u8]) -> Result<Opened, WrapError> {
        let mut reader = Reader::new(packet);
        let head = PacketHead::decode(reader.u8("head")?)?;
        if head.opcode.is_data() {
            return Err(Malformed::OutOfRange("opcode of a control packet").into());
        }
        let session_id = SessionId::decode(&mut reader)?;
        let packet = self.without_client_key(head, packet)?;
        let body = match (&mut self.dynamic, head.key_id) {
            (None, _) => self.usual.open(now, packet)?,
            (Some(dynamic), KeyId::FIRST) => match dynamic.open(now, packet) {
                Err(WrapError::Unauthentic | WrapError::Malformed(_)) => {
                    self.usual.open(now, packet)?
                }
                passed_or_replayed => passed_or_replayed?,
            },
            (Some(dynamic), _) => dynamic.open(now, packet)?,
        };
        Ok(Opened {
            head,
            session_id,
            body,
        })
    }

    /// What goes in the clear behind a packet with this head.
    fn client_key(&self, head: PacketHead) -> Option<&[u8]> {
        match &*self.wrapping {
            Wrapping::TlsCryptV2 { key } if head.opcode.carries_client_key() => Some(&key.wrapped),
            Wrapping::None
            | Wrapping::TlsAuth { .. }
            | Wrapping::TlsCrypt { .. }
            | Wrapping::TlsCryptV2 { .. } => None,
        }
    }

    /// A server finds the client key by its length, which is its end.
    fn without_client_key<'a>(
        &self,
        head: PacketHead,
        packet: &'a [u8],
    ) -> Result<&'a [u8], Malformed> {
        if self.side == Side::Client || !head.opcode.carries_client_key() {
            return Ok(packet);
        }
        let missing = Malformed::TooShort("wrapped client key");
        let len = packet.last_chunk().ok_or(missing)?;
        let rest = packet
            .len()
            .checked_sub(usize::from(u16::from_be_bytes(*len)));
        packet.get(..rest.ok_or(missing)?).ok_or(missing)
    }
}

/// One scheme with the ids it has sent and seen.
#[derive(Debug)]
struct Protection {
    scheme: Scheme,
    ids: PacketIds,
    seen: TimedReplayWindow,
}

impl Protection {
    fn new(scheme: Scheme, first_id: u32) -> Self {
        Self {
            scheme,
            ids: PacketIds {
                next: first_id,
                time: None,
            },
            seen: TimedReplayWindow::default(),
        }
    }

    fn seal(&mut self, wall_seconds: u32, front: [u8; FRONT], body: &ControlBody<'_>) -> Vec<u8> {
        let mut packet = Vec::with_capacity(512);
        packet.extend(front);
        match &self.scheme {
            Scheme::Auth { send, .. } => {
                let stamp = self.ids.take(wall_seconds);
                let mut rest = Vec::with_capacity(512);
                body.encode(&mut rest);
                packet.extend(send.sign(&[&stamp, &front, &rest]).as_ref());
                packet.extend(stamp);
                packet.extend(rest);
            }
            Scheme::Crypt { send, .. } => {
                let stamp = self.ids.take(wall_seconds);
                packet.extend(stamp);
                let tag_at = packet.len();
                packet.extend([0; CRYPT_TAG]);
                body.encode(&mut packet);
                let (clear, text) = packet.split_at_mut(tag_at + CRYPT_TAG);
                let tag = send.seal(&clear[..tag_at], text);
                clear[tag_at..].copy_from_slice(&tag);
            }
            Scheme::None => body.encode(&mut packet),
        }
        packet
    }

    fn open(&mut self, now: Instant, packet: &[u8]) -> Result<Vec<u8>, WrapError> {
        let mut reader = Reader::new(packet);
        let front = reader.array::<FRONT>("session id")?;
        let (stamp, body) = match &self.scheme {
            Scheme::Auth {
                receive, tag_len, ..
            } => {
                let tag = reader.bytes(*tag_len, "digest")?;
                let stamp = reader.array::<STAMP>("packet id")?;
                let body = reader.rest();
                if !receive.verify(&[&stamp, &front, body], tag) {
                    return Err(WrapError::Unauthentic);
                }
                (stamp, body.to_vec())
            }
            Scheme::Crypt { receive, .. } => {
                let stamp = reader.array::<STAMP>("packet id")?;
                let tag = reader.array::<CRYPT_TAG>("tag")?;
                let body = receive.open(&[&front, &stamp], tag, reader.rest());
                (stamp, body.ok_or(WrapError::Unauthentic)?)
            }
            Scheme::None => return Ok(reader.rest().to_vec()),
        };
        let mut stamp = Reader::new(&stamp);
        let (packet_id, time) = (stamp.u32("packet id")?, stamp.u32("time")?);
        if self.seen.accept(now, packet_id, time) {
            Ok(body)
        } else {
            Err(WrapError::Replayed)
        }
    }
}

/// How packets are protected.
#[derive(Debug)]
enum Scheme {
    /// `front | digest | stamp | body`
    Auth {
        send: HmacKey,
        receive: HmacKey,
        tag_len: usize,
    },
    /// `front | stamp | tag | encrypted body`
    Crypt { send: CryptKey, receive: CryptKey },
    /// `front | body`
    None,
}

impl Scheme {
    fn auth(key: &StaticKey, direction: KeyDirection, digest: Digest) -> Self {
        Self::Auth {
            send: HmacKey::from_slot(digest, key.sending(direction).hmac),
            receive: HmacKey::from_slot(digest, key.receiving(direction).hmac),
            tag_len: digest.output_len(),
        }
    }

    fn crypt(key: &StaticKey, side: Side) -> Self {
        let direction = match side {
            Side::Client => KeyDirection::Inverse,
            #[cfg(any(test, fuzzing))]
            Side::Server => KeyDirection::Normal,
        };
        Self::Crypt {
            send: CryptKey::new(key.sending(direction)),
            receive: CryptKey::new(key.receiving(direction)),
        }
    }

    const fn overhead(&self) -> usize {
        match self {
            Self::Auth { tag_len, .. } => *tag_len + STAMP,
            Self::Crypt { .. } => STAMP + CRYPT_TAG,
            Self::None => 0,
        }
    }
}

/// A key of tls-crypt for one direction.
#[derive(Debug)]
struct CryptKey {
    cipher: Secret<32>,
    hmac: HmacKey,
}

impl CryptKey {
    fn new(half: KeyHalf<'_>) -> Self {
        Self {
            cipher: half.epoch_secret(),
            hmac: HmacKey::new(Digest::Sha256, &half.hmac[..32]),
        }
    }

    /// Encrypts `text` where it lies and gives the tag over it and what goes in the clear.
    fn seal(&self, clear: &[u8], text: &mut [u8]) -> [u8; CRYPT_TAG] {
        let mut tag = [0; CRYPT_TAG];
        tag.copy_from_slice(self.hmac.sign(&[clear, text]).as_ref());
        ctr::apply(self.cipher.expose(), vector(&tag), text);
        tag
    }

    /// The text, if the tag is right.
    fn open(&self, clear: &[&[u8]; 2], tag: [u8; CRYPT_TAG], text: &[u8]) -> Option<Vec<u8>> {
        let mut text = text.to_vec();
        ctr::apply(self.cipher.expose(), vector(&tag), &mut text);
        let right = self.hmac.sign(&[clear[0], clear[1], &text]);
        bool::from(right.as_ref().ct_eq(&tag)).then_some(text)
    }
}

/// The ids of the packets we send: never one twice with the same time.
#[derive(Debug)]
struct PacketIds {
    next: u32,
    /// Taken with the first packet, and again only when the ids are used up.
    time: Option<u32>,
}

impl PacketIds {
    /// The next id with its time, as on the wire.
    fn take(&mut self, wall_seconds: u32) -> [u8; STAMP] {
        let time = *self.time.get_or_insert(wall_seconds);
        let stamp = u64::from(self.next) << 32 | u64::from(time);
        match self.next.checked_add(1) {
            Some(next) => self.next = next,
            None => {
                self.next = FIRST_ID;
                self.time = Some(wall_seconds.max(time.saturating_add(1)));
            }
        }
        stamp.to_be_bytes()
    }
}

/// The first half of the tag is the counter's start.
fn vector(tag: &[u8; CRYPT_TAG]) -> &[u8; 16] {
    tag.first_chunk().expect("16 of 32 bytes")
}

/// Head and session id.
const FRONT: usize = 9;
/// Packet id and time.
const STAMP: usize = 8;
/// The tag of tls-crypt: HMAC with SHA-256.
const CRYPT_TAG: usize = 32;
const FIRST_ID: u32 = 1;
/// Tells a server that keeps no state that we can send our client key once more.
const FIRST_ID_WITH_COOKIES: u32 = 0x0f00_0001;

#[cfg(test)]
mod tests;
