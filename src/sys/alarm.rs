//! One deadline that also passes while the machine sleeps.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::sys::calls;
use crate::sys::clock::Clock;

/// A timer of the boot-time clock. It may ring early, never late: setting a later deadline costs nothing until the
/// earlier one has rung.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: AsyncFd<OwnedFd>,
    armed: Option<Instant>,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Boottime, flags)?;
        Ok(Self {
            timer: calls::watch(timer)?,
            armed: None,
        })
    }

    /// Sees to it that [`Alarm::rung`] returns at `deadline` or before.
    pub(crate) fn set(&mut self, clock: &Clock, deadline: Option<Instant>) {
        let Some(deadline) = deadline else {
            return;
        };
        if self.armed.is_some_and(|armed| armed <= deadline) {
            return;
        }
        let left = deadline.saturating_duration_since(clock.now());
        // Zero would disarm the timer.
        let left = left.max(Duration::from_nanos(1));
        let value = Itimerspec {
            it_interval: Timespec::default(),
            it_value: Timespec {
                tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            },
        };
        if timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &value).is_ok() {
            self.armed = Some(deadline);
        }
    }

    /// Returns when the deadline has passed, or an earlier one. Cancel-safe.
    pub(crate) async fn rung(&mut self) {
        loop {
            match self.timer.readable().await {
                Ok(mut ready) => {
                    let mut count = [0; 8];
                    let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut count)?));
                    if read.is_ok() {
                        self.armed = None;
                        return;
                    }
                }
                // The runtime is going away.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn the_earlier_of_two_deadlines_rings() {
        let clock = Clock::start();
        let mut alarm = Alarm::new().unwrap();
        let begin = clock.now();
        alarm.set(&clock, Some(begin + Duration::from_secs(600)));
        alarm.set(&clock, Some(begin + Duration::from_millis(5)));
        alarm.set(&clock, Some(begin + Duration::from_secs(300)));
        alarm.rung().await;
        let passed = clock.now() - begin;
        assert!(passed >= Duration::from_millis(5), "{passed:?}");
        assert!(passed < Duration::from_secs(300), "{passed:?}");
    }
}
