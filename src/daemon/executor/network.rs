//! The steps on the network: one at a time, in the order in which they are asked for.

use std::time::Duration;

use futures_util::stream::StreamExt;
use tracing::warn;

use crate::daemon::executor::{Effects, Finished};
use crate::daemon::network_tasks::{self, NetworkEnd, NetworkFailure, NetworkTask, Ready};
use crate::daemon::stored_device::Source;
use crate::network::Network;
use crate::tunnel::Order;
use openvpn_engine::event::Input;
use openvpn_engine::session::{Device, Report, Step, TunnelOrder};

impl Effects {
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

    /// Takes the next step on the network, if none is under way.
    pub(crate) fn step(&mut self) {
        let Some(mut network) = self.network.take() else {
            return;
        };
        let Some(task) = self.steps.pop_front() else {
            self.network = Some(network);
            return;
        };
        let source = if let NetworkTask::Step(Step::Apply(plan)) = &task {
            self.device.take(&plan.device)
        } else {
            Source::DeviceNode
        };
        if let (Network::Remote(remote), NetworkTask::Step(Step::Change { to, .. })) =
            (&network, &task)
        {
            if remote.needs_new_device(to) {
                // Its name is free for the new one then.
                self.order(Order::DetachTun);
            }
        }
        let making = self.device.making();
        self.begin(async move {
            let end = network_tasks::take(&mut network, task, making, source).await;
            Finished::Network(network, end)
        });
    }

    pub(crate) fn network_ended(&mut self, end: NetworkEnd) {
        match end {
            NetworkEnd::Applied(Ok(ready)) | NetworkEnd::Changed(Ok(Some(ready))) => {
                self.attach(ready);
            }
            NetworkEnd::Applied(Err(NetworkFailure { class, reason })) => {
                self.device.forget();
                self.ready
                    .push_back(Report::NetworkFailed { class, reason });
            }
            NetworkEnd::Followed => {
                self.order(Order::Attempt(TunnelOrder::Input(Input::PathChanged)));
            }
            NetworkEnd::Changed(Ok(None)) => self.ready.push_back(Report::NetworkDone(None)),
            NetworkEnd::Reverted(outcome) => {
                // The device goes last: its routes and addresses are taken back while it is there.
                self.device.forget();
                self.opening.device(None);
                self.order(Order::DetachTun);
                self.device_path = None;
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
            NetworkEnd::Protected(id, outcome) => self.protected(id, outcome),
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
        self.device_path = path;
        self.ready
            .push_back(Report::NetworkDone(Some(Device { name })));
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

/// How long the process may take to end.
const CLOSING: Duration = Duration::from_secs(4);
