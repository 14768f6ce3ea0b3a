//! What goes on beside the session: the administrator is answered, the watchdog is fed.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, warn};
use zbus::Connection;

use crate::service::backend::loop_turns;
use crate::service::cli::system_bus;
use crate::service::dbus::administration;
use crate::service::dbus::call::Call;
use crate::service::dbus::names;
use crate::service::systemd::unit::Instance;
use crate::service::systemd::watchdog::Watchdog;

/// The connection to the bus, while there is one.
#[derive(Debug, Default)]
pub(super) struct Bus {
    connection: RefCell<Option<Connection>>,
}

impl Bus {
    /// Answers the administrator where there is a bus; comes back to one that was started again. Never ends.
    pub(super) async fn administer(&self, instance: &Instance, callers: mpsc::Sender<Call>) {
        let mut was_there = false;
        loop {
            match system_bus().await {
                Some(connection) => {
                    self.connection.replace(Some(connection.clone()));
                    let served =
                        administration::serve(&connection, instance.name(), callers.clone()).await;
                    self.connection.replace(None);
                    match served {
                        Err(error) if !was_there => {
                            warn!(%error, "the administrator cannot ask over the bus");
                        }
                        Err(error) => debug!(%error, "the bus is of no use"),
                        Ok(()) => debug!("the bus is gone"),
                    }
                }
                // The unit is ordered after it: it will not come.
                None if !was_there => std::future::pending().await,
                None => {}
            }
            was_there = true;
            sleep(PAUSE).await;
        }
    }

    /// Feeds the watchdog while bus, session loop and tunnel thread turn, and with it the patience of whoever starts the
    /// unit; the latter also where there is no watchdog. Never ends.
    pub(super) async fn watch(&self, callers: mpsc::Sender<Call>) {
        let watchdog = Watchdog::from_environment().unwrap_or_default();
        let probe = || async { self.turns().await && loop_turns(&callers).await };
        watchdog.feed_while(probe).await;
    }

    /// Whether a ping passes through the bus. A bus that has ended is none, and holds nobody up.
    async fn turns(&self) -> bool {
        let connection = self.connection.borrow().clone();
        let Some(connection) = connection else {
            return true;
        };
        let pong = connection.call_method(
            Some(names::BUS),
            names::BUS_PATH,
            Some(names::PEER),
            "Ping",
            &(),
        );
        match pong.await {
            Ok(_) | Err(zbus::Error::InputOutput(_)) => true,
            Err(error) => {
                warn!(%error, "no ping passes through the bus");
                false
            }
        }
    }
}

/// Before a bus that went away is looked for again.
const PAUSE: Duration = Duration::from_secs(5);
