//! What is unacknowledged, and when to send it again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::config::Transport;
use crate::wire::head::Opcode;

/// The messages of one key that the peer has not acknowledged, at most six.
#[derive(Debug)]
pub struct SendWindow {
    next_id: u32,
    /// In the order of their ids.
    outstanding: VecDeque<Outstanding>,
    /// What the peer has, to be sent once more so that it is acknowledged once more.
    question: Option<Outstanding>,
    transport: Transport,
    timeout: Duration,
}

/// A message on its way.
#[derive(Debug)]
pub struct Outstanding {
    /// Its number.
    pub message_id: u32,
    /// What it is sent as, each time.
    pub opcode: Opcode,
    /// Its payload.
    pub payload: Vec<u8>,
    /// `None`: never again by itself.
    due: Option<Instant>,
    timeout: Duration,
    later_acks: u8,
}

impl SendWindow {
    /// An empty window. On UDP a message is sent again after `timeout`, then after twice that, and so on.
    #[must_use]
    pub const fn new(transport: Transport, timeout: Duration) -> Self {
        Self {
            next_id: 0,
            outstanding: VecDeque::new(),
            question: None,
            transport,
            timeout,
        }
    }

    /// The number that the next message gets.
    #[must_use]
    pub const fn next_id(&self) -> u32 {
        self.next_id
    }

    /// Whether another message may be added: at most six from the oldest that is unacknowledged.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let oldest = self
            .outstanding
            .front()
            .map_or(self.next_id, |first| first.message_id);
        self.next_id < u32::MAX && self.next_id - oldest < WINDOW
    }

    /// Whether everything is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outstanding.is_empty()
    }

    /// Adds a message, to be sent at once. The caller has asked [`SendWindow::has_room`].
    pub fn push(&mut self, now: Instant, opcode: Opcode, payload: Vec<u8>) {
        self.outstanding.push_back(Outstanding {
            message_id: self.next_id,
            opcode,
            payload,
            due: Some(now),
            timeout: self.timeout,
            later_acks: 0,
        });
        self.next_id = self.next_id.saturating_add(1);
    }

    /// The peer has this message. When three later ones arrived before it, a message is taken for lost.
    pub fn acknowledge(&mut self, now: Instant, message_id: u32) {
        let Ok(index) = self
            .outstanding
            .binary_search_by_key(&message_id, |message| message.message_id)
        else {
            return;
        };
        self.outstanding.remove(index);
        for earlier in self.outstanding.iter_mut().take(index) {
            earlier.later_acks = earlier.later_acks.saturating_add(1);
            if earlier.later_acks == LATER_ACKS && self.transport == Transport::Udp {
                earlier.due = Some(now);
            }
        }
    }

    /// Has the peer acknowledge something, to see whether it is there: what is on its way is sent once more at once (on
    /// TCP it is anyway); where nothing is, the last message, without what was in it. A peer acknowledges what it knows
    /// as often as it comes, and looks at it no further.
    pub fn ask_again(&mut self, now: Instant) {
        if !self.is_empty() {
            self.hasten(now);
            return;
        }
        // The first message of a key is a reset.
        let last = self.next_id.checked_sub(1).filter(|last| *last > 0);
        self.question = last.map(|message_id| Outstanding {
            message_id,
            opcode: Opcode::Control,
            payload: Vec::new(),
            due: Some(now),
            timeout: self.timeout,
            later_acks: 0,
        });
    }

    /// On UDP: sends everything at once, because the peer is known to listen now.
    pub fn hasten(&mut self, now: Instant) {
        if self.transport == Transport::Udp {
            for message in &mut self.outstanding {
                message.due = Some(now);
            }
        }
    }

    /// A message to be sent at `now`; it is taken for sent.
    pub fn take_due(&mut self, now: Instant) -> Option<&Outstanding> {
        let is_due = |message: &Outstanding| message.due.is_some_and(|due| due <= now);
        if self.question.as_ref().is_some_and(is_due) {
            let question = self.question.as_mut();
            return question.map(|question| {
                question.due = None;
                &*question
            });
        }
        let message = self.outstanding.iter_mut().find(|it| is_due(it))?;
        message.later_acks = 0;
        message.due = match self.transport {
            Transport::Tcp => None,
            Transport::Udp => Some(now + message.timeout),
        };
        message.timeout = (message.timeout * 2).min(LONGEST.max(self.timeout));
        Some(message)
    }

    /// When [`SendWindow::take_due`] has something next.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.outstanding
            .iter()
            .chain(&self.question)
            .filter_map(|message| message.due)
            .min()
    }
}

/// Old servers take eight messages ahead at most, and this many are enough.
const WINDOW: u32 = 6;
/// After so many later acknowledgements a message is taken for lost.
const LATER_ACKS: u8 = 3;
/// The back-off ends here: on a link that loses a third of all packets, the six tries that doubling alone leaves in a hand
/// window of a minute are too few for one negotiation in 150.
const LONGEST: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    const SECOND: Duration = Duration::from_secs(1);

    fn window(transport: Transport, now: Instant, messages: u8) -> SendWindow {
        let mut window = SendWindow::new(transport, SECOND);
        for number in 0..messages {
            window.push(now, Opcode::Control, vec![number]);
        }
        window
    }

    fn due(window: &mut SendWindow, now: Instant) -> Vec<u32> {
        std::iter::from_fn(|| window.take_due(now).map(|message| message.message_id)).collect()
    }

    #[test]
    fn a_message_is_sent_again_with_doubling_pauses_up_to_eight_seconds() {
        let begin = start();
        let mut window = window(Transport::Udp, begin, 1);
        let mut sent = Vec::new();
        while sent.len() < 9 {
            let now = window.deadline().unwrap();
            sent.push((now - begin).as_secs());
            assert_eq!(due(&mut window, now), [0]);
        }
        assert_eq!(sent, [0, 1, 3, 7, 15, 23, 31, 39, 47]);
    }

    #[test]
    fn on_tcp_nothing_is_sent_twice() {
        let now = start();
        let mut window = window(Transport::Tcp, now, 5);
        assert_eq!(due(&mut window, now), [0, 1, 2, 3, 4]);
        for message_id in 1..5 {
            window.acknowledge(now, message_id);
        }
        window.hasten(now);
        assert_eq!(window.deadline(), None);
        assert_eq!(due(&mut window, now + 100 * SECOND), [0; 0]);
    }

    #[test]
    fn three_later_acks_send_a_message_at_once() {
        let now = start();
        let mut window = window(Transport::Udp, now, 5);
        assert_eq!(due(&mut window, now).len(), 5);
        for message_id in [1, 2, 2, 2] {
            window.acknowledge(now, message_id);
        }
        assert_eq!(due(&mut window, now), [0; 0], "one ack repeated is one ack");
        window.acknowledge(now, 3);
        assert_eq!(due(&mut window, now), [0]);
        window.acknowledge(now, 4);
        assert_eq!(due(&mut window, now), [0; 0]);
    }

    #[test]
    fn six_messages_are_on_their_way_counted_from_the_oldest() {
        let now = start();
        let mut window = window(Transport::Udp, now, 6);
        assert!(!window.has_room());
        window.acknowledge(now, 3);
        assert!(!window.has_room());
        window.acknowledge(now, 0);
        assert!(window.has_room());
        window.acknowledge(now, 77);
        assert!(!window.is_empty());
    }
}
