//! The compression byte, there or stripped; and the payloads that are messages to us.

use std::ops::Range;

use super::inflate::Algorithm;
use super::stats::DropReason;
use crate::settings::Framing;

/// What a framing holds, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A payload that must be decompressed.
    Compressed(Algorithm, Range<usize>),
    /// A payload as it is.
    Plain(Range<usize>),
}

/// What an opened payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The peer sends an exit notification.
    Exit,
    /// A message that needs no answer.
    Ignored,
    /// The answer to [`load_request`], of any length.
    Load,
    /// For the TUN device.
    Packet,
}

impl Framing {
    /// How many bytes it puts in front of a payload, and behind it.
    #[must_use]
    pub const fn room(self) -> (usize, usize) {
        match self {
            Self::Lzo => (1, 0),
            Self::None | Self::V2 => (0, 0),
            Self::Swap => (0, 1),
        }
    }

    /// Frames a payload where it lies; the answer is where it lies then.
    ///
    /// # Errors
    ///
    /// There is no room, or (with V2 framing) the payload begins with the framing's own marker, which no IP packet
    /// does.
    #[inline]
    pub fn wrap(
        self,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        match self {
            Self::None => Ok(payload),
            Self::Lzo => {
                let start = payload.start.checked_sub(1).ok_or(DropReason::Buffer)?;
                *buffer.get_mut(start).ok_or(DropReason::Buffer)? = LZO_PLAIN;
                Ok(start..payload.end)
            }
            Self::Swap => {
                let framed = payload.start..payload.end + 1;
                match buffer.get_mut(framed.clone()) {
                    Some([first, .., last]) => {
                        *last = *first;
                        *first = SWAP_PLAIN;
                        Ok(framed)
                    }
                    Some(_) | None => Err(DropReason::Buffer),
                }
            }
            Self::V2 => match buffer.get(payload.start) {
                None | Some(&V2_MARK) => Err(DropReason::TunFraming),
                Some(_) => Ok(payload),
            },
        }
    }

    /// Takes the framing off a payload where it lies; the answer is what it held, and where that lies then.
    ///
    /// # Errors
    ///
    /// [`DropReason::Compress`] if the payload is framed in another way, or compressed in a way that this framing does
    /// not have.
    #[inline]
    pub fn unwrap(self, packet: &mut [u8], payload: Range<usize>) -> Result<Content, DropReason> {
        let Range { start, end } = payload;
        let framed = packet.get_mut(payload).ok_or(DropReason::Buffer)?;
        match (self, framed) {
            (Self::None, _) => Ok(Content::Plain(start..end)),
            (Self::Lzo, [LZO_PLAIN, ..]) => Ok(Content::Plain(start + 1..end)),
            (Self::Lzo, [LZO, ..]) => Ok(Content::Compressed(Algorithm::Lzo, start + 1..end)),
            (Self::Swap, [first, .., last]) => {
                let marker = std::mem::replace(first, *last);
                let payload = start..end - 1;
                match marker {
                    SWAP_PLAIN => Ok(Content::Plain(payload)),
                    LZ4_SWAP => Ok(Content::Compressed(Algorithm::Lz4, payload)),
                    LZO_SWAP => Ok(Content::Compressed(Algorithm::Lzo, payload)),
                    _ => Err(DropReason::Compress),
                }
            }
            (Self::V2, [V2_MARK, algorithm, ..]) => {
                let payload = start + 2..end;
                match *algorithm {
                    V2_PLAIN => Ok(Content::Plain(payload)),
                    V2_LZ4 => Ok(Content::Compressed(Algorithm::Lz4, payload)),
                    V2_LZO => Ok(Content::Compressed(Algorithm::Lzo, payload)),
                    _ => Err(DropReason::Compress),
                }
            }
            (Self::V2, [first, ..]) if *first != V2_MARK => Ok(Content::Plain(start..end)),
            (Self::Lzo | Self::Swap | Self::V2, _) => Err(DropReason::Compress),
        }
    }
}

/// What an opened and unframed payload is.
///
/// # Errors
///
/// [`DropReason::TunFraming`] if it is no IP packet either.
#[inline]
pub fn meaning(payload: &[u8]) -> Result<Meaning, DropReason> {
    match payload {
        [0x40..=0x4f | 0x60..=0x6f, ..] => Ok(Meaning::Packet),
        payload if payload == PING => Ok(Meaning::Ignored),
        payload if payload.starts_with(&OCC_MAGIC) => Ok(match payload.get(OCC_MAGIC.len()) {
            Some(&OCC_EXIT) => Meaning::Exit,
            Some(&OCC_LOAD) => Meaning::Load,
            _ => Meaning::Ignored,
        }),
        _ => Err(DropReason::TunFraming),
    }
}

/// The payload that keeps a quiet tunnel alive.
pub const PING: [u8; 16] = [
    0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb, 0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48,
];

/// The payload that sends an exit notification.
pub const EXIT: [u8; 17] = {
    let mut message = [OCC_EXIT; 17];
    let mut position = 0;
    while position < OCC_MAGIC.len() {
        message[position] = OCC_MAGIC[position];
        position += 1;
    }
    message
};

