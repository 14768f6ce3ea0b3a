//! Payloads that the peer has cut into several packets (`fragment`), put together again. We cut none ourselves: the
//! device's MTU sees to it that every packet fits whole.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::stats::DropReason;

/// The header in front of each payload; all of it is zero where the payload is whole.
pub(super) const HEADER: usize = 4;

/// Puts the header of a whole payload in front of it; the answer is where both lie.
#[inline]
pub(super) fn mark_whole(
    buffer: &mut [u8],
    payload: Range<usize>,
) -> Result<Range<usize>, DropReason> {
    let start = payload
        .start
        .checked_sub(HEADER)
        .ok_or(DropReason::Buffer)?;
    buffer
        .get_mut(start..payload.start)
        .ok_or(DropReason::Buffer)?
        .fill(0);
    Ok(start..payload.end)
}

/// What a payload with its header is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// The last one that was missing, and with it the whole.
    Joined(Vec<u8>),
    /// One of several; others are still missing.
    Part,
    /// A whole payload, behind the header.
    Whole,
}

/// Payloads of which not all is there, by their number.
#[derive(Debug)]
pub(super) struct Joiner {
    partials: [Option<Partial>; AT_ONCE],
    longest: usize,
    lent: Vec<u8>,
}

#[derive(Debug)]
struct Partial {
    sequence: u8,
    /// The size of all pieces but the last.
    size: usize,
    /// A bit for each piece that is there.
    have: u32,
    /// The bits of all pieces, once the last one has shown how many there are.
    all: Option<u32>,
    bytes: Vec<u8>,
    begun: Instant,
}

impl Joiner {
    /// For payloads of at most `longest` bytes.
    pub(super) fn new(longest: usize) -> Self {
        Self {
            partials: std::array::from_fn(|_| None),
            longest,
            lent: Vec::new(),
        }
    }

    /// Takes a payload with its header.
    ///
    /// # Errors
    ///
    /// [`DropReason::Buffer`] if the header contradicts the payload, or the whole becomes too long.
    pub(super) fn take(&mut self, now: Instant, payload: &[u8]) -> Result<Piece, DropReason> {
        let (header, body) = payload.split_first_chunk().ok_or(DropReason::Buffer)?;
        let header = Header::from(*header);
        let size = match header.kind {
            WHOLE => return Ok(Piece::Whole),
            NOT_LAST => body.len(),
            LAST => header.size,
            _ => return Ok(Piece::Part),
        };
        if size == 0 || body.len() > size {
            return Err(DropReason::Buffer);
        }
        let start = usize::from(header.piece) * size;
        let end = start + body.len();
        if end > self.longest {
            return Err(DropReason::Buffer);
        }
        let slot = self
            .partials
            .get_mut(usize::from(header.sequence) % AT_ONCE)
            .ok_or(DropReason::Buffer)?;
        let fits = |partial: &Partial| {
            partial.sequence == header.sequence
                && partial.size == size
                && now.saturating_duration_since(partial.begun) < PATIENCE
        };
        if !slot.as_ref().is_some_and(fits) {
            *slot = Some(Partial::new(header.sequence, size, now));
        }
        let partial = slot.as_mut().ok_or(DropReason::Buffer)?;
        partial.put(start, body, header.piece);
        if header.kind == LAST {
            partial.bytes.truncate(end);
            partial.all = Some(u32::MAX >> (31 - u32::from(header.piece)));
        }
        if partial.is_complete() {
            let whole = slot.take().map(|partial| partial.bytes);
            return Ok(Piece::Joined(whole.unwrap_or_default()));
        }
        Ok(Piece::Part)
    }

    /// Keeps a joined payload for as long as it is looked at.
    pub(super) fn lend(&mut self, whole: Vec<u8>) -> &mut [u8] {
        self.lent = whole;
        &mut self.lent
    }
}

impl Partial {
    const fn new(sequence: u8, size: usize, now: Instant) -> Self {
        Self {
            sequence,
            size,
            have: 0,
            all: None,
            bytes: Vec::new(),
            begun: now,
        }
    }

