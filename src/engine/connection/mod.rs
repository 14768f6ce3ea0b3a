//! `Connection`: the sans-I/O API of one attempt; sorts datagrams, carries keys from control to data.

mod agree;
mod conversation;
mod data_channel;
mod exit_notification;
mod icmp_echo;
mod liveness_check;
mod open;
mod outputs;
mod path_probe;

use std::ops::Range;
use std::time::Instant;

use self::open::OpenConnection;
use self::outputs::Outputs;
use super::config::ConnectionConfig;
use super::data::stats::Stats;
use super::event::{Ended, Event, Input, Output, Stage};
use super::wire::head::PacketHead;

/// One attempt at one remote. Owns no socket, reads no clock, spawns nothing.
///
/// After every input, call [`Connection::poll_output`] until it says [`Output::Wait`].
#[derive(Debug)]
pub struct Connection {
    state: State,
    outputs: Outputs,
    now: Instant,
}

#[derive(Debug)]
enum State {
    OpenConnection(Box<OpenConnection>),
    /// Every input is ignored; the counters stay readable.
    Over(Box<Stats>),
}

impl Connection {
    /// Begins an attempt; the first outputs are ready at once.
    #[must_use]
    pub fn new(config: ConnectionConfig, now: Instant) -> Self {
        let mut outputs = Outputs::default();
        outputs.event(Event::Stage(Stage::Waiting));
        let state = match OpenConnection::new(config, now) {
            Ok(live) => State::OpenConnection(Box::new(live)),
            Err(error) => {
                outputs.event(Event::Ended(Ended::Failed(error)));
                State::Over(Box::default())
            }
        };
        Self {
            state,
            outputs,
            now,
        }
    }

    /// Takes a deadline, an answer or an order.
    pub fn handle_input(&mut self, now: Instant, input: Input) {
        self.now = now;
        if let State::OpenConnection(live) = &mut self.state {
            let result = live.handle_input(now, input, &mut self.outputs);
            self.conclude(result);
        }
    }

    /// Takes one packet from the network. A data packet is opened where it lies: the answer is where in `packet` the
    /// tunnelled IP packet is. Control packets and keepalive give `None`. A compressed packet gives `None` too:
    /// [`Connection::take_inflated`] has it. May be called for many packets in a row before the outputs are drained.
    pub fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        self.now = now;
        match &mut self.state {
            State::OpenConnection(live) if is_data(packet) => live.open_data(now, packet),
            State::OpenConnection(live) => {
                let result = live.open_control(now, packet, &mut self.outputs);
                self.conclude(result);
                None
            }
            State::Over(_) => None,
        }
    }

    /// The IP packet that the packet opened last held in compressed form. Each is given once.
    pub fn take_inflated(&mut self) -> Option<&mut [u8]> {
        match &mut self.state {
            State::OpenConnection(live) => live.take_inflated(self.now),
            State::Over(_) => None,
        }
    }

    /// How many bytes [`Connection::seal`] needs in front of a payload (exactly) and behind it (at most).
    #[must_use]
    pub fn seal_room(&self) -> (usize, usize) {
        match &self.state {
            State::OpenConnection(live) => live.seal_room(),
            State::Over(_) => (0, 0),
        }
    }

    /// Seals the IP packet at `payload` in `buffer` where it lies; the answer is where in `buffer` the finished packet
    /// is. `None`: no key yet, or nothing may be sent.
    pub fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        match &mut self.state {
            State::OpenConnection(live) => live.seal(now, buffer, payload),
            State::Over(_) => None,
        }
    }

    /// The counters of tunnel traffic and of drops, those of control packets included.
    #[must_use]
    pub fn stats(&self) -> Stats {
        match &self.state {
            State::OpenConnection(live) => live.stats(),
            State::Over(stats) => **stats,
        }
    }

    /// The next thing to do. [`Output::Wait`] ends the drain.
    pub fn poll_output(&mut self) -> Output<'_> {
        if self.outputs.is_empty() {
            if let State::OpenConnection(live) = &mut self.state {
                let result = live.process(self.now, &mut self.outputs);
                self.conclude(result);
            }
        }
        if self.outputs.is_empty() {
            let (until, name) = match &self.state {
                State::OpenConnection(live) => live.deadline().unzip(),
                State::Over(_) => (None, None),
            };
            let name = name.unwrap_or("nothing");
            return Output::Wait { until, name };
        }
        self.outputs.take()
    }

    /// Ends the attempt if `result` says so; what is to be sent is sent before.
    fn conclude(&mut self, result: Result<(), Ended>) {
        let (Err(ended), State::OpenConnection(live)) = (result, &mut self.state) else {
            return;
        };
        live.flush(self.now, &mut self.outputs);
        self.outputs.event(Event::Ended(ended));
        self.state = State::Over(Box::new(live.stats()));
    }
}

fn is_data(packet: &[u8]) -> bool {
    packet
        .first()
        .and_then(|byte| PacketHead::decode(*byte).ok())
        .is_some_and(|head| head.opcode.is_data())
}
