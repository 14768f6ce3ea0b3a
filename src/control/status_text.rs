//! STATUS= in words: what the session is at, and since when.

use std::time::Instant;

use crate::sys::wall_time;
use crate::systemd::notify::Notifier;
use openvpn_engine::session::Doing;
use openvpn_engine::session::{Status, StatusMinor};

/// Tells the service manager what a session is at, on change.
#[derive(Debug, Default)]
pub struct Narration {
    what: String,
    /// In seconds of the system's clock.
    since: Option<u64>,
    told: Option<Doing>,
    /// What went wrong for good.
    failure: Option<String>,
}

impl Narration {
    /// Hears every status: the reason of an end is said before the end.
    pub fn hear(&mut self, status: &Status) {
        let minor = status.minor();
        if let StatusMinor::CfgError | StatusMinor::ConnAuthFailed | StatusMinor::ConnFailed = minor
        {
            self.failure = Some(status.to_string());
        } else if let StatusMinor::ConnConnecting | StatusMinor::ConnReconnecting = minor {
            self.failure = None;
        }
    }

    /// Tells it, if it is another thing than before. Without `doing` what failed is the reason of the end, or the last
    /// status.
    pub fn tell(
        &mut self,
        notifier: &mut Notifier,
        now: Instant,
        doing: Option<Doing>,
        last: &Status,
    ) {
        let Some(doing) = doing else {
            let last = (last.minor() != StatusMinor::ConnDone).then(|| last.to_string());
            if let Some(reason) = self.failure.clone().or(last) {
                self.begin(&reason);
                notifier.status(&reason);
            }
            self.told = None;
            return;
        };
        if self.told.as_ref() == Some(&doing) {
            return;
        }
        self.begin(&doing.what);
        notifier.status(&self.words(now, &doing));
        self.told = Some(doing);
    }

    /// What it is at.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Since when, in seconds since 1970.
    #[must_use]
    pub const fn since(&self) -> Option<u64> {
        self.since
    }

    fn begin(&mut self, what: &str) {
        if self.what != what {
            what.clone_into(&mut self.what);
            self.since = wall_time::now();
        }
    }

    fn words(&self, now: Instant, doing: &Doing) -> String {
        let mut words = doing.what.clone();
        if let Some(since) = self.since {
            words.push_str(" since ");
            words.push_str(&wall_time::readable(since));
        }
        if !doing.detail.is_empty() {
            words.push_str(": ");
            words.push_str(&doing.detail);
        }
        if let Some(until) = doing.until {
            let left = until.saturating_duration_since(now).as_secs() + 1;
            words.push_str(&format!("; trying again after {}", wall_time::span(left)));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::clock::Clock;

    fn doing(what: &str, detail: &str) -> Doing {
        Doing {
            what: what.to_owned(),
            detail: detail.to_owned(),
            until: None,
        }
    }

    #[test]
    fn a_detail_does_not_change_since_when() {
        let now = Clock::start().now();
        let (mut narration, mut notifier) = (Narration::default(), Notifier::default());
        let status = Status::default();
        narration.tell(&mut notifier, now, Some(doing("connecting", "a")), &status);
        narration.since = Some(951_782_400);
        let mut waiting = doing("connecting", "no answer for 60 s");
        waiting.until = Some(now + Duration::from_millis(4500));
        narration.tell(&mut notifier, now, Some(waiting.clone()), &status);
        assert_eq!(
            narration.words(now, &waiting),
            "connecting since 2000-02-29 00:00:00 UTC: no answer for 60 s; trying again after 5 s"
        );
        narration.tell(&mut notifier, now, Some(doing("paused", "")), &status);
        assert_ne!(narration.since, Some(951_782_400));
        assert_eq!(narration.what(), "paused");
    }

    #[test]
    fn the_reason_of_the_end_stays() {
        let now = Clock::start().now();
        let (mut narration, mut notifier) = (Narration::default(), Notifier::default());
        let failed = Status::connection(StatusMinor::ConnFailed, "no");
        narration.hear(&failed);
        let done = Status::connection(StatusMinor::ConnDone, "");
        narration.hear(&done);
        narration.tell(&mut notifier, now, None, &done);
        assert_eq!(narration.what(), "the connection failed: no");
    }
}
