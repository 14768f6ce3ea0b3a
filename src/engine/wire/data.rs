//! Headers of `P_DATA_V1` and `P_DATA_V2`, peer id.

use super::head::{KeyId, Opcode, PacketHead};
use super::reader::Malformed;

/// The server's number for a client, 24 bits, in every `P_DATA_V2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(u32);

impl PeerId {
    /// `None` if the number needs more than 24 bits.
    #[must_use]
    pub const fn new(peer_id: u32) -> Option<Self> {
        if peer_id <= 0xff_ffff {
            Some(Self(peer_id))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// What stands in front of every data packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHead {
    /// The key that seals the packet.
    pub key_id: KeyId,
    /// There in `P_DATA_V2` alone.
    pub peer_id: Option<PeerId>,
}

impl DataHead {
    /// Reads the head of a data packet; [`DataHead::encoded_len`] says how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the packet is empty, cut off or not of the data channel.
    #[inline]
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let first = *packet.first().ok_or(Malformed::TooShort("head"))?;
        let head = PacketHead::decode(first)?;
        let key_id = head.key_id;
        match head.opcode {
            Opcode::DataV1 => Ok(Self {
                key_id,
                peer_id: None,
            }),
            Opcode::DataV2 => {
                let word = packet.first_chunk().ok_or(Malformed::TooShort("peer id"))?;
                let peer_id = u32::from_be_bytes(*word) & 0xff_ffff;
                Ok(Self {
                    key_id,
                    peer_id: Some(PeerId(peer_id)),
                })
            }
            Opcode::Ack
            | Opcode::Control
            | Opcode::ControlWkc
            | Opcode::HardResetClientV2
            | Opcode::HardResetClientV3
            | Opcode::HardResetServerV2
            | Opcode::SoftReset => Err(Malformed::OutOfRange("opcode of a data packet")),
        }
    }

    /// The head's length: four bytes with a peer id, one without.
    #[inline]
    #[must_use]
    pub const fn encoded_len(self) -> usize {
        if self.peer_id.is_some() { 4 } else { 1 }
    }

    /// The head's bytes, the first [`DataHead::encoded_len`] of these.
    #[inline]
    #[must_use]
    pub const fn encode(self) -> [u8; 4] {
        let key_id = self.key_id;
        match self.peer_id {
            Some(PeerId(peer_id)) => {
                let head = PacketHead {
                    opcode: Opcode::DataV2,
                    key_id,
                };
                let mut bytes = peer_id.to_be_bytes();
                bytes[0] = head.encode();
                bytes
            }
            None => {
                let head = PacketHead {
                    opcode: Opcode::DataV1,
                    key_id,
                };
                [head.encode(), 0, 0, 0]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_heads_are_read() {
        let v1 = DataHead::decode(&[0x32, 9, 9]).unwrap();
        assert_eq!((v1.key_id.get(), v1.peer_id), (2, None));
        let v2 = DataHead::decode(&[0x4f, 0, 0, 7, 9]).unwrap();
        assert_eq!((v2.key_id.get(), v2.peer_id), (7, PeerId::new(7)));
    }

    #[test]
    fn what_is_no_data_packet_is_refused() {
        assert_eq!(DataHead::decode(&[]), Err(Malformed::TooShort("head")));
        assert_eq!(
            DataHead::decode(&[0x48, 0, 0]),
            Err(Malformed::TooShort("peer id"))
        );
        assert_eq!(
            DataHead::decode(&[0x20, 0, 0, 0]),
            Err(Malformed::OutOfRange("opcode of a data packet"))
        );
        assert_eq!(PeerId::new(0x100_0000), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_encoded_to_the_same_bytes(packet in proptest::collection::vec(any::<u8>(), 0..8)) {
            if let Ok(head) = DataHead::decode(&packet) {
                let len = head.encoded_len();
                prop_assert_eq!(&head.encode()[..len], &packet[..len]);
            }
        }
    }
}
