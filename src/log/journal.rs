//! The journal: one sentence for people, the fields beside it for programs, and a message id that the catalogue explains.

use std::fmt::{self, Write as _};

use libsystemd::logging::{Priority, journal_send};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::log::bus_layer::Category;
use crate::log::limit::{HeldBack, Limit};
use crate::log::{Identity, message_id};

/// Sends what is logged to the journal.
#[derive(Debug, Default)]
pub struct Journal {
    identity: Identity,
    limit: Limit,
}

impl Journal {
    /// With the fields of `identity` beside every record, once there are any.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            limit: Limit::default(),
        }
    }

    /// Whose record this is, in the words of the stock log service.
    fn identified(&self, metadata: &Metadata<'_>) -> Vec<(String, String)> {
        let Some(identity) = self.identity.get() else {
            return Vec::new();
        };
        let category = Category::of(*metadata.level(), metadata.target());
        let category = std::iter::once(("O3_LOG_CATEGORY", category.name().to_owned()));
        let fields = identity.iter().cloned().chain(category);
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn send(&self, entry: Entry, metadata: &Metadata<'_>) {
        let mut fields = vec![
            (
                "SYSLOG_IDENTIFIER".to_owned(),
                "openvpn3-backend".to_owned(),
            ),
            ("TARGET".to_owned(), metadata.target().to_owned()),
        ];
        fields
            .extend(message_id::of(&entry.message).map(|id| ("MESSAGE_ID".to_owned(), id.into())));
        fields.extend(self.identified(metadata));
        let sentence = entry.sentence();
        fields.extend(
            entry
                .fields
                .into_iter()
                .map(|(name, value)| (name.to_ascii_uppercase(), value)),
        );
        // Without a journal nobody reads, and nothing can be said about it.
        drop(journal_send(
            priority(*metadata.level()),
            &sentence,
            fields.into_iter(),
        ));
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut entry = Entry::default();
        event.record(&mut entry);
        let metadata = event.metadata();
        let judged = self.limit.judge(metadata, &entry.message);
        for HeldBack { message, count } in judged.held_back {
            let entry = Entry {
                message: "more records like this were not written".to_owned(),
                fields: vec![("text", message), ("records", count.to_string())],
            };
            self.send(entry, metadata);
        }
        if judged.passes {
            self.send(entry, metadata);
        }
    }
}

const fn priority(level: Level) -> Priority {
    match level {
        Level::ERROR => Priority::Error,
        Level::WARN => Priority::Warning,
        Level::INFO => Priority::Info,
        _ => Priority::Debug,
    }
}

/// What is logged, taken apart.
#[derive(Debug, Default)]
struct Entry {
    message: String,
    fields: Vec<(&'static str, String)>,
}

impl Entry {
    /// The message, what explains it behind a colon, everything else in brackets.
    fn sentence(&self) -> String {
        let mut sentence = self.message.clone();
        let explains = |name: &str| EXPLAIN.contains(&name);
        let explanations = self.fields.iter().filter(|(name, _)| explains(name));
        for (_, value) in explanations {
            // Errors begin with what was being done, and so may the message.
            let value = value
                .strip_prefix(&format!("{}: ", self.message))
                .unwrap_or(value);
            push(&mut sentence, format_args!(": {value}"));
        }
        let mut separator = " (";
        let others = self.fields.iter().filter(|(name, _)| !explains(name));
        for (name, value) in others.filter(|(_, value)| !value.is_empty()) {
            push(&mut sentence, format_args!("{separator}{name} {value}"));
            separator = ", ";
        }
        if separator == ", " {
            sentence.push(')');
        }
        sentence
    }
}

impl Visit for Entry {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else {
            self.fields.push((field.name(), value.to_owned()));
        }
    }
}

fn push(text: &mut String, more: fmt::Arguments<'_>) {
    // Writing into a string cannot fail.
    let _infallible = text.write_fmt(more);
}

/// Fields that say why.
const EXPLAIN: [&str; 7] = [
    "error", "note", "question", "reason", "refusal", "text", "url",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_explains_and_then_says_the_rest() {
        let entry = Entry {
            message: "the attempt ended".to_owned(),
            fields: vec![
                ("server", "192.0.2.1".to_owned()),
                ("error", "no answer".to_owned()),
                ("port", "1194".to_owned()),
            ],
        };
        assert_eq!(
            entry.sentence(),
            "the attempt ended: no answer (server 192.0.2.1, port 1194)"
        );
    }
}
