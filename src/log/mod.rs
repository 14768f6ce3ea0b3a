//! One subscriber, made in `main`: the journal if standard error leads there, else standard error; levels.
//!
//! What we log ourselves goes to the journal as sentences ([`mod@journal`]); what the libraries under us log goes there as
//! `tracing-journald` writes it. The journal gets so many records of a kind and no more.

pub mod bus_layer;
pub mod journal;
pub mod limit;
pub mod message_id;

use std::io::IsTerminal;
use std::sync::{Arc, OnceLock};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

/// A further receiver of what is logged.
pub type ExtraLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Turns the log up and down while the program runs.
#[derive(Debug, Clone)]
pub struct LogControl {
    filter: reload::Handle<Targets, Registry>,
    identity: Identity,
}

impl LogControl {
    /// Sets the level, 0 to 6; above is 6.
    pub fn set_level(&self, level: u32) {
        // It fails only when the subscriber is gone, and then nobody listens.
        drop(self.filter.reload(targets(level)));
    }

    /// From here on every record of the journal has these fields beside its own. To be called once.
    pub fn identify(&self, fields: Vec<(&'static str, String)>) {
        // A second call changes nothing: a process has one session.
        drop(self.identity.set(fields));
    }
}

/// Fields that every record has, once they are known.
type Identity = Arc<OnceLock<Vec<(&'static str, String)>>>;

/// Makes the subscriber. To be called once, before anything is logged; a second call changes nothing.
#[must_use]
pub fn init(level: u32, extra: Option<ExtraLayer>) -> LogControl {
    let (filter, handle) = reload::Layer::new(targets(level));
    let identity = Identity::default();
    let output = match journal(&identity) {
        Some(journal) => journal,
        None => standard_error(),
    };
    let layers: Vec<ExtraLayer> = std::iter::once(output.with_filter(filter).boxed())
        .chain(extra)
        .collect();
    drop(tracing_subscriber::registry().with(layers).try_init());
    LogControl {
        filter: handle,
        identity,
    }
}

/// What each level of 0 to 6 lets through: fatal errors only, errors, warnings, what a user would tell a friend, what
/// explains it, what explains our behaviour, all.
fn targets(level: u32) -> Targets {
    let (ours, others) = match level {
        0 | 1 => (LevelFilter::ERROR, LevelFilter::OFF),
        2 => (LevelFilter::WARN, LevelFilter::ERROR),
        3 => (LevelFilter::INFO, LevelFilter::ERROR),
        4 | 5 => (LevelFilter::DEBUG, LevelFilter::WARN),
        _ => (LevelFilter::TRACE, LevelFilter::DEBUG),
    };
    let targets = Targets::new()
        .with_default(others)
        .with_targets(OURS.map(|target| (target, ours)));
    if level == 4 {
        // The wire's own story comes one level later.
        return targets
            .with_target("openvpn_engine::control", LevelFilter::INFO)
            .with_target("openvpn_engine::data", LevelFilter::INFO);
    }
    targets
}

/// The journal, if standard error is connected to it.
fn journal(identity: &Identity) -> Option<ExtraLayer> {
    let stream = std::env::var("JOURNAL_STREAM").ok()?;
    let stat = rustix::fs::fstat(std::io::stderr()).ok()?;
    if stream != format!("{}:{}", stat.st_dev, stat.st_ino) {
        return None;
    }
    let ours = journal::Journal::new(Arc::clone(identity));
    let ours = ours.with_filter(filter_fn(|about| is_ours(about.target())));
    let others = tracing_journald::layer()
        .ok()
        .map(|layer| layer.with_filter(filter_fn(|about| !is_ours(about.target()))));
    Some(ours.and_then(others).boxed())
}

fn is_ours(target: &str) -> bool {
    OURS.iter().any(|ours| target.starts_with(ours))
}

fn standard_error() -> ExtraLayer {
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .boxed()
}

/// The targets of what we log ourselves: the program and its engine.
pub const OURS: [&str; 2] = ["openvpn3_backend", "openvpn_engine"];

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn each_level_lets_through_what_the_one_below_does() {
        let order = [
            Level::ERROR,
            Level::WARN,
            Level::INFO,
            Level::DEBUG,
            Level::TRACE,
        ];
        for level in 1..=6 {
            for severity in order {
                if targets(level - 1).would_enable(OURS[0], &severity) {
                    assert!(targets(level).would_enable(OURS[0], &severity), "{level}");
                }
            }
        }
        assert!(targets(3).would_enable(OURS[0], &Level::INFO));
        assert!(!targets(2).would_enable(OURS[0], &Level::INFO));
    }
}