/// The payload that asks the peer for one that makes a packet of `wanted` bytes, headers of IP and transport not counted.
/// It is filled up to `length` itself.
#[must_use]
pub fn load_request(wanted: u16, length: usize) -> Vec<u8> {
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&OCC_MAGIC);
    message.push(OCC_LOAD_REQUEST);
    message.extend_from_slice(&wanted.to_be_bytes());
    message.resize(length.max(message.len()), 0);
    message
}

const OCC_MAGIC: [u8; 16] = [
    0x28, 0x7f, 0x34, 0x6b, 0xd4, 0xef, 0x7a, 0x81, 0x2d, 0x56, 0xb8, 0xd3, 0xaf, 0xc5, 0x45, 0x9c,
];
const OCC_LOAD_REQUEST: u8 = 2;
const OCC_LOAD: u8 = 3;
const OCC_EXIT: u8 = 6;
/// In front of a payload that is compressed by LZO.
const LZO: u8 = 0x66;
/// In place of the first byte of one, which is at the end.
const LZO_SWAP: u8 = 0x67;
/// The same for LZ4.
const LZ4_SWAP: u8 = 0x69;
const LZO_PLAIN: u8 = 0xfa;
const SWAP_PLAIN: u8 = 0xfb;
const V2_MARK: u8 = 0x50;
const V2_PLAIN: u8 = 0;
const V2_LZ4: u8 = 1;
const V2_LZO: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(framing: Framing, payload: &[u8]) -> Vec<u8> {
        let mut buffer = [b"..", payload, b"..".as_slice()].concat();
        let range = framing.wrap(&mut buffer, 2..2 + payload.len()).unwrap();
        let (front, tail) = framing.room();
        assert_eq!(range, 2 - front..2 + payload.len() + tail);
        buffer[range].to_vec()
    }

    #[test]
    fn every_framing_looks_as_it_must_and_comes_off_again() {
        let packet = [0x45, 1, 2, 3];
        let looks: [(Framing, &[u8]); 4] = [
            (Framing::None, &[0x45, 1, 2, 3]),
            (Framing::Lzo, &[0xfa, 0x45, 1, 2, 3]),
            (Framing::Swap, &[0xfb, 1, 2, 3, 0x45]),
            (Framing::V2, &[0x45, 1, 2, 3]),
        ];
        for (framing, look) in looks {
            let mut framed = wrapped(framing, &packet);
            assert_eq!(framed, look, "{framing:?}");
            let content = framing.unwrap(&mut framed, 0..look.len()).unwrap();
            let Content::Plain(range) = content else {
                panic!("{framing:?} compressed it");
            };
            assert_eq!(framed[range], packet, "{framing:?}");
        }
    }

    #[test]
    fn an_escaped_v2_payload_loses_its_escape() {
        let mut framed = [0x50, 0, 0x50, 7];
        assert_eq!(
            Framing::V2.unwrap(&mut framed, 0..4),
            Ok(Content::Plain(2..4))
        );
    }

    #[test]
    fn what_is_compressed_is_told_by_its_marker() {
        let cases: [(Framing, &[u8], Algorithm, &[u8]); 5] = [
            (Framing::Lzo, &[0x66, 1, 2], Algorithm::Lzo, &[1, 2]),
            (Framing::Swap, &[0x67, 1, 2], Algorithm::Lzo, &[2, 1]),
            (Framing::Swap, &[0x69, 1, 2], Algorithm::Lz4, &[2, 1]),
            (Framing::V2, &[0x50, 1, 2], Algorithm::Lz4, &[2]),
            (Framing::V2, &[0x50, 2, 3], Algorithm::Lzo, &[3]),
        ];
        for (framing, bytes, algorithm, block) in cases {
            let mut bytes = bytes.to_vec();
            let end = bytes.len();
            let Ok(Content::Compressed(found, range)) = framing.unwrap(&mut bytes, 0..end) else {
                panic!("{framing:?} found nothing compressed");
            };
            assert_eq!((found, &bytes[range]), (algorithm, block));
        }
    }

    #[test]
    fn what_is_framed_otherwise_is_refused() {
        let cases: [(Framing, &[u8]); 8] = [
            (Framing::Lzo, &[0x45, 1, 2]),
            (Framing::Lzo, &[0x69, 1, 2]),
            (Framing::Swap, &[0x68, 1, 2]),
            (Framing::Swap, &[0xfb]),
            (Framing::V2, &[0x50, 3, 2]),
            (Framing::V2, &[0x50]),
            (Framing::V2, &[]),
            (Framing::Lzo, &[]),
        ];
        for (framing, bytes) in cases {
            let mut bytes = bytes.to_vec();
            let end = bytes.len();
            assert_eq!(
                framing.unwrap(&mut bytes, 0..end),
                Err(DropReason::Compress)
            );
        }
    }

    #[test]
    fn messages_are_told_from_packets() {
        assert_eq!(meaning(&[0x45, 0]), Ok(Meaning::Packet));
        assert_eq!(meaning(&[0x60, 0]), Ok(Meaning::Packet));
        assert_eq!(meaning(&PING), Ok(Meaning::Ignored));
        assert_eq!(meaning(&PING[..15]), Err(DropReason::TunFraming));
        assert_eq!(meaning(&EXIT), Ok(Meaning::Exit));
        assert_eq!(meaning(&EXIT[..16]), Ok(Meaning::Ignored));
        assert_eq!(meaning(&[]), Err(DropReason::TunFraming));
    }
}
