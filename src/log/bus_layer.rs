//! Tracing events to a bounded queue of records, for the log service on the bus.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::log::{ExtraLayer, OURS};

/// How serious a record is, in the log service's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Category {
    /// For whoever reads the code beside it.
    Debug = 1,
    /// What explains our behaviour in detail.
    Verb2 = 2,
    /// What explains our behaviour.
    Verb1 = 3,
    /// What a user would tell a friend.
    Info = 4,
    /// Odd, still works.
    Warn = 5,
    /// Something failed.
    Error = 6,
    /// The session cannot go on.
    Critical = 7,
}

impl Category {
    /// The lowest log level that lets this category through; 0 lets only the last one through.
    const fn level(self) -> u32 {
        match self {
            Self::Critical => 0,
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Verb1 => 4,
            Self::Verb2 => 5,
            Self::Debug => 6,
        }
    }

    /// As the log service writes it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Verb2 => "VERB2",
            Self::Verb1 => "VERB1",
            Self::Info => "INFO",
            Self::Warn => "WARNING",
            Self::Error => "-- ERROR --",
            Self::Critical => "!! CRITICAL !!",
        }
    }

    pub(crate) fn of(level: Level, target: &str) -> Self {
        if level == Level::ERROR {
            Self::Error
        } else if level == Level::WARN {
            Self::Warn
        } else if level == Level::INFO {
            Self::Info
        } else if level == Level::DEBUG {
            // The wire's own story is for those who ask twice.
            if WIRE.iter().any(|room| target.starts_with(room)) {
                Self::Verb2
            } else {
                Self::Verb1
            }
        } else {
            Self::Debug
        }
    }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How serious.
    pub category: Category,
    /// One line.
    pub message: String,
}

/// The reading end of the queue.
#[derive(Debug)]
pub struct BusLog {
    records: mpsc::Receiver<Record>,
    shared: Arc<Shared>,
}

impl BusLog {
    /// The next record. Says in a record of its own how many were dropped since the last. Cancel-safe.
    pub async fn next(&mut self) -> Option<Record> {
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            return Some(Record {
                category: Category::Warn,
                message: format!("{dropped} log lines were dropped: too many at once"),
            });
        }
        self.records.recv().await
    }

    /// A record that is there already.
    pub fn try_next(&mut self) -> Option<Record> {
        self.records.try_recv().ok()
    }

    /// The control of this queue.
    #[must_use]
    pub fn control(&self) -> BusLogControl {
        BusLogControl {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// What can be asked and set about the queue from elsewhere.
#[derive(Debug, Clone)]
pub struct BusLogControl {
    shared: Arc<Shared>,
}

impl BusLogControl {
    /// The level in force, 0 to 6.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.shared.level.load(Ordering::Relaxed)
    }

    /// Sets the level; above 6 is 6.
    pub fn set_level(&self, level: u32) {
        self.shared
            .level
            .store(level.min(HIGHEST_LEVEL), Ordering::Relaxed);
    }

    /// The last record that the level let through.
    #[must_use]
    pub fn last(&self) -> Option<Record> {
        let last = self.shared.last.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Makes the layer and the end to read from.
#[must_use]
pub fn bus_layer(level: u32) -> (ExtraLayer, BusLog) {
    let (sender, records) = mpsc::channel(QUEUE);
    let shared = Arc::new(Shared {
        level: AtomicU32::new(level.min(HIGHEST_LEVEL)),
        dropped: AtomicU64::new(0),
        last: Mutex::new(None),
    });
    let layer = BusLayer {
        sender,
        shared: Arc::clone(&shared),
    };
    (layer.boxed(), BusLog { records, shared })
}

struct BusLayer {
    sender: mpsc::Sender<Record>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    level: AtomicU32,
    dropped: AtomicU64,
    last: Mutex<Option<Record>>,
}

impl<S: Subscriber> Layer<S> for BusLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        // Other crates' events stay out: sending one of ours on the bus must not log.
        if !OURS.iter().any(|ours| metadata.target().starts_with(ours)) {
            return;
        }
        let category = Category::of(*metadata.level(), metadata.target());
        if category.level() > self.shared.level.load(Ordering::Relaxed) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let record = Record {
            category: line.category.unwrap_or(category),
            message: line.finish(),
        };
        *self
            .shared
            .last
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
        if self.sender.try_send(record).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A message and its fields on one line.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    category: Option<Category>,
}

impl Line {
    fn finish(mut self) -> String {
        self.message.push_str(&self.fields);
        let shown: String = self.message.chars().take(LONGEST_LINE).collect();
        shown
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a `String` cannot fail.
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            "session" | "message_id" | MESSAGE_ID => Ok(()),
            name => write!(self.fields, " {name}={value:?}"),
        };
        debug_assert!(written.is_ok(), "a string takes all");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "session" | "message_id" | MESSAGE_ID => {}
            name => {
                self.fields.push(' ');
                self.fields.push_str(name);
                self.fields.push('=');
                self.fields.push_str(value);
            }
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == CRITICAL && value {
            self.category = Some(Category::Critical);
        } else {
            self.record_debug(field, &value);
        }
    }
}

const WIRE: &[&str] = &["openvpn_engine::control", "openvpn_engine::data"];
/// A boolean field of this name lifts a record to the category that every level lets through.
const CRITICAL: &str = "critical";
/// The journal's field for a stable message id; of no use in a line.
const MESSAGE_ID: &str = "MESSAGE_ID";
const HIGHEST_LEVEL: u32 = 6;
const QUEUE: usize = 512;
const LONGEST_LINE: usize = 2000;

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn logged(level: u32, log: impl FnOnce()) -> Vec<Record> {
        let (layer, mut queue) = bus_layer(level);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, log);
        std::iter::from_fn(|| queue.try_next()).collect()
    }

    #[test]
    fn levels_become_the_log_service_s_categories() {
        let records = logged(6, || {
            tracing::error!("e");
            tracing::warn!("w");
            tracing::info!("i");
            tracing::debug!("d");
            tracing::debug!(target: "openvpn_engine::control::tls", "c");
        });
        let categories: Vec<u32> = records.iter().map(|r| r.category as u32).collect();
        assert_eq!(categories, [6, 5, 4, 3, 2]);
    }

    #[test]
    fn the_level_decides_what_is_sent() {
        let records = logged(3, || {
            tracing::info!("shown");
            tracing::debug!("hidden");
        });
        assert_eq!(records.len(), 1);
        assert!(
            logged(0, || {
                tracing::error!("hidden");
            })
            .is_empty()
        );
    }

    #[test]
    fn a_record_is_one_line_with_its_fields() {
        let records = logged(3, || {
            tracing::info!(attempt = 3, server = "a\nb", "connected");
        });
        assert_eq!(records[0].message, "connected attempt=3 server=a b");
    }

    #[test]
    fn other_crates_are_not_heard() {
        assert!(
            logged(6, || {
                tracing::error!(target: "zbus::connection", "loop");
            })
            .is_empty()
        );
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let (layer, queue) = bus_layer(3);
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..QUEUE + 5 {
                tracing::info!("x");
            }
        });
        assert_eq!(queue.shared.dropped.load(Ordering::Relaxed), 5);
        assert_eq!(queue.control().last().unwrap().message, "x");
    }
}
