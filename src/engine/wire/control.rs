//! Control packets: session ids, ack list, packet id, payload.
//!
//! A packet is `head | session id | body`. What protects it (see `control::wrap`) goes between the session id and the
//! body, so the body is a thing of its own here.

use std::fmt;
use std::ops::Deref;

use super::head::Opcode;
use super::reader::{Malformed, Reader};

/// One side's name for a connection attempt: eight random bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 8]);

impl SessionId {
    /// `None` if all bytes are zero.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The bytes as on the wire.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the bytes end or are all zero.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Self::new(reader.array("session id")?).ok_or(Malformed::OutOfRange("session id"))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

/// Up to eight ids of messages that arrived.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct AckList {
    ids: [u32; Self::MAX],
    len: usize,
}

impl AckList {
    /// The most ids that fit into a packet.
    pub const MAX: usize = 8;

    fn count(&self) -> u8 {
        u8::try_from(self.len).expect("a list holds at most eight")
    }

    /// Adds an id; `false` if the list is full.
    pub fn push(&mut self, message_id: u32) -> bool {
        match self.ids.get_mut(self.len) {
            Some(slot) => {
                *slot = message_id;
                self.len += 1;
                true
            }
            None => false,
        }
    }
}

impl Deref for AckList {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.ids[..self.len]
    }
}

impl FromIterator<u32> for AckList {
    /// Takes the first eight.
    fn from_iter<I: IntoIterator<Item = u32>>(message_ids: I) -> Self {
        let mut list = Self::default();
        for message_id in message_ids.into_iter().take(Self::MAX) {
            list.push(message_id);
        }
        list
    }
}

impl fmt::Debug for AckList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Acknowledgements, with the session id of whoever sent what they acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acks {
    /// The ids, at least one.
    pub ids: AckList,
    /// The session id of the one to whom this packet goes.
    pub peer_session_id: SessionId,
}

/// All of a control packet that follows the sender's session id, once unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlBody<'a> {
    /// What arrived at the sender.
    pub acks: Option<Acks>,
    /// Everything but `P_ACK_V1` has a message.
    pub message: Option<Message<'a>>,
}

/// A numbered piece of what one side says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Counts from 0 (the reset) for each key and direction.
    pub message_id: u32,
    /// A piece of the TLS stream; in a server's reset, see [`EarlyNegotiation`].
    pub payload: &'a [u8],
}

impl<'a> ControlBody<'a> {
    /// Reads what follows the session id of a packet with this opcode.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the bytes end, if there are more than eight acknowledgements, if a session id is all zero, if
    /// `P_ACK_V1` acknowledges nothing or if something follows its end.
    pub fn decode(opcode: Opcode, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let count = usize::from(reader.u8("number of acks")?);
        if count > AckList::MAX {
            return Err(Malformed::OutOfRange("number of acks"));
        }
        let mut ids = AckList::default();
        for _ in 0..count {
            ids.push(reader.u32("ack")?);
        }
        let acks = if count == 0 {
            None
        } else {
            let peer_session_id = SessionId::decode(&mut reader)?;
            Some(Acks {
                ids,
                peer_session_id,
            })
        };
        if opcode == Opcode::Ack {
            reader.finish("acks")?;
            let acks = Some(acks.ok_or(Malformed::OutOfRange("number of acks"))?);
            return Ok(Self {
                acks,
                message: None,
            });
        }
        let message_id = reader.u32("message id")?;
        let payload = reader.rest();
        let message = Some(Message {
            message_id,
            payload,
        });
        Ok(Self { acks, message })
    }

    /// Appends the bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match &self.acks {
            Some(acks) => {
                out.push(acks.ids.count());
                for message_id in acks.ids.iter() {
                    out.extend(message_id.to_be_bytes());
                }
                out.extend(acks.peer_session_id.0);
            }
            None => out.push(0),
        }
        if let Some(message) = &self.message {
            out.extend(message.message_id.to_be_bytes());
            out.extend(message.payload);
        }
    }
}

/// What a server says in its reset beside the reset itself. Servers before 2.6 say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EarlyNegotiation {
    /// The server has kept nothing: send the wrapped client key once more with message 1.
    pub resend_wkc: bool,
}

impl EarlyNegotiation {
    /// Reads the payload of a server's reset. Unknown entries are skipped.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if an entry is cut off or the flags are not two bytes.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(payload);
        let mut found = Self::default();
        while !reader.is_empty() {
            let kind = reader.u16("entry's type")?;
            let len = reader.u16("entry's length")?;
            let value = reader.bytes(usize::from(len), "entry's value")?;
            if kind == EARLY_FLAGS {
                let flags = <[u8; 2]>::try_from(value);
                let flags =
                    flags.map_err(|_| Malformed::OutOfRange("length of the early flags"))?;
                found.resend_wkc = u16::from_be_bytes(flags) & RESEND_WKC != 0;
            }
        }
        Ok(found)
    }

    /// The payload of a reset that says this.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        if !self.resend_wkc {
            return Vec::new();
        }
        [EARLY_FLAGS, 2, RESEND_WKC]
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect()
    }
}

