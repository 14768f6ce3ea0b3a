//! Packets into order; acks owed.

use std::collections::VecDeque;

use crate::wire::control::AckList;

/// The messages of one key that came in, and the acknowledgements that go out for them.
#[derive(Debug, Default)]
pub struct RecvWindow {
    /// The id of the message to be delivered next.
    next_id: u32,
    /// The messages from `next_id` on, as far as they are here.
    ahead: VecDeque<Option<Vec<u8>>>,
    /// What was delivered and not read.
    ready: Vec<u8>,
    /// Ids to acknowledge, the oldest first, each once.
    owed: VecDeque<u32>,
    /// Ids acknowledged lately, the newest first: repeated where a packet has room, in case one got lost.
    recent: VecDeque<u32>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// It, and maybe others that waited for it, are delivered.
    Delivered,
    /// It came before, and is acknowledged once more.
    Repeated,
    /// It waits for an earlier one.
    Stored,
    /// It is too far ahead, or too much is unread: dropped, not acknowledged.
    TooFar,
}

impl RecvWindow {
    /// Takes a message in.
    pub fn receive(&mut self, message_id: u32, payload: &[u8]) -> Receipt {
        let Some(offset) = message_id.checked_sub(self.next_id) else {
            self.owe(message_id);
            return Receipt::Repeated;
        };
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        if offset >= WINDOW || self.ready.len() > UNREAD_MAX {
            return Receipt::TooFar;
        }
        if self.ahead.len() <= offset {
            self.ahead.resize(offset + 1, None);
        }
        let slot = &mut self.ahead[offset];
        if slot.is_some() {
            self.owe(message_id);
            return Receipt::Repeated;
        }
        *slot = Some(payload.to_vec());
        self.owe(message_id);
        self.deliver();
        if offset == 0 {
            Receipt::Delivered
        } else {
            Receipt::Stored
        }
    }

    /// Whether nothing was delivered yet, not even the reset.
    #[must_use]
    pub const fn is_untouched(&self) -> bool {
        self.next_id == 0
    }

    /// All that was delivered and not read before.
    pub fn read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Whether acknowledgements are owed.
    #[must_use]
    pub fn owes_acks(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Up to `most` acknowledgements: those owed, then recent ones once more.
    pub fn take_acks(&mut self, most: usize) -> AckList {
        let most = most.min(AckList::MAX);
        for message_id in self.owed.drain(..most.min(self.owed.len())) {
            self.recent.retain(|recent| *recent != message_id);
            self.recent.push_front(message_id);
        }
        self.recent.truncate(RECENT);
        self.recent.iter().copied().take(most).collect()
    }

    /// Moves what is in order to where it can be read.
    fn deliver(&mut self) {
        while let Some(Some(payload)) = self.ahead.front_mut().map(Option::take) {
            self.ahead.pop_front();
            self.ready.extend(payload);
            self.next_id = self.next_id.saturating_add(1);
        }
    }

    /// A list that is full leaves the id out: the peer sends the message again then.
    fn owe(&mut self, message_id: u32) {
        if self.owed.len() < OWED_MAX && !self.owed.contains(&message_id) {
            self.owed.push_back(message_id);
        }
    }
}

/// How far ahead of the next message another may be.
const WINDOW: usize = 12;
/// How many acknowledgements are remembered to be repeated.
const RECENT: usize = 8;
/// How many acknowledgements may be owed.
const OWED_MAX: usize = 2 * WINDOW;
/// With more unread bytes than this, nothing is taken in.
const UNREAD_MAX: usize = 128 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_read_in_order_however_they_came() {
        let mut window = RecvWindow::default();
        assert_eq!(window.receive(2, b"c"), Receipt::Stored);
        assert_eq!(window.receive(1, b"b"), Receipt::Stored);
        assert!(window.is_untouched());
        assert_eq!(window.read(), b"");
        assert_eq!(window.receive(0, b"a"), Receipt::Delivered);
        assert_eq!(window.receive(1, b"x"), Receipt::Repeated);
        assert_eq!(window.read(), b"abc");
        assert_eq!(window.take_acks(4)[..], [0, 1, 2]);
    }

    #[test]
    fn twelve_messages_ahead_are_taken_and_no_more() {
        let mut window = RecvWindow::default();
        assert_eq!(window.receive(12, b"x"), Receipt::TooFar);
        assert!(!window.owes_acks());
        assert_eq!(window.receive(11, b"x"), Receipt::Stored);
        assert_eq!(window.receive(11, b"x"), Receipt::Repeated);
        assert_eq!(window.receive(u32::MAX, b"x"), Receipt::TooFar);
    }

    #[test]
    fn acks_are_repeated_where_there_is_room() {
        let mut window = RecvWindow::default();
        for message_id in 0..6 {
            window.receive(message_id, b"");
        }
        assert_eq!(window.take_acks(4)[..], [3, 2, 1, 0]);
        assert!(window.owes_acks());
        assert_eq!(window.take_acks(8)[..], [5, 4, 3, 2, 1, 0]);
        assert!(!window.owes_acks());
        assert_eq!(window.take_acks(4)[..], [5, 4, 3, 2]);
        window.receive(3, b"");
        assert_eq!(window.take_acks(4)[..], [3, 5, 4, 2]);
    }

    #[test]
    fn a_reader_that_does_not_read_stops_the_peer() {
        let mut window = RecvWindow::default();
        let mut message_id = 0;
        while window.receive(message_id, &[0; 60_000]) == Receipt::Delivered {
            message_id += 1;
        }
        assert_eq!(message_id, 3);
        assert_eq!(window.read().len(), 180_000);
        assert_eq!(window.receive(3, b"x"), Receipt::Delivered);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_every_message_is_read_once(
            ids in proptest::collection::vec(0_u32..60, 0..400),
        ) {
            let mut window = RecvWindow::default();
            let mut read = Vec::new();
            for message_id in ids {
                window.receive(message_id, &[u8::try_from(message_id).unwrap()]);
                prop_assert!(window.ahead.len() <= WINDOW && window.owed.len() <= OWED_MAX);
                read.extend(window.read());
            }
            let expected: Vec<u8> = (0..60).take(read.len()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
