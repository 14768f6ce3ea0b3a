//! Who owns the names we talk to, kept current by `NameOwnerChanged`.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::names::BusName;
use zbus::{Connection, MatchRule, MessageStream, fdo};

use crate::bus::names;

/// The present owners of the well-known names that matter to us.
#[derive(Debug, Default, Clone)]
pub struct Peers {
    owners: BTreeMap<String, String>,
}

/// One name changed hands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerChange {
    /// The well-known name.
    pub name: String,
    /// Its new owner's unique name; `None`: nobody.
    pub owner: Option<String>,
}

impl Peers {
    /// The unique name that owns `name`.
    #[must_use]
    pub fn owner(&self, name: &str) -> Option<&str> {
        self.owners.get(name).map(String::as_str)
    }

    /// Takes a change over. False if nothing changed by it.
    pub fn apply(&mut self, change: &OwnerChange) -> bool {
        let before = match &change.owner {
            Some(owner) => self.owners.insert(change.name.clone(), owner.clone()),
            None => self.owners.remove(&change.name),
        };
        before != change.owner
    }
}

/// The stream of changes, and the owners at its beginning.
#[derive(Debug)]
pub struct PeerWatch {
    streams: futures_util::stream::SelectAll<MessageStream>,
}

impl PeerWatch {
    /// Subscribes to changes of `watched` first and asks who owns them then, so that no change is missed.
    ///
    /// # Errors
    ///
    /// If the bus cannot be asked.
    pub async fn begin(connection: &Connection, watched: &[&str]) -> zbus::Result<(Self, Peers)> {
        let mut streams = futures_util::stream::SelectAll::new();
        let mut peers = Peers::default();
        for name in watched {
            let rule = MatchRule::builder()
                .msg_type(Type::Signal)
                .sender(names::BUS)?
                .interface(names::BUS)?
                .member("NameOwnerChanged")?
                .add_arg(*name)?
                .build();
            streams.push(MessageStream::for_match_rule(rule, connection, None).await?);
            if let Some(owner) = owner_of(connection, name).await? {
                peers.owners.insert((*name).to_owned(), owner);
            }
        }
        Ok((Self { streams }, peers))
    }

    /// The next change. `None`: the bus is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<OwnerChange> {
        loop {
            let message = self.streams.next().await?.ok()?;
            let body = message.body();
            let Ok((name, _, new)) = body.deserialize::<(&str, &str, &str)>() else {
                continue;
            };
            return Some(OwnerChange {
                name: name.to_owned(),
                owner: Some(new.to_owned()).filter(|owner| !owner.is_empty()),
            });
        }
    }
}

/// Asks the bus who owns `name` now.
///
/// # Errors
///
/// If the bus cannot be asked.
pub async fn owner_of(connection: &Connection, name: &str) -> zbus::Result<Option<String>> {
    let bus = bus_proxy(connection).await?;
    match bus.get_name_owner(BusName::try_from(name)?).await {
        Ok(owner) => Ok(Some(owner.to_string())),
        Err(fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Asks the bus for the user behind a connection.
///
/// # Errors
///
/// If the bus cannot be asked, or the connection is gone.
pub async fn user_of(connection: &Connection, unique_name: &str) -> zbus::Result<u32> {
    let bus = bus_proxy(connection).await?;
    let name = BusName::try_from(unique_name)?;
    Ok(bus.get_connection_unix_user(name).await?)
}

/// Claims a well-known name, in place of whoever holds it and lets it go.
///
/// # Errors
///
/// If the bus refuses.
pub async fn claim_name(connection: &Connection, name: &str) -> zbus::Result<()> {
    const REPLACE_EXISTING: u32 = 2;
    const DO_NOT_QUEUE: u32 = 4;
    const PRIMARY_OWNER: u32 = 1;
    const ALREADY_OWNER: u32 = 4;
    let reply = connection
        .call_method(
            Some(names::BUS),
            names::BUS_PATH,
            Some(names::BUS),
            "RequestName",
            &(name, REPLACE_EXISTING | DO_NOT_QUEUE),
        )
        .await?;
    match reply.body().deserialize::<u32>()? {
        PRIMARY_OWNER | ALREADY_OWNER => Ok(()),
        _ => Err(zbus::Error::NameTaken),
    }
}

async fn bus_proxy(connection: &Connection) -> zbus::Result<fdo::DBusProxy<'static>> {
    fdo::DBusProxy::builder(connection)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(owner: Option<&str>) -> OwnerChange {
        OwnerChange {
            name: names::SESSIONS.to_owned(),
            owner: owner.map(str::to_owned),
        }
    }

    #[test]
    fn owners_come_and_go() {
        let mut peers = Peers::default();
        assert!(peers.apply(&change(Some(":1.4"))));
        assert_eq!(peers.owner(names::SESSIONS), Some(":1.4"));
        assert!(!peers.apply(&change(Some(":1.4"))));
        assert!(peers.apply(&change(Some(":1.9"))));
        assert!(peers.apply(&change(None)));
        assert_eq!(peers.owner(names::SESSIONS), None);
    }
}
