//! What the kernel's queues in front of us had no room for: where a load that is too high is dropped.

/// How far a count of the kernel's was followed.
#[derive(Debug)]
pub(crate) struct Followed {
    known: u64,
}

impl Followed {
    /// Follows from here on.
    pub(crate) const fn from(count: u64) -> Self {
        Self { known: count }
    }

    /// How much was added since it was asked last.
    pub(crate) const fn advance(&mut self, count: u64) -> u64 {
        let added = count.saturating_sub(self.known);
        self.known = count;
        added
    }
}

/// How many packets the queue of the device of this name had no room for.
pub(crate) fn of_device(name: &str) -> Option<u64> {
    in_table(&std::fs::read_to_string(TABLE).ok()?, name)
}

/// The column of dropped packets in the half for sending, in the device's line.
fn in_table(table: &str, name: &str) -> Option<u64> {
    let (_, columns) = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(device, _)| device.trim() == name)?;
    columns.split_whitespace().nth(SEND_DROPPED)?.parse().ok()
}

/// The devices of the network namespace that the thread is in.
const TABLE: &str = "/proc/thread-self/net/dev";
/// Eight columns are of what was received.
const SEND_DROPPED: usize = 8 + 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_tells_what_a_device_dropped() {
        let table = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0
  tun0:    5000      40    0    7    0     0          0         0 90000000 1000000    1   23    4     0       0          0
";
        assert_eq!(in_table(table, "tun0"), Some(23));
        assert_eq!(in_table(table, "tun1"), None);
        assert_eq!(in_table("", "tun0"), None);
        assert!(of_device("lo").is_some());
    }

    #[test]
    fn what_was_dropped_before_is_not_counted_again() {
        let mut followed = Followed::from(5);
        assert_eq!(followed.advance(7), 2);
        assert_eq!(followed.advance(7), 0);
        assert_eq!(followed.advance(3), 0, "the count began anew");
        assert_eq!(followed.advance(4), 1);
    }
}
