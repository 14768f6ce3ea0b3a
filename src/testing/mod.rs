//! What many unit tests need: network namespaces, a bus with all of its services, and a moment at which virtual time begins.

pub mod bus;
#[path = "../../tests/common/capture.rs"]
pub mod capture;
#[path = "../../tests/common/decode.rs"]
pub mod decode;
#[path = "../../tests/common/lines.rs"]
pub mod lines;
#[path = "../../tests/common/link.rs"]
pub mod link;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../engine/data/model.rs"]
pub mod model;
#[path = "../../tests/common/namespace.rs"]
pub mod namespace;
#[path = "../../tests/common/needs.rs"]
mod needs;
#[expect(dead_code, reason = "other test programs use the rest of it")]
#[path = "../../tests/common/process.rs"]
pub mod process;
#[path = "../../tests/common/state.rs"]
pub mod state;
#[path = "../../tests/common/traffic.rs"]
pub mod traffic;

use std::future::Future;
use std::time::{Duration, Instant};

use openvpn_engine::data::{packet, vnet};

pub(crate) use self::needs::{Defer, skipped};

/// A moment at which virtual time begins.
#[expect(
    clippy::disallowed_methods,
    reason = "tests count from it and never ask again"
)]
pub fn start() -> Instant {
    Instant::now()
}

/// Runs asynchronous work on this thread, but not for ever.
pub fn in_runtime<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made");
    let limited = async { tokio::time::timeout(LONGEST_WORK, work).await };
    runtime.block_on(limited).expect("it comes to an end")
}

/// No work of ours takes half as long.
const LONGEST_WORK: Duration = Duration::from_secs(120);
