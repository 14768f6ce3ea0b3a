//! The tunnel thread: sockets, the TUN device and the packets between them; orders down, reports up.
//!
//! One thread with a runtime of its own carries one connection: socket, TUN device and [`Connection`] between them.
//! The session gives [`Order`]s and hears [`Report`]s; counters and heartbeat are a shared snapshot.
//!
//! [`Connection`]: openvpn_engine::connection::Connection

pub mod counters;
pub mod device;
pub mod driver;
pub mod engine;
pub mod forwarding;
pub mod interrupt_moderation;
#[cfg(any(test, feature = "benchmark"))]
pub mod mirror;
pub mod orders;
pub mod outbound;
pub mod overflow;
pub mod proxy;
pub mod socket_options;
pub mod socks_relay;
pub mod tcp;
pub mod transport;
pub mod tun;
pub mod udp;
pub mod unauthenticated;

use std::future::Future;
use std::io;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

pub use crate::tunnel::orders::Order;
use crate::tunnel::orders::Outbox;
pub use crate::tunnel::tun::Tun;
use openvpn_engine::data::Stats;
use openvpn_engine::session::Report;

/// The thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tunnel thread is gone")]
pub struct TunnelGone;

/// The counters, over all attempts, as the thread has published them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) stats: Stats,
    /// The last request for them that this answers.
    pub(crate) answers: u64,
}

/// The session's end of the tunnel thread. Dropping it ends the thread.
#[derive(Debug)]
pub struct TunnelHandle {
    orders: Option<Outbox>,
    snapshot: watch::Receiver<Snapshot>,
    thread: Option<JoinHandle<()>>,
}

impl TunnelHandle {
    /// Starts the thread. It reports [`Report::Tunnel`] and [`Report::TunLost`].
    ///
    /// # Errors
    ///
    /// The system has no thread or no descriptors for us.
    pub fn spawn(reports: mpsc::Sender<Report>) -> io::Result<Self> {
        let (outbox, inbox) = orders::channel();
        let (published, snapshot) = watch::channel(Snapshot::default());
        let thread = driver::spawn(inbox, reports, published)?;
        Ok(Self {
            orders: Some(outbox),
            snapshot,
            thread: Some(thread),
        })
    }

    /// Gives an order, which is carried out after those given before.
    ///
    /// # Errors
    ///
    /// [`TunnelGone`] if the thread has ended.
    pub fn order(&self, order: Order) -> Result<(), TunnelGone> {
        self.orders.as_ref().ok_or(TunnelGone)?.give(order)
    }

    /// The sum of the counters over all attempts, as it was published last: at most once a second, and when an attempt
    /// ends.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.snapshot.borrow().stats
    }

    /// The counters of this moment. They come from the thread's loop: an answer shows that it responds.
    ///
    /// # Errors
    ///
    /// [`TunnelGone`] if the thread has ended.
    pub fn count(&self) -> impl Future<Output = Result<Stats, TunnelGone>> + Send + use<> {
        let number = self.orders.as_ref().ok_or(TunnelGone).and_then(Outbox::ask);
        let mut snapshot = self.snapshot.clone();
        async move {
            let number = number?;
            let answered = snapshot.wait_for(|it| it.answers >= number).await;
            answered.map(|it| it.stats).map_err(|_| TunnelGone)
        }
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

#[cfg(test)]
mod namespace_tests;
