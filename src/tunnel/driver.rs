//! The loop of the tunnel thread: orders and deadlines first, then what socket and device have.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tracing::{debug, warn};

use crate::sys::alarm::Alarm;
use crate::sys::calls;
use crate::sys::clock::Clock;
use crate::tunnel::counters::Counters;
use crate::tunnel::device::Device;
use crate::tunnel::forwarding::{Forwarder, Ready};
use crate::tunnel::orders::{Inbox, Incoming, Order};
use crate::tunnel::socket_options::SocketOptions;
use crate::tunnel::transport::Transport;
use crate::tunnel::{Snapshot, proxy};
use openvpn_engine::config::ConnectionConfig;
use openvpn_engine::connection::Connection;
use openvpn_engine::data::Stats;
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Ended, Event, Input};
use openvpn_engine::session::{Attempt, AttemptId, Report, TunnelOrder, TunnelReport};

/// Starts the thread; it ends when `orders` is closed.
pub(crate) fn spawn(
    orders: Inbox,
    reports: mpsc::Sender<Report>,
    snapshot: watch::Sender<Snapshot>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let driver = driver(&runtime, orders, reports, snapshot)?;
    std::thread::Builder::new()
        .name("tunnel".to_owned())
        .spawn(move || {
            calls::wake_on_time();
            runtime.block_on(driver.run());
        })
}

fn driver(
    runtime: &Runtime,
    orders: Inbox,
    reports: mpsc::Sender<Report>,
    snapshot: watch::Sender<Snapshot>,
) -> io::Result<Driver> {
    let _inside = runtime.enter();
    let clock = Clock::start();
    Ok(Driver {
        alarm: Alarm::new()?,
        counters: Counters::new(snapshot, clock.now()),
        clock,
        orders,
        reports,
        events: VecDeque::new(),
        backlog: VecDeque::new(),
        device: None,
        attempt: AttemptId::default(),
        state: State::Idle,
    })
}

/// All that the thread owns.
struct Driver {
    clock: Clock,
    alarm: Alarm,
    orders: Inbox,
    reports: mpsc::Sender<Report>,
    counters: Counters,
    /// What the engine said and nobody has looked at.
    events: VecDeque<Event>,
    /// What the session has not taken yet.
    backlog: VecDeque<Report>,
    device: Option<Device>,
    /// The attempt that `state` and `events` are of.
    attempt: AttemptId,
    state: State,
}

/// How far the present attempt is.
enum State {
    Idle,
    Forwarder(Box<Forwarder<Connection>>),
    Opening(Box<Opening>),
}

/// A transport that is being opened.
struct Opening {
    config: ConnectionConfig,
    transport: Pin<Box<dyn Future<Output = Opened> + Send>>,
}

/// A transport, or why there is none.
type Opened = Result<Transport, ConnectionError>;

/// What woke the loop.
enum Step {
    Leave,
    Opened(Box<Opened>),
    Incoming(Incoming),
    Ready(Ready),
    /// A deadline may have passed, or the session took a report.
    Turn,
}

impl Driver {
    async fn run(mut self) {
        loop {
            self.alarm.set(&self.clock, self.deadline());
            let step = self.next().await;
            let now = self.clock.now();
            match step {
                Step::Leave => break,
                Step::Opened(opened) => self.opened(now, *opened),
                Step::Incoming(Incoming::Asked(number)) => self.count(number),
                Step::Incoming(Incoming::Order(order)) => self.obey(now, order),
                Step::Ready(ready) => self.work(now, ready),
                Step::Turn => {}
            }
            self.keep_time(now);
            self.settle(now);
            if let State::Forwarder(live) = &mut self.state {
                live.rest();
            }
        }
        self.end_attempt();
        self.counters.publish_last();
    }

