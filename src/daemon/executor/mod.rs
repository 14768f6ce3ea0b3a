//! Carries out what the session asks, each as a future; reports how it went.

pub mod attempts;
pub mod network;

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tracing::warn;

use crate::control::call::Confirmation;
use crate::daemon::executor::attempts::Preparing;
use crate::daemon::network_tasks::{NetworkEnd, NetworkTask};
use crate::daemon::stored_device::StoredDevice;
use crate::network::Network;
use crate::network::kill_switch::opening::Exemption;
use crate::network::monitor::{NetworkChange, NetworkMonitor, Watched};
use crate::network::resolver::{self, Answer, Names};
use crate::tunnel::{Order, TunnelGone, TunnelHandle};
use openvpn_engine::data::Stats;
use openvpn_engine::session::{AttemptId, Family, Loaded, Lookup, Refusal, Report};

/// Something under way whose end is reported.
pub type Work<T> = Pin<Box<dyn Future<Output = T>>>;

/// Where the profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileSource {
    /// From where the front-end found it.
    FrontEnd,
    /// From the configuration manager, after the session manager has taken the session on.
    Manager(Confirmation),
}

/// Gets the profile for the session.
pub trait ProfileLoader {
    /// Reads the profile from where it comes.
    fn load(&self, source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>>;
}

/// Carries out what the session asks. Nothing is waited for but in [`Effects::next`].
pub struct Effects {
    tunnel: TunnelHandle,
    from_tunnel: mpsc::Receiver<Report>,
    profiles: Box<dyn ProfileLoader>,
    names: Names,
    changes: Option<NetworkMonitor>,
    watched: Watched,
    /// At home while no step is under way.
    network: Option<Network>,
    /// Somebody else sets up the network, and wants to know every server before it is tried.
    remote: bool,
    device: StoredDevice,
    /// The object of the device at netcfg, if that service made it.
    device_path: Option<String>,
    opening: Exemption,
    /// Steps that wait for their turn.
    steps: VecDeque<NetworkTask>,
    preparing: Option<Preparing>,
    under_way: FuturesUnordered<Work<Finished>>,
    ready: VecDeque<Report>,
}

/// What came to its end.
enum Finished {
    NetworkMonitor(io::Result<NetworkMonitor>),
    Network(Network, NetworkEnd),
    Nothing,
    Report(Report),
    Resolved(Lookup, io::Result<Answer>),
    ServerFound(AttemptId, Lookup, io::Result<Answer>),
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
        Ok(Self {
            tunnel: TunnelHandle::spawn(reports)?,
            from_tunnel,
            profiles,
            names: Names::default(),
            changes: None,
            watched: Watched::default(),
            remote: matches!(network, Network::Remote(_)),
            network: Some(network),
            device: StoredDevice::default(),
            device_path: None,
            opening: Exemption::default(),
            steps: VecDeque::new(),
            preparing: None,
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

    /// The counters of the data channel, over all attempts, as they were published last.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.tunnel.stats()
    }

    /// The counters of this moment; an answer shows that the tunnel thread responds.
    ///
    /// # Errors
    ///
    /// [`TunnelGone`] if it has ended.
    pub fn count(&self) -> impl Future<Output = Result<Stats, TunnelGone>> + use<> {
        self.tunnel.count()
    }

    /// The object of the device at netcfg, if that service made it.
    #[must_use]
    pub fn device_path(&self) -> Option<&str> {
        self.device_path.as_deref()
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
        if let Err(error) = self.tunnel.order(order) {
            warn!(%error, "an order is not carried out");
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
                Some(report) = self.from_tunnel.recv() => return report,
                change = change(&mut self.changes) => return change,
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
            Finished::ServerFound(id, lookup, answer) => self.server_found(id, &lookup, answer),
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

/// The next change of the system's network, if it is watched.
async fn change(changes: &mut Option<NetworkMonitor>) -> Report {
    if let Some(watch) = changes {
        if let Some(change) = watch.next().await {
            return match change {
                NetworkChange::Lost => Report::PathLost,
                NetworkChange::Moved => Report::PathChanged,
                NetworkChange::ResolverRestarted => Report::ResolverRestarted,
                NetworkChange::Resumed(slept) => Report::Woke(slept),
                NetworkChange::RoutesChanged => Report::RoutesChanged,
                NetworkChange::Suspending => Report::Suspending,
            };
        }
        *changes = None;
    }
    std::future::pending().await
}

fn family(lookup: &Lookup) -> resolver::Family {
    match lookup.family {
        Family::Any => resolver::Family::Any,
        Family::V4 => resolver::Family::V4,
        Family::V6 => resolver::Family::V6,
    }
}

/// How many reports of the tunnel may wait.
const REPORTS: usize = 64;
