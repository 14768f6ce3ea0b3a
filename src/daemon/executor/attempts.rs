//! How an attempt begins and ends: addresses that it needs, a server that is kept out of the tunnel.

use std::io;
use std::net::SocketAddr;

use tracing::warn;

use crate::daemon::executor::{Effects, Finished, family};
use crate::daemon::network_tasks::NetworkTask;
use crate::network::resolver::Answer;
use crate::network::{NetError, SocketNeeds};
use crate::tunnel::Order;
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Ended, Event, Input};
use openvpn_engine::session::{Attempt, AttemptId, Lookup, Report, TunnelOrder, TunnelReport};

/// An attempt that the tunnel thread has not been told of: something must come first.
pub(crate) enum Preparing {
    /// Its server is kept out of the tunnel that is still in force.
    Protection(Box<Attempt>),
    /// The address of its server is looked up.
    ServerAddress(Box<Attempt>),
}

impl Effects {
    /// Has the tunnel do what the session orders. That the path has changed it learns once the network is put right.
    pub fn tunnel(&mut self, order: TunnelOrder) {
        match (order, self.preparing.take()) {
            (TunnelOrder::Begin(attempt), _) => self.prepare(attempt),
            (
                TunnelOrder::Abandon(_) | TunnelOrder::Input(Input::Stop),
                Some(Preparing::Protection(attempt) | Preparing::ServerAddress(attempt)),
            ) => self.ended(attempt.id, Ended::Stopped),
            (TunnelOrder::Input(Input::PathChanged), preparing) => {
                self.preparing = preparing;
                self.steps.push_back(NetworkTask::Follow);
                self.step();
            }
            (order @ (TunnelOrder::Abandon(_) | TunnelOrder::Input(_)), preparing) => {
                self.preparing = preparing;
                self.order(Order::Attempt(order));
            }
        }
    }

    fn prepare(&mut self, mut attempt: Box<Attempt>) {
        // Before the login is sent, which may be good for one use only.
        if attempt.protect.is_none() && !self.remote {
            if let Err(error) = self.device.check_possible() {
                let error = ConnectionError::DeviceMissing(error.to_string());
                return self.ended(attempt.id, Ended::Failed(error));
            }
        }
        let endpoint = &attempt.config.endpoint;
        let server = endpoint.address.ip();
        self.opening.server(endpoint.address, endpoint.transport);
        self.watched.server = Some(server);
        self.watch();
        if self.remote {
            attempt.protect = Some(server);
        }
        match attempt.server_lookup.take() {
            Some(lookup) => {
                self.opening.names(Some(&lookup.host));
                let answer = self.names.look_up(&lookup.host, family(&lookup));
                let id = attempt.id;
                self.preparing = Some(Preparing::ServerAddress(attempt));
                self.begin(async move { Finished::ServerFound(id, lookup, answer.await) });
            }
            None => self.protect(attempt),
        }
    }

    fn protect(&mut self, attempt: Box<Attempt>) {
        match attempt.protect {
            Some(address) => {
                let task = NetworkTask::Protect(attempt.id, address);
                self.preparing = Some(Preparing::Protection(attempt));
                self.steps.push_back(task);
                self.step();
            }
            None => self.order(Order::Attempt(TunnelOrder::Begin(attempt))),
        }
    }

    /// The address that the proxy of an attempt needs was looked up.
    pub(crate) fn server_found(
        &mut self,
        id: AttemptId,
        lookup: &Lookup,
        answer: io::Result<Answer>,
    ) {
        self.opening.names(None);
        let mut attempt = match self.preparing.take() {
            Some(Preparing::ServerAddress(attempt)) if attempt.id == id => attempt,
            other => {
                self.preparing = other;
                return;
            }
        };
        match answer {
            Ok(answer) => {
                self.names.remember(&answer);
                // Not every proxy has IPv6.
                let mut known = answer.addresses.iter();
                let first = known
                    .find(|it| it.is_ipv4())
                    .or_else(|| answer.addresses.first());
                if let Some(proxy_setup) = &mut attempt.proxy_setup {
                    proxy_setup.address = first.map(|ip| SocketAddr::new(*ip, lookup.port));
                    attempt.config.data.socks_header = proxy_setup.header_length();
                }
                self.protect(attempt);
            }
            Err(error) => self.failed(id, &error),
        }
    }

    /// The server of an attempt is kept out of the tunnel, or is not.
    pub(crate) fn protected(&mut self, id: AttemptId, outcome: Result<SocketNeeds, NetError>) {
        let mut attempt = match self.preparing.take() {
            Some(Preparing::Protection(attempt)) if attempt.id == id => attempt,
            other => {
                self.preparing = other;
                return;
            }
        };
        match outcome {
            Ok(needs) => {
                let socket = &mut attempt.socket;
                socket.device = needs.device.or_else(|| socket.device.take());
                socket.mark = needs.mark.or(socket.mark);
            }
            Err(error) if self.remote => return self.failed(id, &error),
            Err(error) => warn!(%error, "packets to the server may be routed into the tunnel"),
        }
        self.order(Order::Attempt(TunnelOrder::Begin(attempt)));
    }

    fn failed(&mut self, id: AttemptId, error: &dyn std::error::Error) {
        let error = ConnectionError::Transport(error.to_string());
        self.ended(id, Ended::Failed(error));
    }

    fn ended(&mut self, id: AttemptId, ended: Ended) {
        let ended = TunnelReport::Event(Event::Ended(ended));
        self.ready.push_back(Report::Tunnel(id, ended));
    }
}
