//! Frames of a TCP stream: each packet has its length in two bytes in front.

use std::ops::Range;

/// How many bytes stand in front of each packet.
pub const PREFIX_LEN: usize = 2;

/// The stream has a frame without a packet: it is out of step, or none of OpenVPN's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent a frame of length zero")]
pub struct EmptyFrame;

/// The prefix of a packet of `len` bytes; `None` if it is empty or has more than 65535.
#[inline]
#[must_use]
pub fn prefix(len: usize) -> Option<[u8; PREFIX_LEN]> {
    let len = u16::try_from(len).ok().filter(|len| *len > 0)?;
    Some(len.to_be_bytes())
}

/// Finds the whole packets at the front of what was read of a stream. Where they lie in `unread` is added to `packets`, as
/// long as it has room: nothing is allocated. The answer is how many bytes are done with; what follows waits for more of
/// the stream, or for room.
///
/// # Errors
///
/// [`EmptyFrame`] if a length is zero. The stream is of no use after that.
#[inline]
pub fn split_frames(unread: &[u8], packets: &mut Vec<Range<usize>>) -> Result<usize, EmptyFrame> {
    let mut taken = 0;
    while packets.len() < packets.capacity() {
        let rest = unread.get(taken..).unwrap_or_default();
        let Some(prefix) = rest.first_chunk::<PREFIX_LEN>() else {
            break;
        };
        let length = usize::from(u16::from_be_bytes(*prefix));
        if length == 0 {
            return Err(EmptyFrame);
        }
        if rest.len() < PREFIX_LEN + length {
            break;
        }
        let start = taken + PREFIX_LEN;
        taken = start + length;
        packets.push(start..taken);
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `stream` in pieces of the given sizes (used in turn), with room for `batch` packets at a time.
    fn read(stream: &[u8], pieces: &[usize], batch: usize) -> Result<Vec<Vec<u8>>, EmptyFrame> {
        let (mut unread, mut rest) = (Vec::new(), stream);
        let mut packets = Vec::new();
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            unread.extend_from_slice(now);
            rest = later;
            let mut found = Vec::with_capacity(batch);
            let room = found.capacity();
            let taken = split_frames(&unread, &mut found)?;
            assert_eq!(found.capacity(), room, "nothing is allocated");
            packets.extend(found.iter().cloned().map(|range| unread[range].to_vec()));
            unread.drain(..taken);
            if rest.is_empty() && found.is_empty() {
                break;
            }
        }
        Ok(packets)
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..20),
            pieces in proptest::collection::vec(1_usize..70, 1..20),
            batch in 1_usize..8,
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                stream.extend(prefix(packet.len()).unwrap());
                stream.extend(packet);
            }
            prop_assert_eq!(read(&stream, &pieces, batch), Ok(packets));
        }

        #[test]
        fn no_stream_panics(
            stream in proptest::collection::vec(any::<u8>(), 0..400),
            pieces in proptest::collection::vec(1_usize..70, 1..20),
        ) {
            let _ = read(&stream, &pieces, 4);
        }
    }

    #[test]
    fn a_frame_of_no_length_ends_the_stream() {
        assert_eq!(read(&[0, 1, 9, 0, 0, 0, 1, 8], &[1], 4), Err(EmptyFrame));
    }

    #[test]
    fn without_room_the_rest_stays_where_it_is() {
        let mut packets = Vec::with_capacity(1);
        assert_eq!(split_frames(&[0, 1, 7, 0, 1, 8], &mut packets), Ok(3));
        assert_eq!(packets.first(), Some(&(2..3)));
        assert_eq!(split_frames(&[0, 1, 8], &mut packets), Ok(0));
    }

    #[test]
    fn only_lengths_that_fit_have_a_prefix() {
        assert_eq!(prefix(0), None);
        assert_eq!(prefix(0x0102), Some([1, 2]));
        assert_eq!(prefix(0x1_0000), None);
    }
}
