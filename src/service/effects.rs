//! Carries out what the session asks, each as a future; reports how it went.

mod translate;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use self::translate::{family, from_tunnel, from_world};
use super::changes::{Changes, NetworkChange, Watched};
use super::kept_device::KeptDevice;
use super::kill_switch::opening::Opening;
use super::netcfg::{NetError, Network, SocketNeeds};
use super::resolve::{Answer, Names};
use super::set_up::{self, NetworkEnd, NetworkFailure, NetworkTask, Ready};
use super::tunnel::{Attempt, Order, SocketOptions, TunnelHandle, TunnelReport};
use crate::engine::data::stats::Stats;
use crate::engine::error::ConnectionError;
use crate::engine::event::{Ended, Event, Input};
use crate::engine::session::command::Refusal;
use crate::engine::session::effect::{Launch, Loaded, ProfileSource, Report};
use crate::engine::session::network::{Device, Step};
use crate::engine::session::remotes::Lookup;

/// Something under way whose end is reported.
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Gets the profile for the session.
pub trait ProfileLoader {
    /// Reads the profile from where it comes.
    fn load(&self, source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>>;
}

#[expect(
    missing_debug_implementations,
    reason = "what is under way cannot be shown"
)]
/// Carries out what the session asks. Nothing is waited for but in [`Effects::next`].
pub struct Effects {
    tunnel: TunnelHandle,
    from_tunnel: mpsc::Receiver<TunnelReport>,
    stats: watch::Receiver<Stats>,
    profiles: Box<dyn ProfileLoader>,
    names: Names,
    changes: Option<Changes>,
    watched: Watched,
    /// At home while no step is under way.
    network: Option<Network>,
    /// Somebody else sets up the network, and wants to know every server before it is tried.
    remote: bool,
    device: KeptDevice,
    opening: Opening,
    /// Steps that wait for their turn.
    steps: VecDeque<NetworkTask>,
    /// An attempt that begins as soon as its server is kept out of the tunnel that is still in force.
    launch: Option<Box<Attempt>>,
    /// An attempt that waits for the server's address, and the address that is to be protected then.
    addressless: Option<(Box<Attempt>, Option<IpAddr>)>,
    /// The tunnel was told to forget the attempt: what it says belongs to nobody.
    abandoning: bool,
    under_way: FuturesUnordered<Work<Finished>>,
    ready: VecDeque<Report>,
}

/// What came to its end.
enum Finished {
    Abandoned,
    Changes(io::Result<Changes>),
    Network(Network, NetworkEnd),
    Nothing,
    Report(Report),
    Resolved(Lookup, io::Result<Answer>),
    ServerFound(Lookup, io::Result<Answer>),
}

impl Effects {
    /// Starts the tunnel thread. `changes` watches the world around once it has come to its end.
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptors for us.
    pub fn new(
        network: Network,
        profiles: Box<dyn ProfileLoader>,
        changes: Work<io::Result<Changes>>,
    ) -> io::Result<Self> {
        let (reports, from_tunnel) = mpsc::channel(REPORTS);
        let (stats_sender, stats) = watch::channel(Stats::default());
        Ok(Self {
            tunnel: TunnelHandle::spawn(reports, stats_sender)?,
            from_tunnel,
            stats,
            profiles,
            names: Names::default(),
            changes: None,
            watched: Watched::default(),
            remote: matches!(network, Network::Remote(_)),
            network: Some(network),
            device: KeptDevice::default(),
            opening: Opening::default(),
            steps: VecDeque::new(),
            launch: None,
            addressless: None,
            abandoning: false,
            under_way: std::iter::once(watching(changes)).collect(),
            ready: VecDeque::new(),
        })
    }

    /// For a session that systemd watches: takes what a process before this one left, and leaves things for one that
    /// follows; has the kill switch let through what the session needs.
    #[must_use]
    pub fn in_service(self, device: KeptDevice, opening: Opening, names: Names) -> Self {
        Self {
            device,
            opening,
            names,
            ..self
        }
    }

