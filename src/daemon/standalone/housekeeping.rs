//! What goes on beside the session: the administrator is answered, the watchdog is fed.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{info, warn};
use zbus::Connection;

use crate::bus;
use crate::control::call::Call;
use crate::control::call::loop_turns;
use crate::openvpn3::administration;
use crate::systemd::unit::Instance;
use crate::systemd::watchdog::Watchdog;

/// The connection to the bus, while there is one.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    connection: RefCell<Option<Connection>>,
}

impl Bus {
    /// Answers the administrator while there is a bus, and on the one that is started in its place. Never ends.
    pub(crate) async fn administer(&self, instance: &Instance, callers: mpsc::Sender<Call>) {
        let mut bus = match bus::connect().await {
            Some(bus) => bus,
            None => bus::connect_some_day().await,
        };
        loop {
            self.connection.replace(Some(bus.clone()));
            let served = administration::serve(&bus, instance.name(), callers.clone()).await;
            self.connection.replace(None);
            match served {
                Err(error) if !bus::is_lost(&error) => {
                    warn!(%error, "the administrator cannot ask over the bus");
                    sleep(REFUSED).await;
                    bus = bus::connect_some_day().await;
                }
                Err(_) | Ok(()) => {
                    warn!("the system bus is gone");
                    bus = bus::connect_some_day().await;
                    info!("the system bus is back");
                }
            }
        }
    }

    /// Feeds the watchdog while bus, session loop and tunnel thread turn, and with it the patience of whoever starts the
    /// unit; the latter also where there is no watchdog. Never ends.
    pub(crate) async fn watch(&self, callers: mpsc::Sender<Call>) {
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
        match bus::ping(&connection).await {
            Err(error) if !bus::is_lost(&error) => {
                warn!(%error, "no ping passes through the bus");
                false
            }
            Err(_) | Ok(()) => true,
        }
    }
}

/// Before a bus that refuses us is asked again: its policy is wrong, and somebody must change it.
const REFUSED: Duration = Duration::from_secs(600);
