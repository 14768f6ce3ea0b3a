//! The loop: wait, feed the connection, drain it.

use std::io;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, watch};

use super::{Order, TunnelReport};
use crate::engine::data::stats::Stats;

/// Starts the thread; it ends when `orders` is closed.
pub(super) fn spawn(
    _orders: mpsc::Receiver<Order>,
    _reports: mpsc::Sender<TunnelReport>,
    _stats: watch::Sender<Stats>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("tunnel".to_owned())
        .spawn(|| {})
}