    /// The counters of the data channel, over all attempts.
    #[must_use]
    pub fn stats(&self) -> Stats {
        *self.stats.borrow()
    }

    /// Gets the profile.
    pub fn load_profile(&mut self, source: ProfileSource) {
        let load = self.profiles.load(source);
        self.begin(async move { Finished::Report(Report::Profile(load.await)) });
    }

    /// Looks a name up.
    pub fn resolve(&mut self, lookup: Lookup) {
        self.opening.names(Some(&lookup.host));
        let answer = self.names.look_up(&lookup.host, family(&lookup));
        self.begin(async move { Finished::Resolved(lookup, answer.await) });
    }

    /// Begins an attempt.
    pub fn connect(&mut self, launch: Launch) {
        let server = launch.config.endpoint.address;
        self.opening
            .server(server, launch.config.endpoint.transport);
        self.watched.server = Some(server.ip());
        self.watch();
        let protect = launch.protect.or_else(|| self.remote.then(|| server.ip()));
        let attempt = Box::new(Attempt {
            config: launch.config,
            detour: launch.detour,
            socket: SocketOptions::new(&launch.socket, server),
            open_timeout: launch.open_timeout,
        });
        match launch.find_server {
            Some(lookup) => {
                self.opening.names(Some(&lookup.host));
                let answer = self.names.look_up(&lookup.host, family(&lookup));
                self.addressless = Some((attempt, protect));
                self.begin(async move { Finished::ServerFound(lookup, answer.await) });
            }
            None => self.begin_attempt(attempt, protect),
        }
    }

    fn begin_attempt(&mut self, attempt: Box<Attempt>, protect: Option<IpAddr>) {
        match protect {
            Some(address) => {
                self.launch = Some(attempt);
                self.steps.push_back(NetworkTask::Protect(address));
                self.step();
            }
            None => self.order(Order::Connect(attempt)),
        }
    }

    /// Says goodbye to the server.
    pub fn stop(&mut self) {
        let addressless = self.addressless.take().is_some();
        if self.launch.take().is_some() || addressless {
            self.ready
                .push_back(Report::Event(Event::Ended(Ended::Stopped)));
        } else {
            self.order(Order::Stop);
        }
    }

    /// Ends the attempt at once.
    pub fn abandon(&mut self) {
        self.launch = None;
        self.addressless = None;
        self.order(Order::Abandon);
        let (answer, pong) = oneshot::channel();
        self.order(Order::Ping(answer));
        self.abandoning = true;
        self.begin(async move {
            // Without an answer the thread is gone, and with it the attempt.
            drop(pong.await);
            Finished::Abandoned
        });
    }

    /// Gives the tunnel thread an order.
    pub fn order(&mut self, order: Order) {
        let given = self
            .tunnel
            .orders()
            .is_some_and(|orders| orders.try_send(order).is_ok());
        if !given {
            warn!("the tunnel thread takes no orders");
        }
    }

    /// Gives the connection an input. That the way has changed it learns once the network is put right.
    pub fn input(&mut self, input: Input) {
        match input {
            Input::PathChanged => {
                self.steps.push_back(NetworkTask::Follow);
                self.step();
            }
            Input::Answer(_)
            | Input::AppControl { .. }
            | Input::Deadline
            | Input::Renegotiate
            | Input::Stop
            | Input::TransportFailed(_) => self.order(Order::Input(input)),
        }
    }

    /// Takes a step on the network.
    pub fn network_step(&mut self, step: Step) {
        self.steps.push_back(NetworkTask::Step(step));
        self.step();
    }

    /// Puts right what the world around has changed.
    pub fn refresh_network(&mut self) {
        self.steps.push_back(NetworkTask::Refresh);
        self.step();
    }

    /// Does something beside the session that has no end to report, such as waiting for an answer of the tunnel thread.
    pub fn aside(&mut self, work: impl Future<Output = ()> + 'static) {
        self.begin(async move {
            work.await;
            Finished::Nothing
        });
    }

