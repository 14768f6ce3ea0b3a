//! Points in time as people read them: UTC, to the second.

use rustls::pki_types::UnixTime;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

/// Seconds since 1970, by the system's clock.
#[must_use]
pub fn now() -> Option<u64> {
    DefaultTimeProvider
        .current_time()
        .as_ref()
        .map(UnixTime::as_secs)
}

/// `2026-11-24 10:24:33 UTC`.
#[must_use]
pub fn readable(seconds: u64) -> String {
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// `2026-11-24T10:24:33Z`, as RFC 3339 has it.
#[must_use]
pub fn for_programs(seconds: u64) -> String {
    readable(seconds).replacen(' ', "T", 1).replace(" UTC", "Z")
}

/// A span in the largest unit that says enough: `12 s`, `3 min`, `5 h`, `2 days`.
#[must_use]
pub fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / DAY),
    }
}

/// Year, month and day of a day counted from 1970-01-01, by the Gregorian calendar. Years are counted from March, so that
/// the day that only some of them have is their last.
const fn date(days: u64) -> (u64, u64, u64) {
    let from_march_0000 = days + 719_468;
    let (era, day_of_era) = (from_march_0000 / 146_097, from_march_0000 % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_they_are_known() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_795_515_873, "2026-11-24 10:24:33 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(readable(seconds), text);
        }
    }

    #[test]
    fn programs_read_another_form() {
        assert_eq!(for_programs(951_782_400), "2000-02-29T00:00:00Z");
    }

    #[test]
    fn spans_have_one_unit() {
        let spans: Vec<String> = [5, 119, 120, 7200, 200_000].map(span).into();
        assert_eq!(spans, ["5 s", "119 s", "2 min", "2 h", "2 days"]);
    }
}
