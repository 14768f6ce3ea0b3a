//! When to ask for options; joining a reply sent in parts.

use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::engine::secret::SecretText;

/// The time between the exchanged keys and the server's options.
#[derive(Debug)]
pub struct PushWait {
    asked: u32,
    next_request: Instant,
    began: Instant,
    deadline: Instant,
    login_pending: bool,
}

impl PushWait {
    /// The first request is due at once; without an answer the wait ends `hand_window` after `now`.
    #[must_use]
    pub fn new(now: Instant, hand_window: Duration) -> Self {
        Self {
            asked: 0,
            next_request: now,
            began: now,
            deadline: now + hand_window,
            login_pending: false,
        }
    }

    /// Whether a request is due at `now`; if so, the next one is planned.
    pub fn request_due(&mut self, now: Instant) -> bool {
        if now < self.next_request {
            return false;
        }
        let pause = if self.login_pending {
            PENDING_PAUSE
        } else {
            match self.asked {
                0 => Duration::from_secs(1),
                1 => Duration::from_secs(2),
                _ => Duration::from_secs(3),
            }
        };
        self.asked = self.asked.saturating_add(1);
        self.next_request = now + pause;
        true
    }

    /// The server postpones its decision by `timeout`, of which at most `longest` is granted. Only the first time
    /// counts. The answer is what was granted.
    pub fn postpone(
        &mut self,
        now: Instant,
        timeout: Duration,
        longest: Duration,
    ) -> Option<Duration> {
        if self.login_pending {
            return None;
        }
        self.login_pending = true;
        self.next_request = now + PENDING_PAUSE;
        let granted = timeout.min(longest);
        self.deadline = self.deadline.max(self.began + granted);
        Some(granted)
    }

    /// When the next request is due.
    #[must_use]
    pub const fn next_request(&self) -> Instant {
        self.next_request
    }

    /// When the wait is over.
    #[must_use]
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long the wait is in all.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.deadline.duration_since(self.began)
    }

    /// Whether the server has postponed its decision.
    #[must_use]
    pub const fn login_pending(&self) -> bool {
        self.login_pending
    }
}

/// Joins the parts of a `PUSH_REPLY` or `PUSH_UPDATE`.
#[derive(Debug)]
pub struct Parts {
    joined: SecretText,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            joined: SecretText::from(""),
        }
    }
}

/// The parts together are longer than any server has reason for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pushed options are too long")]
pub struct TooLong;

impl Parts {
    /// Takes the options of one part. The answer is the whole list, comma separated, once the last part is there.
    ///
    /// # Errors
    ///
    /// [`TooLong`] if the parts exceed what is accepted; what was collected is gone.
    pub fn join(&mut self, part: &str) -> Result<Option<SecretText>, TooLong> {
        let (options, more) = strip_continuation(part);
        let collected = std::mem::take(self).joined;
        if collected.expose().len() + options.len() > LONGEST {
            return Err(TooLong);
        }
        let joined = concat(collected.expose(), options);
        if more {
            self.joined = joined;
            return Ok(None);
        }
        Ok(Some(joined))
    }
}

/// Joins two lists without leaving a copy of either behind.
fn concat(head: &str, tail: &str) -> SecretText {
    let mut text = String::with_capacity(head.len() + 1 + tail.len());
    text.push_str(head);
    if !head.is_empty() && !tail.is_empty() {
        text.push(',');
    }
    text.push_str(tail);
    let joined = SecretText::from(text.as_str());
    text.zeroize();
    joined
}

/// Cuts `push-continuation N` off the end; whether more parts follow.
fn strip_continuation(part: &str) -> (&str, bool) {
    let (head, last) = part.rsplit_once(',').unwrap_or(("", part));
    match last.trim().strip_prefix("push-continuation ") {
        Some(value) => (head, value.trim() == "2"),
        None => (part, false),
    }
}

/// Between requests while a login is pending.
const PENDING_PAUSE: Duration = Duration::from_secs(8);
/// The bytes of all parts together.
const LONGEST: usize = 786_432;

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        #[expect(
            clippy::disallowed_methods,
            reason = "any instant will do as the start of virtual time"
        )]
        Instant::now()
    }

    #[test]
    fn requests_come_at_once_and_then_slower() {
        let start = start();
        let mut wait = PushWait::new(start, Duration::from_secs(60));
        let mut asked = Vec::new();
        for second in 0..13 {
            if wait.request_due(start + Duration::from_secs(second)) {
                asked.push(second);
            }
        }
        assert_eq!(asked, [0, 1, 3, 6, 9, 12]);
    }

    #[test]
    fn a_pending_login_extends_the_wait_once_and_slows_the_requests() {
        let start = start();
        let mut wait = PushWait::new(start, Duration::from_secs(60));
        assert!(wait.request_due(start));
        let now = start + Duration::from_secs(1);
        let granted = wait.postpone(now, Duration::from_secs(9000), Duration::from_secs(1800));
        assert_eq!(granted, Some(Duration::from_secs(1800)));
        assert_eq!(
            wait.postpone(now, Duration::from_secs(9000), Duration::MAX),
            None
        );
        assert_eq!(wait.deadline(), start + Duration::from_secs(1800));
        assert_eq!(wait.next_request(), start + Duration::from_secs(9));
    }

    #[test]
    fn a_pending_login_never_shortens_the_wait() {
        let start = start();
        let mut wait = PushWait::new(start, Duration::from_secs(60));
        wait.postpone(start, Duration::from_secs(5), Duration::from_secs(1800));
        assert_eq!(wait.deadline(), start + Duration::from_secs(60));
    }

    #[test]
    fn parts_are_joined_and_the_continuation_is_gone() {
        let mut parts = Parts::default();
        assert_eq!(parts.join("route 1,route 2,push-continuation 2"), Ok(None));
        assert_eq!(parts.join("push-continuation 2"), Ok(None));
        assert_eq!(
            parts.join("ping 5,push-continuation 1"),
            Ok(Some(SecretText::from("route 1,route 2,ping 5")))
        );
        assert_eq!(parts.join("ping 7"), Ok(Some(SecretText::from("ping 7"))));
        assert_eq!(parts.join(""), Ok(Some(SecretText::from(""))));
    }

    #[test]
    fn endless_parts_are_refused() {
        let mut parts = Parts::default();
        let part = format!("{},push-continuation 2", "x".repeat(60_000));
        let refused = (0..20).map(|_| parts.join(&part)).find(Result::is_err);
        assert_eq!(refused, Some(Err(TooLong)));
    }
}
