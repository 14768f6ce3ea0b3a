//! The first byte: `Opcode` and key id.

use std::fmt;

use super::reader::Malformed;

/// What kind of packet this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Opcode {
    /// `P_ACK_V1`: acknowledgements only.
    Ack,
    /// `P_CONTROL_V1`: a piece of the TLS stream.
    Control,
    /// `P_CONTROL_WKC_V1`: a piece of the TLS stream with the wrapped client key behind it.
    ControlWkc,
    /// `P_DATA_V1`: a tunnelled packet, the head is one byte.
    DataV1,
    /// `P_DATA_V2`: a tunnelled packet, the head is four bytes and has a peer id.
    DataV2,
    /// `P_CONTROL_HARD_RESET_CLIENT_V2`: a client's first packet.
    HardResetClientV2,
    /// `P_CONTROL_HARD_RESET_CLIENT_V3`: a client's first packet with the wrapped client key behind it.
    HardResetClientV3,
    /// `P_CONTROL_HARD_RESET_SERVER_V2`: the answer to either.
    HardResetServerV2,
    /// `P_CONTROL_SOFT_RESET_V1`: the beginning of another key.
    SoftReset,
}

impl Opcode {
    /// The five bits on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::SoftReset => 3,
            Self::Control => 4,
            Self::Ack => 5,
            Self::DataV1 => 6,
            Self::HardResetClientV2 => 7,
            Self::HardResetServerV2 => 8,
            Self::DataV2 => 9,
            Self::HardResetClientV3 => 10,
            Self::ControlWkc => 11,
        }
    }

    const fn from_code(code: u8) -> Option<Self> {
        match code {
            3 => Some(Self::SoftReset),
            4 => Some(Self::Control),
            5 => Some(Self::Ack),
            6 => Some(Self::DataV1),
            7 => Some(Self::HardResetClientV2),
            8 => Some(Self::HardResetServerV2),
            9 => Some(Self::DataV2),
            10 => Some(Self::HardResetClientV3),
            11 => Some(Self::ControlWkc),
            _ => None,
        }
    }

    /// Whether the packet belongs to the data channel.
    #[must_use]
    pub const fn is_data(self) -> bool {
        matches!(self, Self::DataV1 | Self::DataV2)
    }

    /// Whether the packet begins a key, and so is the message with id 0.
    #[must_use]
    pub const fn is_reset(self) -> bool {
        matches!(
            self,
            Self::HardResetClientV2
                | Self::HardResetClientV3
                | Self::HardResetServerV2
                | Self::SoftReset
        )
    }

    /// Whether the wrapped client key follows in the clear.
    #[must_use]
    pub const fn carries_client_key(self) -> bool {
        matches!(self, Self::ControlWkc | Self::HardResetClientV3)
    }
}

/// Which of several keys of a connection, 0 to 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct KeyId(u8);

impl KeyId {
    /// The id of a connection's first key.
    pub const FIRST: Self = Self(0);

    /// `None` above 7.
    #[cfg(any(test, fuzzing))]
    #[must_use]
    pub const fn new(key_id: u8) -> Option<Self> {
        if key_id <= 7 {
            Some(Self(key_id))
        } else {
            None
        }
    }

    /// The number, 0 to 7.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The id of the key after this one: 1 follows 7, because 0 is for the first key alone.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 == 7 {
            Self(1)
        } else {
            Self(self.0 + 1)
        }
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The first byte of every packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketHead {
    /// What kind of packet this is.
    pub opcode: Opcode,
    /// The key it belongs to.
    pub key_id: KeyId,
}

impl PacketHead {
    /// Reads the byte.
    ///
    /// # Errors
    ///
    /// [`Malformed::OutOfRange`] if the opcode is none that is in use.
    pub const fn decode(byte: u8) -> Result<Self, Malformed> {
        match Opcode::from_code(byte >> 3) {
            Some(opcode) => Ok(Self {
                opcode,
                key_id: KeyId(byte & 7),
            }),
            None => Err(Malformed::OutOfRange("opcode")),
        }
    }

    /// The byte.
    #[must_use]
    pub const fn encode(self) -> u8 {
        self.opcode.code() << 3 | self.key_id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_head_survives_a_round_trip() {
        let known = (0..=u8::MAX)
            .filter_map(|byte| Some((byte, PacketHead::decode(byte).ok()?)))
            .inspect(|(byte, head)| assert_eq!(head.encode(), *byte));
        assert_eq!(known.count(), 9 * 8);
    }

    #[test]
    fn only_opcodes_3_to_11_are_known() {
        for byte in [0, 0x08, 0x10, 0x17, 0x60, 0xff] {
            assert_eq!(
                PacketHead::decode(byte),
                Err(Malformed::OutOfRange("opcode"))
            );
        }
    }

    #[test]
    fn zero_never_follows_seven() {
        let ids: Vec<_> = std::iter::successors(Some(KeyId::FIRST), |key_id| Some(key_id.next()))
            .map(KeyId::get)
            .take(9)
            .collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5, 6, 7, 1]);
        assert_eq!(KeyId::new(8), None);
    }
}
