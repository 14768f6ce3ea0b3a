//! The system bus: connected to where there is one, and again after it was gone.

pub mod call;
pub mod names;
pub mod peers;

use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

/// A connection to the bus, if there is one: for the administrator, name resolution, sleep and the like. A session works
/// without.
pub async fn connect() -> Option<Connection> {
    match try_to_connect().await {
        Ok(connection) => Some(connection),
        Err(Obstacle::Refused(error)) => {
            debug!(%error, "there is no system bus");
            None
        }
        Err(Obstacle::Silent) => {
            warn!("the system bus does not answer");
            None
        }
    }
}

/// A connection to the bus as soon as there is one (again). It is looked for ever more seldom, but never given up.
/// Cancel-safe.
pub async fn connect_some_day() -> Connection {
    let mut pause = FIRST_PAUSE;
    loop {
        sleep(pause).await;
        match try_to_connect().await {
            Ok(connection) => return connection,
            Err(Obstacle::Refused(error)) => debug!(%error, "there is still no system bus"),
            Err(Obstacle::Silent) => debug!("the system bus still does not answer"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Comes to its end when the connection does. Cancel-safe.
pub async fn until_lost(connection: &Connection) {
    // It is about this connection alone, and seldom said.
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(names::BUS)
        .and_then(|rule| rule.member("NameLost"));
    let told = match rule {
        Ok(rule) => MessageStream::for_match_rule(rule.build(), connection, None).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(mut told) => while let Some(Ok(_)) = told.next().await {},
        Err(error) if is_lost(&error) => {}
        Err(error) => {
            debug!(%error, "it will not be noticed when the bus goes");
            std::future::pending::<()>().await;
        }
    }
}

/// Has a ping pass through the bus.
///
/// # Errors
///
/// The bus is gone ([`is_lost`]), or refuses.
pub async fn ping(connection: &Connection) -> zbus::Result<()> {
    let pong = connection.call_method(
        Some(names::BUS),
        names::BUS_PATH,
        Some(names::PEER),
        "Ping",
        &(),
    );
    pong.await.map(drop)
}

/// Whether an error means that the connection has ended: it will not come back by itself.
#[must_use]
pub const fn is_lost(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::InputOutput(_))
}

/// Why there is no connection.
enum Obstacle {
    Refused(zbus::Error),
    Silent,
}

async fn try_to_connect() -> Result<Connection, Obstacle> {
    match timeout(PATIENCE, Connection::system()).await {
        Ok(connection) => connection.map_err(Obstacle::Refused),
        Err(_elapsed) => Err(Obstacle::Silent),
    }
}

/// How long the bus may take to let us in.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before a bus that went away is looked for the first time: it was stopped in order to be started, most likely.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// A bus that was away for a night is noticed within that time.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