const EARLY_FLAGS: u16 = 1;
const RESEND_WKC: u16 = 1;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hex, hex_array};
    use crate::wire::head::PacketHead;

    fn session(text: &str) -> SessionId {
        SessionId::new(hex_array(text)).unwrap()
    }

    fn decode(packet: &[u8]) -> Result<(PacketHead, SessionId, ControlBody<'_>), Malformed> {
        let mut reader = Reader::new(packet);
        let head = PacketHead::decode(reader.u8("head")?)?;
        let session_id = SessionId::decode(&mut reader)?;
        Ok((
            head,
            session_id,
            ControlBody::decode(head.opcode, reader.rest())?,
        ))
    }

    #[test]
    fn the_known_packets_are_read() {
        let packet = hex("38 6891923fa3103437 00 00000000");
        let (head, session_id, body) = decode(&packet).unwrap();
        assert_eq!(head.opcode, Opcode::HardResetClientV2);
        assert_eq!(session_id, session("6891923fa3103437"));
        assert_eq!(body.acks, None);
        assert_eq!(
            body.message,
            Some(Message {
                message_id: 0,
                payload: &[]
            })
        );

        let packet = hex("207819bf2ebcd19a45 01 00000000 eafebfa4418ae31b 00000001 160301");
        let (head, _, body) = decode(&packet).unwrap();
        let acks = body.acks.unwrap();
        assert_eq!(head.opcode, Opcode::Control);
        assert_eq!(
            (&acks.ids[..], acks.peer_session_id),
            (&[0][..], session("eafebfa4418ae31b"))
        );
        assert_eq!(
            body.message,
            Some(Message {
                message_id: 1,
                payload: &[0x16, 3, 1]
            })
        );

        let packet = hex("28aeb9afe1f01d79c8 03 00000000 00000001 00000002 dd85db535623b02e");
        let (head, _, body) = decode(&packet).unwrap();
        assert_eq!(head.opcode, Opcode::Ack);
        assert_eq!(body.acks.unwrap().ids[..], [0, 1, 2]);
        assert_eq!(body.message, None);
    }

    #[test]
    fn broken_packets_are_refused() {
        let refused = [
            (
                "38 6891923fa3103437 00 000000",
                Malformed::TooShort("message id"),
            ),
            (
                "38 0000000000000000 00 00000000",
                Malformed::OutOfRange("session id"),
            ),
            (
                "20 6891923fa3103437 09",
                Malformed::OutOfRange("number of acks"),
            ),
            (
                "20 6891923fa3103437 01 00000000 02",
                Malformed::TooShort("session id"),
            ),
            (
                "28 6891923fa3103437 00",
                Malformed::OutOfRange("number of acks"),
            ),
            (
                "28 6891923fa3103437 01 00000000 6891923fa3103437 00",
                Malformed::Trailing("acks"),
            ),
            (
                "10 6891923fa3103437 00 00000000",
                Malformed::OutOfRange("opcode"),
            ),
        ];
        for (packet, why) in refused {
            assert_eq!(decode(&hex(packet)).unwrap_err(), why, "{packet}");
        }
    }

    #[test]
    fn early_negotiation_asks_for_the_client_key_or_says_nothing() {
        let read = |text: &str| EarlyNegotiation::decode(&hex(text));
        let wanted = EarlyNegotiation { resend_wkc: true };
        assert_eq!(read(""), Ok(EarlyNegotiation::default()));
        assert_eq!(read("0001 0002 0001"), Ok(wanted));
        assert_eq!(read("0077 0003 aabbcc 0001 0002 ff01"), Ok(wanted));
        assert_eq!(read("0001 0002 fffe"), Ok(EarlyNegotiation::default()));
        assert!(read("0001 0003 000001").is_err());
        assert!(read("0001 0002 00").is_err());
        assert!(read("00").is_err());
        assert_eq!(EarlyNegotiation::decode(&wanted.encode()), Ok(wanted));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(
            ids in proptest::collection::vec(any::<u32>(), 0..=8),
            message_id: u32,
            payload in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let acks = (!ids.is_empty()).then(|| Acks {
                ids: ids.iter().copied().collect(),
                peer_session_id: session("0102030405060708"),
            });
            let message = Some(Message { message_id, payload: &payload });
            let body = ControlBody { acks, message };
            let mut bytes = Vec::new();
            body.encode(&mut bytes);
            prop_assert_eq!(ControlBody::decode(Opcode::Control, &bytes), Ok(body));
        }

        #[test]
        fn what_is_read_is_encoded_to_the_same_bytes(packet in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok((head, session_id, body)) = decode(&packet) {
                let mut bytes = vec![head.encode()];
                bytes.extend(session_id.to_bytes());
                body.encode(&mut bytes);
                prop_assert_eq!(bytes, packet);
            }
        }

        #[test]
        fn no_early_negotiation_panics(payload in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = EarlyNegotiation::decode(&payload);
        }
    }
}
