//! A TCP stream in pieces of any size, against a reader that has it all at once.
//!
//! The first byte says how many packets are taken at a time (plus one), the second how long the pieces are at most (plus
//! one); the bytes of the stream also say how it is cut.

use std::time::Instant;

use crate::wire::frame::{EmptyFrame, PREFIX_LEN, prefix, split_frames};

/// Runs one input.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8], _now: Instant) {
    let [batch, longest, stream @ ..] = input else {
        return;
    };
    let mut found = Vec::with_capacity(usize::from(*batch) + 1);
    let mut unread = Vec::new();
    let mut packets = Vec::new();
    let mut rest = stream;
    let mut end = Ok(());
    while end.is_ok() && (!rest.is_empty() || found.len() == found.capacity()) {
        if let Some(first) = rest.first() {
            let piece = usize::from(*first % longest.saturating_add(1)) + 1;
            let (now, later) = rest.split_at(piece.min(rest.len()));
            unread.extend_from_slice(now);
            rest = later;
        }
        found.clear();
        let room = found.capacity();
        end = split_frames(&unread, &mut found).map(|taken| {
            packets.extend(found.iter().cloned().map(|range| unread[range].to_vec()));
            unread.drain(..taken);
        });
        assert_eq!(found.capacity(), room, "nothing is allocated");
    }
    let (expected, expected_end) = all_at_once(stream);
    assert_eq!(end, expected_end);
    if end.is_ok() {
        assert_eq!(packets, expected);
    } else {
        // What came together with the empty frame is dropped with it.
        assert!(expected.starts_with(&packets));
    }
}

fn all_at_once(mut stream: &[u8]) -> (Vec<Vec<u8>>, Result<(), EmptyFrame>) {
    let mut packets = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk::<PREFIX_LEN>() {
        let len = usize::from(u16::from_be_bytes(*head));
        if len == 0 {
            return (packets, Err(EmptyFrame));
        }
        let Some((packet, rest)) = rest.split_at_checked(len) else {
            break;
        };
        assert_eq!(prefix(len), Some(*head));
        packets.push(packet.to_vec());
        stream = rest;
    }
    (packets, Ok(()))
}
