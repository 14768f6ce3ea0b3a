//! A tunnel without a control channel: the data plane alone, with a key that both ends were given.
//!
//! It is what tests and benchmarks put at the far end, so that no other program is the limit.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::sys::calls;
use crate::sys::clock::Clock;
use crate::tunnel::device::Device;
use crate::tunnel::engine::Engine;
use crate::tunnel::forwarding::Forwarder;
use crate::tunnel::socket_options::SocketOptions;
use crate::tunnel::transport::Transport;
use crate::tunnel::tun::Tun;
use openvpn_engine::data::Stats;
use openvpn_engine::data::{DataKey, KeyError};
use openvpn_engine::data::{DataPlane, DataSetup};
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Ended, Event, Input, Output};
use openvpn_engine::settings::Transport as Kind;

/// A data plane with one key, and nothing to say but that its transport failed.
#[derive(Debug)]
pub struct Mirror {
    plane: DataPlane,
    failure: Failure,
}

impl Mirror {
    /// A data plane that seals and opens with `key` from the start.
    ///
    /// # Errors
    ///
    /// The key contradicts itself.
    pub fn new(setup: DataSetup, key: &DataKey, now: Instant) -> Result<Self, KeyError> {
        let mut plane = DataPlane::new(setup, now);
        plane.install(key)?;
        plane.switch_to(key.key_id);
        Ok(Self {
            plane,
            failure: Failure::default(),
        })
    }
}

impl Engine for Mirror {
    fn handle_input(&mut self, _now: Instant, input: Input) {
        self.failure.take(input);
    }

    fn open(&mut self, now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        self.plane.open(now, packet)
    }

    fn seal_room(&self) -> (usize, usize) {
        self.plane.seal_room()
    }

    fn seal(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        self.plane.seal(now, buffer, payload)
    }

    fn poll_output(&mut self) -> Output<'_> {
        self.failure.output()
    }

    fn stats(&self) -> Stats {
        *self.plane.stats()
    }
}

/// Packets as they are: what offload and system calls cost without any cryptography.
#[cfg(feature = "benchmark")]
#[derive(Debug, Default)]
pub struct Plain {
    failure: Failure,
}

/// What became of the transport.
#[derive(Debug, Default)]
enum Failure {
    #[default]
    None,
    /// It failed for this reason.
    Failed(String),
    /// It failed, and that was said.
    Said,
}

impl Failure {
    fn take(&mut self, input: Input) {
        if let (Self::None, Input::TransportFailed(why)) = (&self, input) {
            *self = Self::Failed(why);
        }
    }

    fn output<'a>(&mut self) -> Output<'a> {
        if let Self::Failed(why) = self {
            let error = ConnectionError::Transport(std::mem::take(why));
            *self = Self::Said;
            return Output::Event(Event::Ended(Ended::Failed(error)));
        }
        Output::Wait {
            until: None,
            name: "nothing",
        }
    }
}

#[cfg(feature = "benchmark")]
impl Engine for Plain {
    fn handle_input(&mut self, _now: Instant, input: Input) {
        self.failure.take(input);
    }

    fn open(&mut self, _now: Instant, packet: &mut [u8]) -> Option<Range<usize>> {
        Some(0..packet.len())
    }

    fn seal_room(&self) -> (usize, usize) {
        (0, 0)
    }

    fn can_seal(&self) -> bool {
        true
    }

    fn seal(
        &mut self,
        _now: Instant,
        _buffer: &mut [u8],
        payload: Range<usize>,
    ) -> Option<Range<usize>> {
        Some(payload)
    }

    fn poll_output(&mut self) -> Output<'_> {
        self.failure.output()
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }
}

/// Carries traffic between `tun` and `peer` until the device or the transport fails. Over TCP the stream is made, or
/// taken from `socket`.
///
/// # Errors
///
/// What failed.
pub fn carry(
    tun: Tun,
    setup: DataSetup,
    key: &DataKey,
    peer: SocketAddr,
    socket: SocketOptions,
) -> io::Result<()> {
    let kind = setup.transport;
    let mirror = Mirror::new(setup, key, Clock::start().now()).map_err(io::Error::other)?;
    run(mirror, tun, kind, peer, socket)
}

/// The same without cryptography.
///
/// # Errors
///
/// What failed.
#[cfg(feature = "benchmark")]
pub fn carry_plain(tun: Tun, peer: SocketAddr, socket: SocketOptions) -> io::Result<()> {
    run(Plain::default(), tun, Kind::Udp, peer, socket)
}

fn run<E: Engine>(
    engine: E,
    tun: Tun,
    kind: Kind,
    peer: SocketAddr,
    socket: SocketOptions,
) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let clock = Clock::start();
    calls::wake_on_time();
    runtime.block_on(async {
        let limit = Duration::from_secs(10);
        let transport = Transport::open(kind, peer, socket, limit).await?;
        let mut live = Forwarder::new(engine, transport, clock.now());
        let mut device = Some(Device::new(tun)?);
        let mut events = VecDeque::new();
        loop {
            let ready = live.ready(device.as_ref()).await;
            live.work(clock.now(), ready, &mut device, &mut events)?;
            if let Some(Event::Ended(Ended::Failed(error))) = events.pop_front() {
                return Err(io::Error::other(error));
            }
            live.rest();
        }
    })
}