    /// The next report. Cancel-safe: what has come to its end is not lost.
    pub async fn next(&mut self) -> Report {
        loop {
            if let Some(report) = self.ready.pop_front() {
                return report;
            }
            tokio::select! {
                Some(finished) = self.under_way.next() => self.take(finished),
                Some(report) = self.from_tunnel.recv() => {
                    if !self.abandoning {
                        return from_tunnel(report);
                    }
                }
                change = change(&mut self.changes) => return from_world(change),
            }
        }
    }

    fn watch(&self) {
        if let Some(changes) = &self.changes {
            changes.watch(self.watched);
        }
    }

    fn begin(&mut self, work: impl Future<Output = Finished> + 'static) {
        self.under_way.push(Box::pin(work));
    }

    /// Takes the next step on the network, if none is under way.
    fn step(&mut self) {
        let Some(mut network) = self.network.take() else {
            return;
        };
        let Some(task) = self.steps.pop_front() else {
            self.network = Some(network);
            return;
        };
        let left = if let NetworkTask::Step(Step::Apply(plan)) = &task {
            self.device.take(&plan.device)
        } else {
            None
        };
        if let (Network::Remote(remote), NetworkTask::Step(Step::Change { to, .. })) =
            (&network, &task)
        {
            if remote.needs_new_device(to) {
                // Its name is free for the new one then.
                self.order(Order::DetachTun);
            }
        }
        let keeps = self.device.keeps();
        self.begin(async move {
            let end = set_up::take(&mut network, task, keeps, left).await;
            Finished::Network(network, end)
        });
    }

    fn take(&mut self, finished: Finished) {
        match finished {
            Finished::Abandoned => {
                while self.from_tunnel.try_recv().is_ok() {}
                self.abandoning = false;
                self.ready.push_back(Report::Abandoned);
            }
            Finished::Changes(Ok(changes)) => {
                self.changes = Some(changes);
                self.watch();
            }
            Finished::Changes(Err(error)) => {
                warn!(%error, "changes of the network will not be noticed");
            }
            Finished::Network(network, end) => {
                self.network = Some(network);
                self.network_ended(end);
                self.step();
            }
            Finished::Nothing => {}
            Finished::Report(report) => self.ready.push_back(report),
            Finished::Resolved(lookup, answer) => {
                self.opening.names(None);
                self.resolved(lookup, answer);
            }
            Finished::ServerFound(lookup, answer) => self.server_found(&lookup, answer),
        }
    }

    /// The address that the proxy of the next attempt needs was looked up.
    fn server_found(&mut self, lookup: &Lookup, answer: io::Result<Answer>) {
        self.opening.names(None);
        let Some((mut attempt, protect)) = self.addressless.take() else {
            return;
        };
        match answer {
            Ok(answer) => {
                self.names.remember(&answer);
                // Not every proxy has IPv6.
                let mut known = answer.addresses.iter();
                let first = known
                    .find(|it| it.is_ipv4())
                    .or_else(|| answer.addresses.first());
                if let Some(detour) = &mut attempt.detour {
                    detour.address = first.map(|ip| SocketAddr::new(*ip, lookup.port));
                    attempt.config.data.socks_header = detour.header_length();
                }
                self.begin_attempt(attempt, protect);
            }
            Err(error) => {
                let error = ConnectionError::Transport(error.to_string());
                self.ready.push_back(Report::AttemptFailed(error));
            }
        }
    }

    fn resolved(&mut self, lookup: Lookup, answer: io::Result<Answer>) {
        let addresses = match answer {
            Ok(answer) => {
                self.names.remember(&answer);
                let port = lookup.port;
                let addresses = answer.addresses.into_iter();
                addresses
                    .map(|address| SocketAddr::new(address, port))
                    .collect()
            }
            Err(error) => {
                warn!(%error, "the server cannot be looked up");
                Vec::new()
            }
        };
        self.ready.push_back(Report::Resolved { lookup, addresses });
    }

