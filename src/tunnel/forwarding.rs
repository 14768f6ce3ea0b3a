//! One attempt that lives: packets from socket to device and back, in bounded batches, and the drain law.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::ops::Range;
use std::task::Poll;
use std::time::{Duration, Instant};

use tracing::trace;

use crate::sys::calls;
use crate::tunnel::device::{Device, Read, is_lost, lost};
use crate::tunnel::engine::Engine;
use crate::tunnel::interrupt_moderation::InterruptModeration;
use crate::tunnel::transport::Transport;
use openvpn_engine::data::{Coalescer, Join};
use openvpn_engine::data::{DropReason, Stats};
use openvpn_engine::event::{Event, Input, Output};

/// An engine between its transport and the device.
#[derive(Debug)]
pub(crate) struct Forwarder<E> {
    engine: E,
    transport: Transport,
    packets: Vec<Range<usize>>,
    coalescer: Coalescer,
    /// The socket took less than there was: nothing is read from the device until it has taken the rest.
    backed_up: bool,
    pace: InterruptModeration,
    /// How long both faces are left alone before the next turn.
    rest: Option<Duration>,
    deadline: Option<Instant>,
    stats: Stats,
}

/// Which faces have work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may come with any other"
)]
pub(crate) struct Ready {
    receive: bool,
    send: bool,
    device: bool,
    /// The device is gone.
    lost: bool,
}

/// Whether the device survived.
pub(crate) type DeviceResult = io::Result<()>;

impl<E: Engine> Forwarder<E> {
    pub(crate) fn new(engine: E, transport: Transport, now: Instant) -> Self {
        Self {
            pace: InterruptModeration::new(transport.busy(), now),
            engine,
            transport,
            packets: Vec::with_capacity(PACKETS),
            coalescer: Coalescer::new(Join::Nothing, GROUPS),
            backed_up: false,
            rest: None,
            deadline: None,
            stats: Stats::default(),
        }
    }

