//! READY, STATUS, STOPPING: what a service tells its manager.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells the service manager, if there is one, what is to be known. Nothing happens outside of a unit.
#[derive(Debug, Default)]
pub struct Notifier {
    status: String,
    phase: Phase,
}

impl Notifier {
    /// The service does what it was started for.
    pub fn ready(&mut self) {
        self.phase = Phase::Ready;
        tell(&[NotifyState::Ready]);
    }

    /// Whether the service was said to be ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.phase != Phase::Starting
    }

    /// One line for `systemctl status`; said on change only.
    pub fn status(&mut self, text: &str) {
        if self.status != text {
            text.clone_into(&mut self.status);
            tell(&[NotifyState::Status(text)]);
        }
    }

    /// The service begins to leave.
    pub fn stopping(&mut self) {
        self.phase = Phase::Stopping;
        tell(&[NotifyState::Stopping]);
    }

    /// The service reads its profile again. End it with [`Notifier::ready`].
    pub fn reloading(&mut self) {
        if self.phase == Phase::Ready {
            self.phase = Phase::Reloading;
        }
        tell_reloading();
    }

    /// The service manager has sent its reload signal, and waits to hear of a reload's begin and end. Where none is
    /// under way, because nothing has changed, it hears of one that took no time.
    pub fn reload_signalled(&self) {
        match self.phase {
            Phase::Ready => {
                tell_reloading();
                tell(&[NotifyState::Ready]);
            }
            Phase::Reloading => tell_reloading(),
            Phase::Starting | Phase::Stopping => {}
        }
    }

    /// Start or stop may take this much longer, counted from now: a person is being waited for, or the network is
    /// being taken back.
    pub fn extend_timeout(&self, by: Duration) {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

/// What the service manager was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    Ready,
    Reloading,
    #[default]
    Starting,
    Stopping,
}

fn tell_reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
