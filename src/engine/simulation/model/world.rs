//! Client, server and link, moved from one event to the next.

use std::time::{Duration, Instant};

use crate::config::ConnectionConfig;
use crate::connection::Connection;
use crate::error::ConnectionError;
use crate::event::{Ended, Event, Input, Output};

use super::clock;
use super::link::{Link, Quality, Way};
use super::pki;
use super::script::Script;
use super::server::Server;

/// A small world in virtual time.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) client: Connection,
    pub(crate) server: Server,
    pub(crate) link: Link,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    /// What the client said, and when.
    pub(crate) events: Vec<(Duration, Event)>,
    /// Heads of the packets that the client sent, and when; data packets as well.
    pub(crate) sent: Vec<(Duration, u8)>,
    /// Bytes of the largest packet of the client that is not a data packet.
    pub(crate) largest_control: usize,
    /// Tunnelled packets that reached the client.
    pub(crate) packets: Vec<Vec<u8>>,
    wait: Option<Instant>,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        quality: Quality,
        script: Script,
        change: impl FnOnce(&mut ConnectionConfig),
    ) -> Self {
        let now = clock::start();
        let mut config = pki::config(clock::environment(seed));
        config.wrapping = std::sync::Arc::clone(&script.wrapping);
        config.endpoint.transport = script.transport;
        change(&mut config);
        let mut world = Self {
            client: Connection::new(config, now),
            server: Server::new(script, clock::environment(!seed), now),
            link: Link::new(quality, seed),
            began: now,
            now,
            events: Vec::new(),
            sent: Vec::new(),
            largest_control: 0,
            packets: Vec::new(),
            wait: None,
        };
        world.drain();
        world
    }

    /// A world without trouble.
    pub(crate) fn perfect(script: Script) -> Self {
        Self::new(1, Quality::PERFECT, script, |_| {})
    }

    /// A perfect world in which the tunnel is up.
    pub(crate) fn connected(script: Script) -> Self {
        let mut world = Self::perfect(script);
        world.run_until(Duration::from_secs(10), Self::is_up);
        assert!(world.is_up(), "{:?}", world.events);
        world
    }

    /// Tells the client something.
    pub(crate) fn tell(&mut self, input: Input) {
        self.client.handle_input(self.now, input);
        self.drain();
    }

    /// Moves on for `time`.
    pub(crate) fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Moves on for `time`, or until `done`.
    pub(crate) fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + time;
        while !done(self) && self.step(end) {}
    }

    /// Moves to the next event, `end` at the latest; `false` once that is reached.
    pub(crate) fn step(&mut self, end: Instant) -> bool {
        self.drain();
        let next = [self.wait, self.server.deadline(), self.link.next_arrival()];
        let next = next.into_iter().flatten().min().filter(|at| *at <= end);
        let Some(next) = next else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        while let Some((way, mut packet)) = self.link.arrived(self.now) {
            self.deliver(way, &mut packet);
        }
        if self.wait.is_some_and(|at| at <= self.now) {
            self.client.handle_input(self.now, Input::Deadline);
        }
        self.server.tick(self.now);
        self.drain();
        true
    }

    /// Gives a packet to one side at once.
    pub(crate) fn deliver(&mut self, way: Way, packet: &mut [u8]) {
        match way {
            Way::ToClient => {
                if let Some(inner) = self.client.open(self.now, packet) {
                    self.packets.push(packet[inner].to_vec());
                }
            }
            Way::ToServer => self.server.receive(self.now, packet),
        }
    }

    /// Gives a packet to the client at once.
    pub(crate) fn deliver_to_client(&mut self, mut packet: Vec<u8>) {
        self.deliver(Way::ToClient, &mut packet);
    }

    /// Sends a packet from the client's device through the tunnel; `false` if there is no way.
    pub(crate) fn send_packet(&mut self, payload: &[u8]) -> bool {
        let (front, back) = self.client.seal_room();
        let mut buffer = vec![0; front + payload.len() + back];
        buffer[front..front + payload.len()].copy_from_slice(payload);
        let sealed = self
            .client
            .seal(self.now, &mut buffer, front..front + payload.len());
        if let Some(packet) = sealed.clone() {
            self.note_sent(buffer[packet.start]);
            self.link.send(self.now, Way::ToServer, &buffer[packet]);
        }
        self.drain();
        sealed.is_some()
    }

    /// Whether a packet gets through in both directions within ten seconds.
    pub(crate) fn traffic_flows(&mut self) -> bool {
        let before = (self.packets.len(), self.server.packets.len());
        let packet = ip_packet(0);
        for _ in 0..10 {
            self.send_packet(&packet);
            self.server.send_packet(self.now, &packet);
            self.run(Duration::from_secs(1));
        }
        self.packets.len() > before.0 && self.server.packets.len() > before.1
    }

    pub(crate) fn is_up(&self) -> bool {
        self.events
            .iter()
            .any(|(_, event)| matches!(event, Event::Pushed(_)))
    }

    /// How the attempt ended, if it did.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::Ended(ended) => Some(ended),
            _ => None,
        })
    }

    /// The error it ended with.
    pub(crate) fn error(&self) -> Option<&ConnectionError> {
        match self.ended()? {
            Ended::Failed(error) => Some(error),
            Ended::Stopped => None,
        }
    }

    /// When the attempt ended.
    pub(crate) fn ended_after(&self) -> Option<Duration> {
        self.events
            .iter()
            .find(|(_, event)| matches!(event, Event::Ended(_)))
            .map(|(at, _)| *at)
    }

    /// The key ids that came into use.
    pub(crate) fn renewed(&self) -> Vec<u8> {
        let renewed = |event: &Event| match event {
            Event::KeyRenewed { key_id, .. } => Some(*key_id),
            _ => None,
        };
        self.events
            .iter()
            .filter_map(|(_, event)| renewed(event))
            .collect()
    }

    fn drain(&mut self) {
        let at = self.now - self.began;
        let mut outputs = 0;
        loop {
            outputs += 1;
            assert!(outputs < 10_000, "the drain has no end");
            match self.client.poll_output() {
                Output::Event(event) => self.events.push((at, event)),
                Output::Transmit(packet) => {
                    self.largest_control = self.largest_control.max(packet.len());
                    self.sent
                        .push((at, packet.first().copied().unwrap_or_default()));
                    self.link.send(self.now, Way::ToServer, packet);
                }
                Output::Wait { until, .. } => {
                    self.wait = until;
                    break;
                }
            }
        }
        while let Some(packet) = self.server.transmit(self.now) {
            self.link.send(self.now, Way::ToClient, &packet);
        }
    }

    fn note_sent(&mut self, head: u8) {
        self.sent.push((self.now - self.began, head));
    }
}

/// An IPv4 packet with some payload.
pub(crate) fn ip_packet(number: u8) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x45;
    packet[3] = 40;
    packet[8] = 64;
    packet[9] = 253;
    packet[12..16].copy_from_slice(&[10, 8, 0, 2]);
    packet[16..20].copy_from_slice(&[10, 8, 0, 1]);
    packet[39] = number;
    packet
}