    /// When the engine wants to be woken, as of the last drain.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// All counters of this attempt.
    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.engine.stats();
        stats.merge(self.transport.stats());
        stats.merge(&self.stats);
        stats
    }

    /// Waits until a face has work. Cancel-safe: nothing is taken from anywhere.
    pub(crate) async fn ready(&self, device: Option<&Device>) -> Ready {
        // Without a key to seal with, the packets wait where they are.
        let may_read = !self.backed_up && self.engine.can_seal();
        poll_fn(|context| {
            let ready = Ready {
                receive: self.transport.poll_receive(context).is_ready(),
                send: self.backed_up && self.transport.poll_send(context).is_ready(),
                device: may_read
                    && device.is_some_and(|device| device.poll_read(context).is_ready()),
                lost: device.is_some_and(|device| device.poll_lost(context).is_ready()),
            };
            if ready == Ready::default() {
                Poll::Pending
            } else {
                Poll::Ready(ready)
            }
        })
        .await
    }

    /// Does a bounded amount of work on each face that has some, then drains the engine. An error is the device's.
    pub(crate) fn work(
        &mut self,
        now: Instant,
        ready: Ready,
        device: &mut Option<Device>,
        events: &mut VecDeque<Event>,
    ) -> DeviceResult {
        let mut outcome = Ok(());
        if ready.send {
            self.flush(now, false);
        }
        if ready.receive {
            outcome = self.receive(now, device.as_ref());
            // Answers and acknowledgements go out before the device's packets take the socket.
            self.drain(now, events);
        }
        if ready.lost && outcome.is_ok() {
            outcome = Err(lost());
        }
        if ready.device && outcome.is_ok() {
            if let Some(device) = device.as_mut() {
                outcome = self.send(now, device);
            }
        }
        self.drain(now, events);
        self.rest = self.pace.turn(now);
        outcome
    }

    /// Leaves both faces alone for as long as the load allows. The thread does nothing else: it sleeps.
    pub(crate) fn rest(&mut self) {
        if let Some(rest) = self.rest.take() {
            calls::sleep(rest);
        }
    }

    /// Counts what was dropped before it came to us.
    pub(crate) fn count_overflow(&mut self, device: Option<&mut Device>) {
        self.transport.count_overflow();
        let dropped = device.map_or(0, Device::overflowed);
        self.stats.drop_many(DropReason::TunQueue, dropped);
    }

    /// Gives an input, then drains the engine.
    pub(crate) fn input(&mut self, now: Instant, input: Input, events: &mut VecDeque<Event>) {
        let followed = match &input {
            Input::PathChanged => self.transport.path_changed(),
            Input::Answer(_)
            | Input::AppControl { .. }
            | Input::Deadline
            | Input::PathLost
            | Input::Renegotiate
            | Input::Stop
            | Input::TransportFailed(_)
            | Input::Woke => Ok(()),
        };
        match followed {
            Ok(()) => self.engine.handle_input(now, input),
            Err(error) => self.transport_failed(now, &error),
        }
        self.drain(now, events);
    }

    /// Does what the engine wants until it waits. The one place that does.
    pub(crate) fn drain(&mut self, now: Instant, events: &mut VecDeque<Event>) {
        loop {
            let sent = match self.engine.poll_output() {
                Output::Event(event) => {
                    events.push_back(event);
                    continue;
                }
                Output::Transmit(packet) => self.transport.send(packet),
                Output::Wait { until, name } => {
                    trace!(name, "waiting");
                    self.deadline = until;
                    break;
                }
            };
            match sent {
                Ok(()) => self.backed_up |= !self.transport.outbound().is_empty(),
                Err(error) => self.transport_failed(now, &error),
            }
        }
    }

    /// Network to device.
    fn receive(&mut self, now: Instant, device: Option<&Device>) -> DeviceResult {
        self.coalescer
            .set_join(device.map_or(Join::Nothing, Device::join));
        for _ in 0..RECEIVES {
            self.packets.clear();
            let done = match self.transport.receive(&mut self.packets) {
                Ok(done) => done,
                Err(error) => {
                    self.transport_failed(now, &error);
                    return Ok(());
                }
            };
            self.pace.count(self.packets.len());
            for index in 0..self.packets.len() {
                self.open(now, device, index)?;
            }
            self.write(device)?;
            if done {
                break;
            }
        }
        Ok(())
    }

    /// Opens one packet of the batch and takes what is in it for the device.
    fn open(&mut self, now: Instant, device: Option<&Device>, index: usize) -> DeviceResult {
        let Some(place) = self.packets.get(index).cloned() else {
            return Ok(());
        };
        let arena = self.transport.arena();
        let Some(packet) = arena.get_mut(place.clone()) else {
            return Ok(());
        };
        let Some(payload) = self.engine.open(now, packet) else {
            return self.write_inflated(device);
        };
        let payload = place.start + payload.start..place.start + payload.end;
        self.coalescer.push(arena, payload);
        if self.coalescer.is_full() {
            return self.write(device);
        }
        Ok(())
    }

    /// Writes what was joined.
    fn write(&mut self, device: Option<&Device>) -> DeviceResult {
        let arena = self.transport.arena();
        write(arena, &mut self.coalescer, device, &mut self.stats)
    }

    /// Writes the packet that came compressed, if that was one: by itself, as it lies elsewhere, and behind what came
    /// before it.
    fn write_inflated(&mut self, device: Option<&Device>) -> DeviceResult {
        let Some(packet) = self.engine.take_inflated() else {
            return Ok(());
        };
        let arena = self.transport.arena();
        write(arena, &mut self.coalescer, device, &mut self.stats)?;
        self.coalescer.push(packet, 0..packet.len());
        write(packet, &mut self.coalescer, device, &mut self.stats)
    }

    /// Device to network.
    fn send(&mut self, now: Instant, device: &mut Device) -> DeviceResult {
        let mut outcome = Ok(());
        for _ in 0..READS {
            match device.read() {
                Ok(Read::Empty) => break,
                Ok(Read::Packet(mut segments)) => {
                    let mut sealed = 0;
                    while let Some(length) = segments.next_length() {
                        if !self.seal(now, length, |place| segments.write_next(place).is_some()) {
                            break;
                        }
                        sealed += 1;
                    }
                    if sealed > 1 {
                        self.pace.stream();
                    }
                    self.pace.count(1);
                }
                Ok(Read::Unusable) => self.stats.drop(DropReason::TunFraming),
                Err(error) => {
                    self.stats.drop(DropReason::TunRead);
                    // A device that is down refuses too, and comes back.
                    outcome = if is_lost(&error) { Err(error) } else { Ok(()) };
                    break;
                }
            }
            if self.transport.outbound().is_full() && !self.flush(now, true) {
                break;
            }
        }
        self.flush(now, false);
        outcome
    }

    /// Has one packet of `length` bytes written into the outbound arena and seals it there. `false`: there is no room,
    /// and will be none for what follows.
    fn seal(&mut self, now: Instant, length: usize, write: impl FnOnce(&mut [u8]) -> bool) -> bool {
        let room = self.engine.seal_room();
        let Some((arena, payload)) = self.transport.outbound().place(room, length) else {
            self.stats.drop(DropReason::Buffer);
            return false;
        };
        if !arena.get_mut(payload.clone()).is_some_and(write) {
            return false;
        }
        if let Some(packet) = self.engine.seal(now, arena, payload) {
            self.transport.outbound().add(packet);
            self.transport.count_sent();
        }
        true
    }

    /// Sends what waits, but, with `more` coming soon, what it may be added to; `false` if the socket is full, or gone.
    fn flush(&mut self, now: Instant, more: bool) -> bool {
        match self.transport.flush(more) {
            Ok(done) => {
                self.backed_up = !done;
                done
            }
            Err(error) => {
                self.transport_failed(now, &error);
                false
            }
        }
    }

    fn transport_failed(&mut self, now: Instant, error: &io::Error) {
        self.engine
            .handle_input(now, Input::TransportFailed(error.to_string()));
    }
}

/// Writes what was joined in `arena`.
fn write(
    arena: &mut [u8],
    coalescer: &mut Coalescer,
    device: Option<&Device>,
    stats: &mut Stats,
) -> DeviceResult {
    coalescer.finish(arena);
    let mut outcome = Ok(());
    for joined in coalescer.groups() {
        let written = device.map_or(Ok(()), |device| device.write(arena, &joined));
        if let Err(error) = written {
            stats.drop(DropReason::TunWrite);
            if is_lost(&error) {
                outcome = Err(error);
                break;
            }
        }
    }
    coalescer.clear();
    outcome
}

/// How many packets one batch may have: what the kernel joins in as many messages as one call takes.
const PACKETS: usize = 2048;
/// How many pieces are gathered before they are written to the device.
const GROUPS: usize = 512;
/// How many batches are received before the device has its turn.
const RECEIVES: usize = 4;
/// How many packets are read from the device before the network has its turn.
const READS: usize = 32;

#[cfg(test)]
#[path = "forwarding_tests.rs"]
mod tests;
