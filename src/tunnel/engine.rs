//! What the loop drives: a connection, or in tests and benchmarks its data plane alone.

use std::ops::Range;
use std::time::Instant;

use openvpn_engine::connection::Connection;
use openvpn_engine::data::Stats;
use openvpn_engine::event::{Input, Output};

/// The sans-I/O face of a connection. After every input, [`Engine::poll_output`] is called until it waits.
pub(crate) trait Engine {
    /// Takes a deadline, an answer or an order.
    fn handle_input(&mut self, now: Instant, input: Input);
    /// Takes one packet from the network; the answer is where in it the tunnelled packet is.
    fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>>;
    /// The tunnelled packet that the packet opened last held in compressed form. Each is given once.
    fn take_inflated(&mut self) -> Option<&mut [u8]> {
        None
    }
    /// How many bytes sealing needs in front of a payload (exactly) and behind it (at most).
    fn seal_room(&self) -> (usize, usize);

    /// Whether packets of the device can be sealed now; without a key they wait where they are.
    fn can_seal(&self) -> bool {
        self.seal_room() != (0, 0)
    }
    /// Seals the tunnelled packet at `payload`; the answer is where the finished packet is.
    fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>>;
    /// The next thing to do.
    fn poll_output(&mut self) -> Output<'_>;
    /// The engine's counters.
    fn stats(&self) -> Stats;
}

impl Engine for Connection {
    fn handle_input(&mut self, now: Instant, input: Input) {
        Self::handle_input(self, now, input);
    }

    fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        Self::open(self, now, packet)
    }

    fn take_inflated(&mut self) -> Option<&mut [u8]> {
        Self::take_inflated(self)
    }

    fn seal_room(&self) -> (usize, usize) {
        Self::seal_room(self)
    }

    fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        Self::seal(self, now, buffer, payload)
    }

    fn poll_output(&mut self) -> Output<'_> {
        Self::poll_output(self)
    }

    fn stats(&self) -> Stats {
        Self::stats(self)
    }
}
