//! The two-byte length prefix of TCP, resumable at any byte.

use thiserror::Error;

/// The length of the prefix in bytes.
pub const PREFIX_LEN: usize = 2;

/// The prefix of a packet of `len` bytes; `None` if it is empty or has more than 65535.
#[must_use]
pub fn prefix(len: usize) -> Option<[u8; PREFIX_LEN]> {
    let len = u16::try_from(len).ok().filter(|len| *len > 0)?;
    Some(len.to_be_bytes())
}

/// Takes a byte stream in pieces of any size and hands out the packets in it, where they lie.
///
/// Read from the socket into [`Frames::space`], say with [`Frames::filled`] how much came, then take every packet
/// with [`Frames::next_frame`] until there is none.
#[derive(Debug)]
pub struct Frames {
    buffer: Box<[u8]>,
    /// The first byte not handed out.
    start: usize,
    /// Behind the last byte received.
    end: usize,
    longest: usize,
    broken: Option<FrameError>,
}

impl Frames {
    /// A buffer of `capacity` bytes, or as many as one packet needs; packets may have up to `longest` bytes.
    #[must_use]
    pub fn new(capacity: usize, longest: u16) -> Self {
        let longest = usize::from(longest);
        Self {
            buffer: vec![0; capacity.max(longest + PREFIX_LEN)].into_boxed_slice(),
            start: 0,
            end: 0,
            longest,
            broken: None,
        }
    }

    /// Where the next bytes of the stream go; never empty once every packet was taken.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            // At most the beginning of one packet, and that once for each read.
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// The first `len` bytes of [`Frames::space`] were filled.
    pub fn filled(&mut self, len: usize) {
        self.end = self.end.saturating_add(len).min(self.buffer.len());
    }

    /// The next whole packet, without its prefix; `None` if more bytes are needed first.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the prefix cannot be right. The stream is of no use after that: the error stays.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameError> {
        if let Some(error) = self.broken {
            return Err(error);
        }
        let pending = &self.buffer[self.start..self.end];
        let Some(prefix) = pending.first_chunk::<PREFIX_LEN>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*prefix));
        if len == 0 || len > self.longest {
            let error = if len == 0 {
                FrameError::Empty
            } else {
                FrameError::TooLong { len }
            };
            self.broken = Some(error);
            return Err(error);
        }
        if pending.len() < PREFIX_LEN + len {
            return Ok(None);
        }
        let begin = self.start + PREFIX_LEN;
        self.start = begin + len;
        Ok(Some(&mut self.buffer[begin..begin + len]))
    }
}

/// The stream is no stream of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A packet without bytes.
    #[error("the stream has a packet of length zero")]
    Empty,
    /// A packet beyond the limit.
    #[error("the stream has a packet of {len} bytes, which is too long")]
    TooLong {
        /// Its length.
        len: usize,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Feeds `stream` in pieces of the given sizes (used in turn) and collects the packets.
    fn run(
        frames: &mut Frames,
        stream: &[u8],
        pieces: &[usize],
    ) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut rest = stream;
        let mut packets = Vec::new();
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let space = frames.space();
            assert!(!space.is_empty(), "a drained buffer has room");
            let len = (*piece).min(rest.len()).min(space.len());
            space[..len].copy_from_slice(&rest[..len]);
            rest = &rest[len..];
            frames.filled(len);
            while let Some(packet) = frames.next_frame()? {
                packets.push(packet.to_vec());
            }
        }
        Ok(packets)
    }

    proptest! {
        #[test]
        fn packets_come_out_as_they_went_in_however_the_stream_is_cut(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..50), 0..20),
            pieces in proptest::collection::vec(1_usize..70, 1..20),
            capacity in 0_usize..300,
        ) {
            let mut stream = Vec::new();
            for packet in &packets {
                stream.extend(prefix(packet.len()).unwrap());
                stream.extend(packet);
            }
            prop_assert_eq!(run(&mut Frames::new(capacity, 50), &stream, &pieces), Ok(packets));
        }

        #[test]
        fn no_stream_panics(
            stream in proptest::collection::vec(any::<u8>(), 0..400),
            pieces in proptest::collection::vec(1_usize..70, 1..20),
        ) {
            let _ = run(&mut Frames::new(0, 600), &stream, &pieces);
        }
    }

    #[test]
    fn an_impossible_length_ends_the_stream_for_good() {
        let mut frames = Frames::new(100, 50);
        assert_eq!(run(&mut frames, &[0, 0], &[1]), Err(FrameError::Empty));
        assert_eq!(frames.next_frame(), Err(FrameError::Empty));
        let mut frames = Frames::new(100, 50);
        assert_eq!(
            run(&mut frames, &[0, 51], &[1]),
            Err(FrameError::TooLong { len: 51 })
        );
    }

    #[test]
    fn only_lengths_that_fit_have_a_prefix() {
        assert_eq!(prefix(0), None);
        assert_eq!(prefix(0x0102), Some([1, 2]));
        assert_eq!(prefix(0x1_0000), None);
    }
}
