//! What the journal has at the end of a session: why it ended, and what passed.

use std::time::Duration;

use tracing::info;

use crate::daemon::executor::Effects;
use crate::systemd::exit;
use crate::systemd::notify::Notifier;
use openvpn_engine::session::ExitClass;

/// Says it.
pub async fn say(effects: &Effects, class: ExitClass) {
    let stats = match tokio::time::timeout(COUNTING, effects.count()).await {
        Ok(Ok(stats)) => stats,
        Ok(Err(_)) | Err(_) => effects.stats(),
    };
    let status = exit::status_of(class);
    // The service manager keeps it, and `status` shows it: what was said while the session ran is not true any more. A
    // failure has said more than its class.
    if class == ExitClass::AsAsked {
        Notifier::default().status(&format!("ended: {}", status.meaning));
    }
    info!(
        reason = status.meaning,
        exit_status = status.code,
        bytes_received = stats.received.bytes,
        bytes_sent = stats.sent.bytes,
        "the session is over"
    );
}

/// How long the tunnel thread may take to tell its counters.
const COUNTING: Duration = Duration::from_millis(250);
