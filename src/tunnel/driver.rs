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
use crate::tunnel::attempt::Attempt;
use crate::tunnel::counters::Counters;
use crate::tunnel::device::Device;
use crate::tunnel::forwarding::{Forwarder, Ready};
use crate::tunnel::proxy;
use crate::tunnel::transport::Transport;
use crate::tunnel::{Order, TunnelReport};
use openvpn_engine::config::ConnectionConfig;
use openvpn_engine::connection::Connection;
use openvpn_engine::data::Stats;
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Ended, Event, Input};

/// Starts the thread; it ends when `orders` is closed.
pub(crate) fn spawn(
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<TunnelReport>,
    stats: watch::Sender<Stats>,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let driver = driver(&runtime, orders, reports, stats)?;
    std::thread::Builder::new()
        .name("tunnel".to_owned())
        .spawn(move || {
            calls::wake_on_time();
            runtime.block_on(driver.run());
        })
}

fn driver(
    runtime: &Runtime,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<TunnelReport>,
    stats: watch::Sender<Stats>,
) -> io::Result<Driver> {
    let _inside = runtime.enter();
    let clock = Clock::start();
    Ok(Driver {
        alarm: Alarm::new()?,
        counters: Counters::new(stats, clock.now()),
        clock,
        orders,
        reports,
        events: VecDeque::new(),
        backlog: VecDeque::new(),
        device: None,
        state: State::Idle,
    })
}

/// All that the thread owns.
struct Driver {
    clock: Clock,
    alarm: Alarm,
    orders: mpsc::Receiver<Order>,
    reports: mpsc::Sender<TunnelReport>,
    counters: Counters,
    /// What the engine said and nobody has looked at.
    events: VecDeque<Event>,
    /// What the session has not taken yet.
    backlog: VecDeque<TunnelReport>,
    device: Option<Device>,
    state: State,
}

/// How far the present attempt is.
enum State {
    Idle,
    Forwarder(Box<Forwarder<Connection>>),
    Exemption(Box<Exemption>),
}

/// A transport that is being opened.
struct Exemption {
    config: ConnectionConfig,
    transport: Pin<Box<dyn Future<Output = Opened> + Send>>,
}

/// A transport, or why there is none.
type Opened = Result<Transport, ConnectionError>;

/// What woke the loop.
enum Step {
    Leave,
    Opened(Box<Opened>),
    Order(Order),
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
                Step::Order(order) => self.obey(now, order),
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
            order = self.orders.recv() => order.map_or(Step::Leave, Step::Order),
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
            State::Idle | State::Exemption(_) => None,
        };
        [engine, self.counters.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn obey(&mut self, now: Instant, order: Order) {
        match order {
            Order::Abandon => self.abandon(),
            Order::AttachTun(tun) => match Device::new(tun) {
                Ok(device) => self.device = Some(device),
                Err(error) => self.backlog.push_back(TunnelReport::TunLost(error)),
            },
            Order::Connect(attempt) => self.connect(*attempt),
            Order::Count(answer) => {
                self.count_overflow();
                // Whoever asked may have gone.
                let _ = answer.send(self.counters.sum(&self.state.stats()));
            }
            Order::DetachTun => self.device = None,
            Order::Input(input) => self.input(now, input),
            Order::Ping(answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(());
            }
            Order::Renegotiate => self.input(now, Input::Renegotiate),
            Order::Stop => self.stop(now),
        }
    }

    /// Ends the attempt; what it has reported and nobody has heard is not said any more.
    fn abandon(&mut self) {
        self.end_attempt();
        self.backlog
            .retain(|report| matches!(report, TunnelReport::TunLost(_)));
    }

    fn connect(&mut self, attempt: Attempt) {
        self.end_attempt();
        let Attempt {
            config,
            proxy_setup,
            socket,
            open_timeout,
        } = attempt;
        let endpoint = &config.endpoint;
        let (kind, address) = (endpoint.transport, endpoint.address);
        debug!(%address, transport = ?kind, "opening the transport");
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
        self.state = State::Exemption(Box::new(Exemption {
            transport: Box::pin(transport),
            config,
        }));
    }

    fn opened(&mut self, now: Instant, opened: Opened) {
        let State::Exemption(opening) = std::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let server = opening.config.endpoint.address;
        let transport = opened.and_then(|transport| {
            let connected = TunnelReport::Connected {
                local: transport.local().map_err(failed)?,
                peer: transport.relay().unwrap_or(server),
            };
            Ok((transport, connected))
        });
        match transport {
            Ok((transport, connected)) => {
                self.backlog.push_back(connected);
                let connection = Connection::new(opening.config, now);
                let mut live = Box::new(Forwarder::new(connection, transport, now));
                live.drain(now, &mut self.events);
                self.state = State::Forwarder(live);
            }
            Err(error) => self.backlog.push_back(TunnelReport::AttemptFailed(error)),
        }
    }

    fn input(&mut self, now: Instant, input: Input) {
        if let State::Forwarder(live) = &mut self.state {
            live.input(now, input, &mut self.events);
        }
    }

    fn stop(&mut self, now: Instant) {
        if matches!(self.state, State::Exemption(_)) {
            self.state = State::Idle;
            let ended = Event::Ended(Ended::Stopped);
            self.backlog.push_back(TunnelReport::Event(ended));
        }
        self.input(now, Input::Stop);
    }

    fn work(&mut self, now: Instant, ready: Ready) {
        let State::Forwarder(live) = &mut self.state else {
            return;
        };
        self.counters.touched();
        if let Err(error) = live.work(now, ready, &mut self.device, &mut self.events) {
            warn!(%error, "the TUN device is lost");
            self.device = None;
            self.backlog.push_back(TunnelReport::TunLost(error));
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
            self.backlog.push_back(TunnelReport::Event(event));
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
            Self::Exemption(opening) => Step::Opened(Box::new(opening.transport.as_mut().await)),
        }
    }

    fn stats(&self) -> Stats {
        match self {
            Self::Forwarder(live) => live.stats(),
            Self::Idle | Self::Exemption(_) => Stats::default(),
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
