//! The first bytes of a data packet: `P_DATA_V1` has one, `P_DATA_V2` a peer id of 24 bits behind it.

/// What stands in front of each data packet that one key seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataHead {
    /// `P_DATA_V1`.
    V1([u8; 1]),
    /// `P_DATA_V2`, with the peer id.
    V2([u8; 4]),
}

impl DataHead {
    /// `None` if the key id needs more than three bits. Of a peer id the lower 24 bits count.
    #[must_use]
    pub const fn new(key_id: u8, peer_id: Option<u32>) -> Option<Self> {
        if key_id > KEY_ID {
            return None;
        }
        Some(match peer_id {
            None => Self::V1([DATA_V1 << 3 | key_id]),
            Some(peer_id) => {
                let [_, a, b, c] = peer_id.to_be_bytes();
                Self::V2([DATA_V2 << 3 | key_id, a, b, c])
            }
        })
    }

    /// The bytes themselves.
    #[inline]
    #[must_use]
    pub const fn bytes(&self) -> &[u8] {
        match self {
            Self::V1(bytes) => bytes,
            Self::V2(bytes) => bytes,
        }
    }

    /// Key id and length of the head of a packet that came in; `None` if it is no data packet. Whatever peer id it
    /// bears does not matter, so it need not be there.
    #[inline]
    #[must_use]
    pub const fn read(packet: &[u8]) -> Option<(u8, usize)> {
        let Some(first) = packet.first() else {
            return None;
        };
        match *first >> 3 {
            DATA_V1 => Some((*first & KEY_ID, 1)),
            DATA_V2 => Some((*first & KEY_ID, 4)),
            _ => None,
        }
    }
}

const DATA_V1: u8 = 6;
const DATA_V2: u8 = 9;
const KEY_ID: u8 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_heads_are_read() {
        assert_eq!(DataHead::read(&[0x32, 9, 9]), Some((2, 1)));
        assert_eq!(DataHead::read(&[0x4f, 0, 0, 7, 9]), Some((7, 4)));
    }

    #[test]
    fn what_is_no_data_packet_is_refused() {
        for packet in [&[][..], &[0x20, 0, 0, 0], &[0xff]] {
            assert_eq!(DataHead::read(packet), None, "{packet:?}");
        }
        assert_eq!(DataHead::new(8, None), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key_id in 0..8_u8, peer_id in proptest::option::of(any::<u32>())) {
            let head = DataHead::new(key_id, peer_id).unwrap();
            prop_assert_eq!(DataHead::read(head.bytes()), Some((key_id, head.bytes().len())));
            if let Some(peer_id) = peer_id {
                prop_assert_eq!(&head.bytes()[1..], &peer_id.to_be_bytes()[1..]);
            }
        }
    }
}
