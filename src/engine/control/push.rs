//! When to ask for options; joining a reply sent in parts.

use std::fmt;
use std::ops::Deref;
use std::time::{Duration, Instant};

use zeroize::Zeroize;

use crate::profile::pushed::PushError;
use crate::profile::pushed::split::{MAX_PUSH, continuation, split};

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
            deadline: now + hand_window.min(LONGEST_WAIT),
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

    /// The server postpones its decision: it comes within `timeout` of the exchanged keys, of which at most `longest` is
    /// granted. It may do so again. The answer is what was granted.
    pub fn postpone(&mut self, now: Instant, timeout: Duration, longest: Duration) -> Duration {
        self.login_pending = true;
        self.next_request = now + PENDING_PAUSE;
        let granted = timeout.min(longest).min(LONGEST_WAIT);
        self.deadline = self.deadline.max(self.began + granted);
        granted
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
    prefix: &'static str,
    collected: Items,
}

/// Options as pushed, a token among them perhaps: erased when dropped, not shown by `Debug`.
#[derive(Default, PartialEq, Eq)]
pub struct Items(Vec<String>);

impl Parts {
    /// Joins messages that begin with `prefix`.
    #[must_use]
    pub fn new(prefix: &'static str) -> Self {
        Self {
            prefix,
            collected: Items::default(),
        }
    }

    /// Takes one part, a whole message. The answer is all options once the last part is there.
    ///
    /// # Errors
    ///
    /// [`PushError::Malformed`] if the message has no options where it should, or the parts exceed what is accepted;
    /// what was collected is gone.
    pub fn join(&mut self, message: &str) -> Result<Option<Items>, PushError> {
        let mut collected = std::mem::take(&mut self.collected);
        let part = Items(split(message, self.prefix)?);
        let more = continuation(&part) == Some(2);
        let is_option = |item: &&String| !item.trim().starts_with("push-continuation ");
        collected.0.extend(part.iter().filter(is_option).cloned());
        if collected.iter().map(|item| item.len() + 1).sum::<usize>() > MAX_PUSH {
            return Err(PushError::Malformed("the parts are too long".to_owned()));
        }
        if more {
            self.collected = collected;
            return Ok(None);
        }
        Ok(Some(collected))
    }
}

impl Deref for Items {
    type Target = [String];

    fn deref(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for Items {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Items({})", self.0.len())
    }
}

impl Drop for Items {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// No wait is longer, whatever the profile says.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
/// Between requests while a login is pending.
const PENDING_PAUSE: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

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
    fn a_pending_login_extends_the_wait_and_slows_the_requests() {
        let start = start();
        let mut wait = PushWait::new(start, Duration::from_secs(60));
        assert!(wait.request_due(start));
        let now = start + Duration::from_secs(1);
        let granted = wait.postpone(now, Duration::from_secs(9000), Duration::from_secs(1800));
        assert_eq!(granted, Duration::from_secs(1800));
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
    fn a_server_may_ask_for_more_time_again() {
        let start = start();
        let mut wait = PushWait::new(start, Duration::from_secs(60));
        let longest = Duration::from_secs(1800);
        wait.postpone(start, Duration::from_secs(70), longest);
        let now = start + Duration::from_secs(65);
        let granted = wait.postpone(now, Duration::from_secs(300), longest);
        assert_eq!(granted, Duration::from_secs(300));
        assert_eq!(wait.deadline(), start + Duration::from_secs(300));
    }

    #[test]
    fn parts_are_joined_and_the_continuation_is_gone() {
        let mut parts = Parts::new("PUSH_REPLY");
        let mut joined = |message| {
            let items = parts.join(message).unwrap();
            items.map(|items| items.to_vec())
        };
        assert_eq!(
            joined("PUSH_REPLY,route 1,route 2,push-continuation 2"),
            None
        );
        assert_eq!(joined("PUSH_REPLY,push-continuation 2"), None);
        assert_eq!(
            joined("PUSH_REPLY,ping 5,push-continuation 1").unwrap(),
            ["route 1", "route 2", "ping 5"]
        );
        assert_eq!(joined("PUSH_REPLY,ping 7").unwrap(), ["ping 7"]);
        assert!(joined("PUSH_REPLY").unwrap().is_empty());
    }

    #[test]
    fn endless_parts_are_refused() {
        let mut parts = Parts::new("PUSH_REPLY");
        let part = format!("PUSH_REPLY,{},push-continuation 2", "x".repeat(60_000));
        assert!((0..20).any(|_| parts.join(&part).is_err()));
    }
}
