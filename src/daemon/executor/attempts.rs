//! The way to an attempt, and away from it: addresses that it needs, a server that is kept out of the tunnel.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::sync::oneshot;
use tracing::warn;

use crate::daemon::executor::translate::family;
use crate::daemon::executor::{Effects, Finished};
use crate::daemon::network_tasks::NetworkTask;
use crate::network::resolver::Answer;
use crate::network::{NetError, SocketNeeds};
use crate::tunnel::{Attempt, Order, SocketOptions};
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Ended, Event};
use openvpn_engine::session::Lookup;
use openvpn_engine::session::{Launch, Report};

impl Effects {
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
            proxy_setup: launch.proxy_setup,
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

    /// The address that the proxy of the next attempt needs was looked up.
    pub(crate) fn server_found(&mut self, lookup: &Lookup, answer: io::Result<Answer>) {
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
                if let Some(proxy_setup) = &mut attempt.proxy_setup {
                    proxy_setup.address = first.map(|ip| SocketAddr::new(*ip, lookup.port));
                    attempt.config.data.socks_header = proxy_setup.header_length();
                }
                self.begin_attempt(attempt, protect);
            }
            Err(error) => {
                let error = ConnectionError::Transport(error.to_string());
                self.ready.push_back(Report::AttemptFailed(error));
            }
        }
    }

    /// The server of the next attempt is kept out of the tunnel, or is not.
    pub(crate) fn protected(&mut self, outcome: Result<SocketNeeds, NetError>) {
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
}
