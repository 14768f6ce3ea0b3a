//! `Connection`: the sans-I/O API of one attempt; sorts datagrams, carries keys from control to data.

use std::ops::Range;
use std::time::Instant;

use super::config::ConnectionConfig;
use super::data::stats::Stats;
use super::event::{Input, Output};

/// One attempt at one remote. Owns no socket, reads no clock, spawns nothing.
///
/// After every input, call [`Connection::poll_output`] until it says [`Output::Wait`].
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// Begins an attempt; the first outputs are ready at once.
    #[must_use]
    pub fn new(_config: ConnectionConfig, _now: Instant) -> Self {
        Self {}
    }

    /// Takes a deadline, an answer or an order.
    pub fn handle_input(&mut self, _now: Instant, _input: Input) {}

    /// Takes one packet from the network. A data packet is opened where it lies: the answer is where in `packet` the
    /// tunnelled IP packet is. Control packets and keepalive give `None`. May be called for many packets in a row
    /// before the outputs are drained.
    pub fn open(&mut self, _now: Instant, _packet: &mut [u8]) -> Option<Range<usize>> {
        None
    }

    /// How many bytes [`Connection::seal`] needs in front of a payload (exactly) and behind it (at most).
    #[must_use]
    pub fn seal_room(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Seals the IP packet at `payload` in `buffer` where it lies; the answer is where in `buffer` the finished packet
    /// is. `None`: no key yet, or nothing may be sent.
    pub fn seal(
        &mut self,
        _now: Instant,
        _buffer: &mut [u8],
        _payload: Range<usize>,
    ) -> Option<Range<usize>> {
        None
    }

    /// The data channel's counters: tunnel traffic and drops.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// The next thing to do. [`Output::Wait`] ends the drain.
    pub fn poll_output(&mut self) -> Output<'_> {
        Output::Wait {
            until: None,
            name: "",
        }
    }
}
