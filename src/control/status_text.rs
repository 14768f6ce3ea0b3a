//! STATUS= in words: what the session is at, and since when.

use std::time::Instant;

use crate::sys::wall_time;
use crate::systemd::notify::Notifier;
use openvpn_engine::session::{Activity, Status};

/// Tells the service manager what a session is at, on change.
#[derive(Debug, Default)]
pub struct StatusText {
    what: String,
    /// In seconds of the system's clock.
    since: Option<u64>,
    told: Option<Activity>,
    /// What went wrong for good.
    failure: Option<String>,
}

impl StatusText {
    /// Hears every status: the reason of an end is said before the end.
    pub fn hear(&mut self, status: &Status) {
        if let Status::Connecting | Status::Reconnecting = status {
            self.failure = None;
        } else if status.explains_the_end() && !matches!(status, Status::InputRequired(_)) {
            self.failure = Some(status.to_string());
        }
    }

    /// Tells it, if it is another thing than before. Without `doing` what failed is the reason of the end, or the last
    /// status.
    pub fn tell(
        &mut self,
        notifier: &mut Notifier,
        now: Instant,
        activity: Option<Activity>,
        last: &Status,
    ) {
        let Some(activity) = activity else {
            let last = (!matches!(last, Status::Done(_))).then(|| last.to_string());
            if let Some(reason) = self.failure.clone().or(last) {
                self.begin(&reason);
                notifier.status(&reason);
            }
            self.told = None;
            return;
        };
        if self.told.as_ref() == Some(&activity) {
            return;
        }
        self.begin(&activity.what);
        notifier.status(&self.words(now, &activity));
        self.told = Some(activity);
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

    fn words(&self, now: Instant, activity: &Activity) -> String {
        let mut words = activity.what.clone();
        if let Some(since) = self.since {
            words.push_str(" since ");
            words.push_str(&wall_time::readable(since));
        }
        if !activity.detail.is_empty() {
            words.push_str(": ");
            words.push_str(&activity.detail);
        }
        if let Some(until) = activity.until {
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

    fn activity(what: &str, detail: &str) -> Activity {
        Activity {
            what: what.to_owned(),
            detail: detail.to_owned(),
            until: None,
        }
    }

    #[test]
    fn a_detail_does_not_change_since_when() {
        let now = Clock::start().now();
        let (mut status_text, mut notifier) = (StatusText::default(), Notifier::default());
        let status = Status::default();
        status_text.tell(
            &mut notifier,
            now,
            Some(activity("connecting", "a")),
            &status,
        );
        status_text.since = Some(951_782_400);
        let mut waiting = activity("connecting", "no answer for 60 s");
        waiting.until = Some(now + Duration::from_millis(4500));
        status_text.tell(&mut notifier, now, Some(waiting.clone()), &status);
        assert_eq!(
            status_text.words(now, &waiting),
            "connecting since 2000-02-29 00:00:00 UTC: no answer for 60 s; trying again after 5 s"
        );
        status_text.tell(&mut notifier, now, Some(activity("paused", "")), &status);
        assert_ne!(status_text.since, Some(951_782_400));
        assert_eq!(status_text.what(), "paused");
    }

    #[test]
    fn the_reason_of_the_end_stays() {
        let now = Clock::start().now();
        let (mut status_text, mut notifier) = (StatusText::default(), Notifier::default());
        let failed = Status::Failed("no".to_owned());
        status_text.hear(&failed);
        let done = Status::Done(String::new());
        status_text.hear(&done);
        status_text.tell(&mut notifier, now, None, &done);
        assert_eq!(status_text.what(), "the connection failed: no");
    }
}
