//! Whether the wall clock has been set by something that knows the time.

use std::path::Path;
use std::time::SystemTime;

use openvpn_engine::config::ClockTrust;

use super::calls;

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock;

impl ClockTrust for SystemClock {
    fn is_trusted(&self) -> bool {
        let synchronised = Path::new(TIMESYNCD).exists() || calls::clock_is_synchronised();
        synchronised && !is_before_installation()
    }
}

/// A clock that is behind the program's own file cannot be right.
fn is_before_installation() -> bool {
    let changed = std::fs::metadata("/proc/self/exe").and_then(|file| file.modified());
    changed.is_ok_and(|changed| SystemTime::now() < changed)
}

/// `systemd-timesyncd` leaves this when it has set the clock; the kernel's word on it is not kept over a suspend.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
