//! A TCP stream in pieces of any size, against a reader that has it all at once.
//!
//! The first byte is the longest packet allowed (plus one), the second the buffer's capacity; the bytes of the stream
//! also say how it is cut.

use std::time::Instant;

use openvpn3_backend::engine::wire::frame::{FrameError, Frames, PREFIX_LEN, prefix};

/// Runs one input; panics if a law is broken.
pub(crate) fn run(input: &[u8], _now: Instant) {
    let [longest, capacity, stream @ ..] = input else {
        return;
    };
    let longest = u16::from(*longest) + 1;
    let (expected, end) = all_at_once(stream, usize::from(longest));
    let mut frames = Frames::new(usize::from(*capacity), longest);
    let mut packets = Vec::new();
    let mut rest = stream;
    let mut failed = None;
    while let Some(first) = rest.first() {
        let space = frames.space();
        assert!(!space.is_empty(), "a drained buffer has room");
        let len = (usize::from(*first % 16) + 1)
            .min(rest.len())
            .min(space.len());
        space[..len].copy_from_slice(&rest[..len]);
        rest = &rest[len..];
        frames.filled(len);
        failed = loop {
            match frames.next_frame() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break None,
                Err(error) => break Some(error),
            }
        };
        if failed.is_some() {
            break;
        }
    }
    assert_eq!(packets, expected);
    assert_eq!(failed, end);
}

fn all_at_once(mut stream: &[u8], longest: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut packets = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk::<PREFIX_LEN>() {
        let len = usize::from(u16::from_be_bytes(*head));
        if len == 0 {
            return (packets, Some(FrameError::Empty));
        }
        if len > longest {
            return (packets, Some(FrameError::TooLong { len }));
        }
        let Some((packet, rest)) = rest.split_at_checked(len) else {
            break;
        };
        assert_eq!(prefix(len), Some(*head));
        packets.push(packet.to_vec());
        stream = rest;
    }
    (packets, None)
}
