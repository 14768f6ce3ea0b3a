//! READY, STATUS, STOPPING: what a service tells its manager.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells the service manager, if there is one, what is to be known. Nothing happens outside of a unit.
#[derive(Debug, Default)]
pub struct Notifier {
    status: String,
}

impl Notifier {
    /// The service does what it was started for.
    pub fn ready(&self) {
        tell(&[NotifyState::Ready]);
    }

    /// One line for `systemctl status`; said on change only.
    pub fn status(&mut self, text: &str) {
        if self.status != text {
            text.clone_into(&mut self.status);
            tell(&[NotifyState::Status(text)]);
        }
    }

    /// The service begins to leave.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The service reads its profile again. End it with [`Notifier::ready`].
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// Start or stop may take this much longer, counted from now: a person is being waited for, or the network is
    /// being taken back.
    pub fn extend_timeout(&self, by: Duration) {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, state) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}
