//! Records from the log room to `Log` signals, one receiver each.

use zbus::{Connection, Message};

use crate::bus::names;
use crate::bus::peers::Peers;
use crate::log::bus_layer::Record;

/// Who logs, in the log service's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LogGroup {
    /// The starter.
    Starter = 4,
    /// The session.
    Client = 7,
}

impl LogGroup {
    /// As the log service writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starter => "Backend Starter",
            Self::Client => "Client",
        }
    }
}

/// Whose records these are, and where they come from.
#[derive(Debug, Clone)]
pub struct LogSource {
    /// The object that signals.
    pub path: &'static str,
    /// Who logs.
    pub group: LogGroup,
    /// The session's token; the starter has none, and its signal is shorter by it.
    pub session_token: Option<String>,
}

impl LogSource {
    /// The signal for a record, to the log service's present owner. `None`: there is no log service.
    ///
    /// # Errors
    ///
    /// If the signal cannot be written.
    pub fn signal(&self, peers: &Peers, record: &Record) -> zbus::Result<Option<Message>> {
        let Some(owner) = peers.owner(names::LOG) else {
            return Ok(None);
        };
        let builder = Message::signal(self.path, names::BACKENDS_INTERFACE, "Log")?
            .destination(owner.to_owned())?;
        let group = self.group as u32;
        let category = record.category as u32;
        let message = without(self.session_token.as_deref(), &record.message);
        match &self.session_token {
            Some(token) => builder.build(&(group, category, token.as_str(), message)),
            None => builder.build(&(group, category, message)),
        }
        .map(Some)
    }

    /// Sends a record. Errors are swallowed: there is nobody left to tell.
    pub async fn send(&self, connection: &Connection, peers: &Peers, record: &Record) {
        if let Ok(Some(message)) = self.signal(peers, record) {
            drop(connection.send(&message).await);
        }
    }
}

/// The text without the session's token, should it ever have got in.
#[must_use]
pub fn without(token: Option<&str>, text: &str) -> String {
    match token {
        Some(token) if !token.is_empty() => text.replace(token, "(token)"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::peers::OwnerChange;
    use crate::log::bus_layer::Category;

    fn with_log_service() -> Peers {
        let mut peers = Peers::default();
        peers.apply(&OwnerChange {
            name: names::LOG.to_owned(),
            owner: Some(":1.5".to_owned()),
        });
        peers
    }

    fn record() -> Record {
        Record {
            category: Category::Info,
            message: "hello tok".to_owned(),
        }
    }

    #[test]
    fn a_session_s_record_carries_its_token_apart_from_the_text() {
        let source = LogSource {
            path: names::SESSION_PATH,
            group: LogGroup::Client,
            session_token: Some("tok".to_owned()),
        };
        let signal = source
            .signal(&with_log_service(), &record())
            .unwrap()
            .unwrap();
        assert_eq!(signal.header().destination().unwrap().as_str(), ":1.5");
        let body = signal.body();
        let (group, category, token, message): (u32, u32, String, String) =
            body.deserialize().unwrap();
        assert_eq!((group, category), (7, 4));
        assert_eq!((token.as_str(), message.as_str()), ("tok", "hello (token)"));
    }

    #[test]
    fn the_starter_s_record_has_three_parts() {
        let source = LogSource {
            path: names::STARTER_PATH,
            group: LogGroup::Starter,
            session_token: None,
        };
        let signal = source
            .signal(&with_log_service(), &record())
            .unwrap()
            .unwrap();
        assert_eq!(signal.body().signature().to_string_no_parens(), "uus");
        assert!(
            source
                .signal(&Peers::default(), &record())
                .unwrap()
                .is_none()
        );
    }
}
