//! Why nothing of use arrives although packets do: the most likely cause, from the counters.

use std::time::{Duration, Instant};

use super::stats::{DropReason, Stats};
use crate::error::Undecodable;
use crate::settings::Framing;

/// What is known of the packets of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The counters.
    pub stats: &'a Stats,
    /// When the last genuine packet came, a ping included.
    pub heard_at: Instant,
    /// How many packets were refused because they were compressed.
    pub compressed: u64,
    /// The framing that packets are expected to have.
    pub framing: Framing,
    /// Whether they are expected to have the header of `fragment`.
    pub fragment: bool,
}

/// Looks at the counters of one connection, and names each cause once.
#[derive(Debug, Default)]
pub struct Diagnosis {
    window: Option<Window>,
    said: Vec<Undecodable>,
}

/// A span in which packets were dropped, and how the counters stood at its begin.
#[derive(Debug, Clone, Copy)]
struct Window {
    since: Instant,
    stats: Stats,
    compressed: u64,
}

impl Diagnosis {
    /// To be called when a packet was dropped. A cause that has been there for a few seconds is given, once.
    ///
    /// Packets that anybody could have forged count only while no genuine one arrives; those that have passed the check
    /// of their authenticity are the server's, and count at once.
    pub fn look(&mut self, now: Instant, evidence: Evidence<'_>) -> Option<Undecodable> {
        let Evidence {
            stats,
            heard_at,
            compressed,
            framing,
            fragment,
        } = evidence;
        let window = *self.window.get_or_insert(Window {
            since: now,
            stats: *stats,
            compressed,
        });
        let dropped = |reason| {
            stats
                .dropped(reason)
                .saturating_sub(window.stats.dropped(reason))
        };
        let forged = dropped(DropReason::Decrypt) + dropped(DropReason::Hmac);
        let compressed = compressed.saturating_sub(window.compressed);
        let framed_otherwise = dropped(DropReason::Compress).saturating_sub(compressed)
            + dropped(DropReason::TunFraming);
        let cause = if fragment && dropped(DropReason::Buffer) + framed_otherwise >= ENOUGH {
            Some(Undecodable::Fragment)
        } else if compressed >= ENOUGH {
            Some(Undecodable::Compressed)
        } else if framed_otherwise >= ENOUGH {
            Some(match framing {
                Framing::None => Undecodable::FramedByServer,
                Framing::Lzo | Framing::Swap | Framing::V2 => Undecodable::NotFramedByServer,
            })
        } else if forged >= ENOUGH && heard_at < window.since && now >= window.since + PATIENCE {
            Some(Undecodable::CipherOrDigest)
        } else {
            None
        };
        if cause.is_some() || now >= window.since + WINDOW {
            self.window = None;
        }
        let cause = cause.filter(|cause| !self.said.contains(cause))?;
        self.said.push(cause);
        Some(cause)
    }
}

/// So many packets of one kind are no accident.
const ENOUGH: u64 = 3;
/// How long genuine packets must stay away before forged ones are taken for the server's.
const PATIENCE: Duration = Duration::from_secs(3);
/// After this long the count begins anew.
const WINDOW: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::start;

    /// What is said when a packet is dropped for this reason each half second; with `genuine` another one arrives.
    fn said(
        reason: DropReason,
        compressed: bool,
        genuine: bool,
        framing: Framing,
        fragment: bool,
    ) -> Vec<Undecodable> {
        let (mut diagnosis, mut stats, begin) = (Diagnosis::default(), Stats::default(), start());
        (0..60)
            .filter_map(|number| {
                let now = begin + Duration::from_millis(500) * number;
                stats.drop(reason);
                let evidence = Evidence {
                    stats: &stats,
                    heard_at: if genuine {
                        now
                    } else {
                        begin - Duration::from_secs(1)
                    },
                    compressed: if compressed { stats.dropped(reason) } else { 0 },
                    framing,
                    fragment,
                };
                diagnosis.look(now, evidence)
            })
            .collect()
    }

    #[test]
    fn each_cause_is_named_once() {
        let cases = [
            (
                DropReason::Compress,
                true,
                Framing::Lzo,
                false,
                Undecodable::Compressed,
            ),
            (
                DropReason::Compress,
                false,
                Framing::Lzo,
                false,
                Undecodable::NotFramedByServer,
            ),
            (
                DropReason::TunFraming,
                false,
                Framing::None,
                false,
                Undecodable::FramedByServer,
            ),
            (
                DropReason::TunFraming,
                false,
                Framing::Swap,
                false,
                Undecodable::NotFramedByServer,
            ),
            (
                DropReason::Buffer,
                false,
                Framing::None,
                true,
                Undecodable::Fragment,
            ),
        ];
        for (reason, compressed, framing, fragment, cause) in cases {
            assert_eq!(
                said(reason, compressed, true, framing, fragment),
                [cause],
                "{reason:?}"
            );
        }
        for reason in [DropReason::Decrypt, DropReason::Hmac] {
            let cause = said(reason, false, false, Framing::None, false);
            assert_eq!(cause, [Undecodable::CipherOrDigest]);
        }
    }

    #[test]
    fn who_forges_packets_beside_the_servers_says_nothing_about_the_server() {
        assert!(said(DropReason::Decrypt, false, true, Framing::None, false).is_empty());
    }

    #[test]
    fn an_odd_packet_now_and_then_is_no_cause() {
        let (mut diagnosis, mut stats, begin) = (Diagnosis::default(), Stats::default(), start());
        for number in 0..100 {
            stats.drop(DropReason::TunFraming);
            let now = begin + Duration::from_secs(20) * number;
            let evidence = Evidence {
                stats: &stats,
                heard_at: now,
                compressed: 0,
                framing: Framing::None,
                fragment: false,
            };
            assert_eq!(diagnosis.look(now, evidence), None);
        }
    }
}
