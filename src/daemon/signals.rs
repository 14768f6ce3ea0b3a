//! Unix signals, as what they mean to a session.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Leave (`SIGINT`, `SIGTERM`).
    Leave,
    /// Read the profile again (`SIGHUP`).
    Reload,
    /// Tell the service manager, which has sent its reload signal (`SIGCONT`), about the reload.
    ReloadHeard,
    /// Connect again (`SIGUSR1`).
    Restart,
    /// Say the counters (`SIGUSR2`).
    Statistics,
}

/// The signals that a session listens to. From its making on they do not kill the process any more.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    /// The unit's reload signal; newer systemd starts no service that does not handle it.
    reload: Signal,
}

impl Signals {
    /// Listens.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::from_raw(libc::SIGCONT))?,
        })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.interrupt.recv() => Asked::Leave,
            _ = self.terminate.recv() => Asked::Leave,
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.reload.recv() => Asked::ReloadHeard,
            _ = self.user1.recv() => Asked::Restart,
            _ = self.user2.recv() => Asked::Statistics,
        }
    }
}
