//! What the journal has at the end of a session: why it ended, and what passed.

use std::time::Duration;

use tokio::sync::oneshot;
use tracing::info;

use crate::daemon::executor::Effects;
use crate::systemd::exit;
use crate::tunnel::Order;
use openvpn_engine::session::ExitClass;

/// Says it.
pub async fn say(effects: &mut Effects, class: ExitClass) {
    let (counter, counted) = oneshot::channel();
    effects.order(Order::Count(counter));
    let stats = match tokio::time::timeout(PATIENCE, counted).await {
        Ok(Ok(stats)) => stats,
        Ok(Err(_)) | Err(_) => effects.stats(),
    };
    let status = exit::status_of(class);
    info!(
        reason = status.meaning,
        exit_status = status.code,
        bytes_received = stats.received.bytes,
        bytes_sent = stats.sent.bytes,
        "the session is over"
    );
}

/// How long the tunnel thread may take to tell its counters.
const PATIENCE: Duration = Duration::from_millis(250);
