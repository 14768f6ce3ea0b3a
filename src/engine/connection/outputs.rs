//! The queue of what a connection wants done.

use std::collections::VecDeque;

use crate::event::{Event, Output};

/// Events and packets in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<Queued>,
    /// The packet that is lent out.
    lent: Vec<u8>,
}

#[derive(Debug)]
enum Queued {
    Event(Event),
    Transmit(Vec<u8>),
}

impl Outputs {
    pub(super) fn event(&mut self, event: Event) {
        self.queue.push_back(Queued::Event(event));
    }

    pub(super) fn transmit(&mut self, packet: &[u8]) {
        self.queue.push_back(Queued::Transmit(packet.to_vec()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next one; an empty packet if there is none.
    pub(super) fn take(&mut self) -> Output<'_> {
        match self.queue.pop_front() {
            Some(Queued::Event(event)) => Output::Event(event),
            Some(Queued::Transmit(packet)) => {
                self.lent = packet;
                Output::Transmit(&self.lent)
            }
            None => Output::Transmit(&[]),
        }
    }
}