    /// Waits for the next thing to do. Every branch is cancel-safe.
    async fn next(&mut self) -> Step {
        let may_work = self.backlog.len() < BACKLOG;
        tokio::select! {
            biased;
            incoming = self.orders.next() => incoming.map_or(Step::Leave, Step::Incoming),
            () = self.alarm.rung() => Step::Turn,
            permit = self.reports.reserve(), if !self.backlog.is_empty() => match permit {
                Ok(permit) => {
                    if let Some(report) = self.backlog.pop_front() {
                        permit.send(report);
                    }
                    Step::Turn
                }
                Err(_) => Step::Leave,
            },
            step = self.state.next(self.device.as_ref()), if may_work => step,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let engine = match &self.state {
            State::Forwarder(live) => live.deadline(),
            State::Idle | State::Opening(_) => None,
        };
        [engine, self.counters.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn obey(&mut self, now: Instant, order: Order) {
        match order {
            Order::AttachTun(tun) => match Device::new(tun) {
                Ok(device) => self.device = Some(device),
                Err(error) => self.tun_lost(&error),
            },
            Order::Attempt(TunnelOrder::Abandon(id)) => self.abandon(id),
            Order::Attempt(TunnelOrder::Begin(attempt)) => self.begin(*attempt),
            Order::Attempt(TunnelOrder::Input(Input::Stop)) => self.stop(now),
            Order::Attempt(TunnelOrder::Input(input)) => self.input(now, input),
            Order::DetachTun => self.device = None,
        }
    }

    fn count(&mut self, number: u64) {
        self.count_overflow();
        self.counters.answer(number, &self.state.stats());
    }

    fn report(&mut self, report: TunnelReport) {
        self.backlog.push_back(Report::Tunnel(self.attempt, report));
    }

    fn tun_lost(&mut self, error: &io::Error) {
        warn!(%error, "the TUN device is lost");
        self.device = None;
        self.backlog.push_back(Report::TunLost(error.to_string()));
    }

    /// Ends the attempt; what it has reported and nobody has heard is not said any more.
    fn abandon(&mut self, id: AttemptId) {
        self.end_attempt();
        self.backlog
            .retain(|report| !matches!(report, Report::Tunnel(..)));
        self.attempt = id;
        self.report(TunnelReport::Event(Event::Ended(Ended::Stopped)));
    }

    fn begin(&mut self, attempt: Attempt) {
        self.end_attempt();
        let Attempt {
            id,
            config,
            proxy_setup,
            socket,
            open_timeout,
            ..
        } = attempt;
        self.attempt = id;
        let endpoint = &config.endpoint;
        let (kind, address) = (endpoint.transport, endpoint.address);
        let socket = SocketOptions::new(&socket, address);
        debug!(attempt = %id, %address, transport = %kind, "opening the transport");
        let way = proxy_setup.map(|proxy_setup| proxy::Way {
            endpoint: endpoint.clone(),
            proxy_setup,
            environment: config.environment.clone(),
        });
        let transport = async move {
            match way {
                Some(way) => proxy::open(way, socket, open_timeout).await,
                None => Transport::open(kind, address, socket, open_timeout)
                    .await
                    .map_err(failed),
            }
        };
        self.state = State::Opening(Box::new(Opening {
            transport: Box::pin(transport),
            config,
        }));
    }

    fn opened(&mut self, now: Instant, opened: Opened) {
        let State::Opening(opening) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let server = opening.config.endpoint.address;
        let transport = opened.and_then(|transport| {
            let opened = TunnelReport::Opened {
                local: transport.local().map_err(failed)?,
                peer: transport.relay().unwrap_or(server),
            };
            Ok((transport, opened))
        });
        match transport {
            Ok((transport, opened)) => {
                self.report(opened);
                let connection = Connection::new(opening.config, now);
                let mut live = Box::new(Forwarder::new(connection, transport, now));
                live.drain(now, &mut self.events);
                self.state = State::Forwarder(live);
            }
            Err(error) => self.report(TunnelReport::Event(Event::Ended(Ended::Failed(error)))),
        }
    }

    fn input(&mut self, now: Instant, input: Input) {
        if let State::Forwarder(live) = &mut self.state {
            live.input(now, input, &mut self.events);
        }
    }

    fn stop(&mut self, now: Instant) {
        if matches!(self.state, State::Opening(_)) {
            self.state = State::Idle;
            self.report(TunnelReport::Event(Event::Ended(Ended::Stopped)));
        }
        self.input(now, Input::Stop);
    }

    fn work(&mut self, now: Instant, ready: Ready) {
        let State::Forwarder(live) = &mut self.state else {
            return;
        };
        self.counters.touched();
        if let Err(error) = live.work(now, ready, &mut self.device, &mut self.events) {
            self.tun_lost(&error);
        }
    }

    /// Tells the engine if its deadline has passed.
    fn keep_time(&mut self, now: Instant) {
        if let State::Forwarder(live) = &mut self.state {
            if live.deadline().is_some_and(|deadline| deadline <= now) {
                live.input(now, Input::Deadline, &mut self.events);
                self.counters.touched();
            }
        }
    }

    /// Passes events on, and ends the attempt that has ended itself.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.events.pop_front() {
            let ended = matches!(event, Event::Ended(_));
            self.report(TunnelReport::Event(event));
            if ended {
                self.end_attempt();
            }
        }
        if self.counters.is_due(now) {
            self.count_overflow();
        }
        let state = &self.state;
        self.counters.publish(now, || state.stats());
    }

    fn count_overflow(&mut self) {
        if let State::Forwarder(live) = &mut self.state {
            live.count_overflow(self.device.as_mut());
        }
    }

    /// Forgets the attempt, and what it said and nobody has looked at.
    fn end_attempt(&mut self) {
        let stats = self.state.stats();
        self.counters.add(&stats);
        self.state = State::Idle;
        self.events.clear();
    }
}

impl State {
    /// Waits for what the attempt waits for. Cancel-safe.
    async fn next(&mut self, device: Option<&Device>) -> Step {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Forwarder(live) => Step::Ready(live.ready(device).await),
            Self::Opening(opening) => Step::Opened(Box::new(opening.transport.as_mut().await)),
        }
    }

    fn stats(&self) -> Stats {
        match self {
            Self::Forwarder(live) => live.stats(),
            Self::Idle | Self::Opening(_) => Stats::default(),
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands where a function of an error is wanted"
)]
fn failed(error: io::Error) -> ConnectionError {
    ConnectionError::Transport(error.to_string())
}

/// With so many reports waiting for the session, nothing more is read from the network.
const BACKLOG: usize = 256;

#[cfg(test)]
#[path = "driver_tests.rs"]
mod tests;