    fn network_ended(&mut self, end: NetworkEnd) {
        match end {
            NetworkEnd::Applied(Ok(ready)) | NetworkEnd::Changed(Ok(Some(ready))) => {
                self.attach(ready);
            }
            NetworkEnd::Applied(Err(NetworkFailure { class, reason })) => {
                self.device.forget();
                self.ready
                    .push_back(Report::NetworkFailed { class, reason });
            }
            NetworkEnd::Followed => self.order(Order::Input(Input::PathChanged)),
            NetworkEnd::Changed(Ok(None)) => self.ready.push_back(Report::NetworkDone(None)),
            NetworkEnd::Reverted(outcome) => {
                // The device goes last: its routes and addresses are taken back while it is there.
                self.device.forget();
                self.opening.device(None);
                self.order(Order::DetachTun);
                self.watched.tunnel = None;
                self.watch();
                if let Err(error) = outcome {
                    warn!(%error, "not everything could be taken back");
                }
                self.ready.push_back(Report::NetworkDone(None));
            }
            NetworkEnd::Changed(Err(NetworkFailure { class, reason })) => {
                self.ready
                    .push_back(Report::NetworkFailed { class, reason });
            }
            NetworkEnd::Protected(outcome) => self.protected(outcome),
            NetworkEnd::Refreshed(Ok(())) => {}
            NetworkEnd::Refreshed(Err(error)) => {
                warn!(%error, "the network could not be put right");
            }
        }
    }

    fn attach(&mut self, ready: Ready) {
        let Ready { tun, index, path } = ready;
        self.watched.tunnel = Some(index);
        self.opening.device(Some(tun.name()));
        self.watch();
        let name = tun.name().to_owned();
        self.order(Order::AttachTun(tun));
        self.ready
            .push_back(Report::NetworkDone(Some(Device { name, path })));
    }

    /// The server of the next attempt is kept out of the tunnel, or is not.
    fn protected(&mut self, outcome: Result<SocketNeeds, NetError>) {
        let Some(mut attempt) = self.launch.take() else {
            return;
        };
        match outcome {
            Ok(needs) => {
                let socket = &mut attempt.socket;
                socket.device = needs.device.or_else(|| socket.device.take());
                socket.mark = needs.mark.or(socket.mark);
            }
            Err(error) if self.remote => {
                let error = ConnectionError::Transport(error.to_string());
                self.ready.push_back(Report::AttemptFailed(error));
                return;
            }
            Err(error) => warn!(%error, "the way to the server may lead into the tunnel"),
        }
        self.order(Order::Connect(attempt));
    }

    /// Takes back, before the process ends, what somebody else has set up for it. The step under way comes first.
    pub async fn close(&mut self) {
        if !self.remote {
            return;
        }
        self.order(Order::DetachTun);
        self.steps.clear();
        let closing = async {
            while self.network.is_none() {
                match self.under_way.next().await {
                    Some(finished) => self.take(finished),
                    None => return,
                }
            }
            if let Some(network) = &mut self.network {
                if let Err(error) = network.close().await {
                    warn!(%error, "not everything could be taken back");
                }
            }
        };
        if tokio::time::timeout(CLOSING, closing).await.is_err() {
            warn!("netcfg does not come to an end in time");
        }
    }
}

fn watching(changes: Work<io::Result<Changes>>) -> Work<Finished> {
    Box::pin(async move { Finished::Changes(changes.await) })
}

/// The next change of the world, if it is watched.
async fn change(changes: &mut Option<Changes>) -> NetworkChange {
    if let Some(watch) = changes {
        if let Some(change) = watch.next().await {
            return change;
        }
        *changes = None;
    }
    std::future::pending().await
}

/// How many reports of the tunnel may wait.
const REPORTS: usize = 64;
/// How long the process may take to end.
const CLOSING: Duration = Duration::from_secs(4);
