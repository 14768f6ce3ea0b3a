//! Whether the wall clock has been set by something that knows the time.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use openvpn_engine::config::ClockTrust;

use super::{calls, wall_time};

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
    let changed = std::fs::metadata("/proc/self/exe").map(|file| file.mtime());
    let changed = changed.ok().and_then(|seconds| u64::try_from(seconds).ok());
    matches!((wall_time::now(), changed), (Some(now), Some(changed)) if now < changed)
}

/// `systemd-timesyncd` leaves this when it has set the clock; the kernel's word on it is not kept over a suspend.
const TIMESYNCD: &str = "/run/systemd/timesync/synchronized";