    fn put(&mut self, start: usize, body: &[u8], piece: u8) {
        let end = start + body.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(place) = self.bytes.get_mut(start..end) {
            place.copy_from_slice(body);
        }
        self.have |= 1 << piece;
    }

    fn is_complete(&self) -> bool {
        self.all.is_some_and(|all| self.have & all == all)
    }
}

/// What the header says.
#[derive(Debug, Clone, Copy)]
struct Header {
    kind: u32,
    sequence: u8,
    /// The piece's number, 0 to 31.
    piece: u8,
    /// The size of the other pieces, where this one is the last.
    size: usize,
}

impl From<[u8; HEADER]> for Header {
    fn from(bytes: [u8; HEADER]) -> Self {
        let word = u32::from_be_bytes(bytes);
        let low_byte = |word: u32| word.to_be_bytes()[3];
        Self {
            kind: word & 3,
            sequence: low_byte(word >> 2),
            piece: low_byte(word >> 10) & 0x1f,
            size: usize::try_from(word >> 15 & 0x3fff).unwrap_or(0) * 4,
        }
    }
}

const WHOLE: u32 = 0;
const NOT_LAST: u32 = 1;
const LAST: u32 = 2;
/// As many payloads may be incomplete at the same time.
const AT_ONCE: usize = 32;
/// So long pieces wait for the others.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::start;

    /// The pieces of a payload, as a peer makes them.
    fn cut(payload: &[u8], size: usize, sequence: u32) -> Vec<Vec<u8>> {
        let count = payload.chunks(size).count();
        let pieces = payload.chunks(size).enumerate();
        pieces
            .map(|(at, body)| {
                let at_word = u32::try_from(at).unwrap();
                let (kind, size) = if at + 1 == count {
                    (LAST, u32::try_from(size / 4).unwrap())
                } else {
                    (NOT_LAST, 0)
                };
                let word = kind | sequence << 2 | at_word << 10 | size << 15;
                [&word.to_be_bytes(), body].concat()
            })
            .collect()
    }

    #[test]
    fn a_whole_payload_is_left_where_it_is() {
        let mut joiner = Joiner::new(1500);
        assert_eq!(joiner.take(start(), &[0, 0, 0, 0, 0x45]), Ok(Piece::Whole));
    }

    #[test]
    fn pieces_that_come_too_late_are_of_no_use() {
        let mut joiner = Joiner::new(1500);
        let pieces = cut(&[7; 100], 80, 3);
        assert_eq!(joiner.take(start(), &pieces[0]), Ok(Piece::Part));
        let late = start() + Duration::from_secs(11);
        assert_eq!(joiner.take(late, &pieces[1]), Ok(Piece::Part));
    }

    #[test]
    fn what_becomes_too_long_is_refused() {
        let mut joiner = Joiner::new(99);
        let pieces = cut(&[7; 100], 80, 3);
        assert_eq!(joiner.take(start(), &pieces[0]), Ok(Piece::Part));
        assert_eq!(joiner.take(start(), &pieces[1]), Err(DropReason::Buffer));
    }

    proptest! {
        #[test]
        fn pieces_in_any_order_and_among_others_become_the_whole(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..400), 1..20),
            size in 4_usize..60,
            order in any::<u64>()
        ) {
            let size = size * 4;
            let mut joiner = Joiner::new(400);
            let mut pieces: Vec<(usize, Vec<u8>)> = Vec::new();
            for (sequence, payload) in payloads.iter().enumerate() {
                let number = u32::try_from(sequence + 250).unwrap() % 256;
                pieces.extend(cut(payload, size, number).into_iter().map(|piece| (sequence, piece)));
            }
            let mut state = order | 1;
            pieces.sort_by_cached_key(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state >> 33
            });
            let mut joined = 0;
            for (sequence, piece) in pieces {
                if let Ok(Piece::Joined(whole)) = joiner.take(start(), &piece) {
                    prop_assert_eq!(&whole, &payloads[sequence]);
                    joined += 1;
                }
            }
            prop_assert_eq!(joined, payloads.len());
        }

        #[test]
        fn no_bytes_make_it_panic(
            packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..50)
        ) {
            let mut joiner = Joiner::new(100);
            for packet in packets {
                drop(joiner.take(start(), &packet));
            }
        }
    }
}
