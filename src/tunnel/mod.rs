//! The tunnel thread: sockets, the TUN device and the packets between them; orders down, reports up.
//!
//! One thread with a runtime of its own carries one connection: socket, TUN device and [`Connection`] between them.
//! The session gives [`Order`]s and hears [`TunnelReport`]s; the counters are a watch channel.
//!
//! [`Connection`]: openvpn_engine::connection::Connection

pub mod attempt;
pub mod counters;
pub mod device;
pub mod driver;
pub mod engine;
pub mod forwarding;
pub mod interrupt_moderation;
#[cfg(any(test, feature = "benchmark"))]
pub mod mirror;
pub mod outbound;
pub mod overflow;
pub mod proxy;
pub mod socks_relay;
pub mod tcp;
pub mod transport;
pub mod tun;
pub mod udp;
pub mod unauthenticated;

use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot, watch};

pub use crate::tunnel::attempt::{Attempt, SocketOptions};
pub use crate::tunnel::tun::Tun;
use openvpn_engine::data::Stats;
use openvpn_engine::error::ConnectionError;
use openvpn_engine::event::{Event, Input};

/// What the tunnel thread is told.
#[derive(Debug)]
pub enum Order {
    /// Ends the attempt at once, without a goodbye; nothing more is reported of it.
    Abandon,
    /// Carries the tunnel's traffic by this device from here on; a device attached before is closed. It stays attached
    /// over attempts.
    AttachTun(Tun),
    /// Begins an attempt. One that still lives is abandoned.
    Connect(Box<Attempt>),
    /// Answered with the counters as they are, over all attempts.
    Count(oneshot::Sender<Stats>),
    /// Closes our end of the device.
    DetachTun,
    /// Goes to the connection; without one it is forgotten.
    Input(Input),
    /// Answered by the loop itself: the thread turns.
    Ping(oneshot::Sender<()>),
    /// Begins a renegotiation.
    Renegotiate,
    /// Says goodbye to the server, then ends the attempt; reported as [`Event::Ended`].
    Stop,
}

/// What the tunnel thread says.
#[derive(Debug)]
pub enum TunnelReport {
    /// No transport could be opened: the attempt is over.
    AttemptFailed(ConnectionError),
    /// The transport is open; the handshake begins.
    Connected {
        /// Our address on it.
        local: SocketAddr,
        /// The server's address, or that of the proxy in front of it, as packets are sent to it.
        peer: SocketAddr,
    },
    /// The connection says so. After [`Event::Ended`] the attempt is over and its transport closed.
    Event(Event),
    /// The device failed and is detached.
    TunLost(io::Error),
}

/// The thread is gone.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tunnel thread is gone")]
pub struct TunnelGone;

/// The session's end of the tunnel thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct TunnelHandle {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl TunnelHandle {
    /// Starts the thread. `stats` holds the sum over all attempts; it is renewed at most once a second, and when an
    /// attempt ends.
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptors for us.
    pub fn spawn(
        reports: mpsc::Sender<TunnelReport>,
        stats: watch::Sender<Stats>,
    ) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel(ORDERS);
        let thread = driver::spawn(inbox, reports, stats)?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }

    /// Gives an order. Cancel-safe: an order is given or it is not.
    ///
    /// # Errors
    ///
    /// [`TunnelGone`] if the thread has ended.
    #[cfg(test)]
    pub async fn order(&self, order: Order) -> Result<(), TunnelGone> {
        match &self.orders {
            Some(orders) => orders.send(order).await.map_err(|_| TunnelGone),
            None => Err(TunnelGone),
        }
    }

    /// A second end for giving orders, for what runs beside the session's loop. The thread lives until all are gone.
    #[must_use]
    pub fn orders(&self) -> Option<mpsc::Sender<Order>> {
        self.orders.clone()
    }
}

impl Drop for TunnelHandle {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already; there is nothing to add.
            drop(thread.join());
        }
    }
}

/// How many orders may wait.
const ORDERS: usize = 16;

#[cfg(test)]
mod namespace_tests;
