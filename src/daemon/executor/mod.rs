//! Carries out what the session asks, each as a future; reports how it went.

pub mod attempts;
pub mod network;
pub mod translate;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::daemon::executor::translate::{family, from_tunnel, from_world};
use crate::daemon::network_tasks::{NetworkEnd, NetworkTask};
use crate::daemon::stored_device::StoredDevice;
use crate::network::Network;
use crate::network::kill_switch::opening::Exemption;
use crate::network::monitor::{NetworkChange, NetworkMonitor, Watched};
use crate::network::resolver::{Answer, Names};
use crate::tunnel::{Attempt, Order, TunnelHandle, TunnelReport};
use openvpn_engine::data::Stats;
use openvpn_engine::event::Input;
use openvpn_engine::session::Lookup;
use openvpn_engine::session::Refusal;
use openvpn_engine::session::{Loaded, ProfileSource, Report};

/// Something under way whose end is reported.
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Gets the profile for the session.
pub trait ProfileLoader {
    /// Reads the profile from where it comes.
    fn load(&self, source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>>;
}

/// Carries out what the session asks. Nothing is waited for but in [`Effects::next`].
pub struct Effects {
    tunnel: TunnelHandle,
    from_tunnel: mpsc::Receiver<TunnelReport>,
    stats: watch::Receiver<Stats>,
    profiles: Box<dyn ProfileLoader>,
    names: Names,
    changes: Option<NetworkMonitor>,
    watched: Watched,
    /// At home while no step is under way.
    network: Option<Network>,
    /// Somebody else sets up the network, and wants to know every server before it is tried.
    remote: bool,
    device: StoredDevice,
    opening: Exemption,
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
    NetworkMonitor(io::Result<NetworkMonitor>),
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
        changes: Work<io::Result<NetworkMonitor>>,
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
            device: StoredDevice::default(),
            opening: Exemption::default(),
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
    pub fn in_service(self, device: StoredDevice, opening: Exemption, names: Names) -> Self {
        Self {
            device,
            opening,
            names,
            ..self
        }
    }

    /// For a session that may have another device than the one that its profile names.
    #[must_use]
    pub fn with_device(self, device: StoredDevice) -> Self {
        Self { device, ..self }
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
            | Input::PathLost
            | Input::Renegotiate
            | Input::Stop
            | Input::TransportFailed(_)
            | Input::Woke => self.order(Order::Input(input)),
        }
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

    fn take(&mut self, finished: Finished) {
        match finished {
            Finished::Abandoned => {
                while self.from_tunnel.try_recv().is_ok() {}
                self.abandoning = false;
                self.ready.push_back(Report::Abandoned);
            }
            Finished::NetworkMonitor(Ok(changes)) => {
                self.changes = Some(changes);
                self.watch();
            }
            Finished::NetworkMonitor(Err(error)) => {
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
}

fn watching(changes: Work<io::Result<NetworkMonitor>>) -> Work<Finished> {
    Box::pin(async move { Finished::NetworkMonitor(changes.await) })
}

/// The next change of the world, if it is watched.
async fn change(changes: &mut Option<NetworkMonitor>) -> NetworkChange {
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
