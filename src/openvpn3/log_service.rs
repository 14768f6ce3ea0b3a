//! net.openvpn.v3.log: attach, assign, detach.

use std::time::Duration;

use zbus::Connection;
use zbus::zvariant::ObjectPath;

use crate::bus::call::{CallError, Target, call};
use crate::bus::names;

/// The log service, listening to us. Its existence is the proof that we are attached: assigning a session without that
/// crashes the service.
#[derive(Debug, Clone)]
pub struct Attached {
    connection: Connection,
    interfaces: &'static [&'static str],
}

/// The interfaces of a backend that the log service listens to.
pub const BACKEND_INTERFACES: &[&str] = &[names::BACKENDS_INTERFACE, names::SESSIONS_INTERFACE];
/// The interface of the starter that the log service listens to.
pub const STARTER_INTERFACES: &[&str] = &[names::BACKENDS_INTERFACE];

impl Attached {
    /// Asks the log service to listen to our signals. It is started by this if it does not run.
    ///
    /// # Errors
    ///
    /// If it does not run, or does not want to.
    pub async fn attach(
        connection: &Connection,
        interfaces: &'static [&'static str],
    ) -> Result<Self, CallError> {
        for interface in interfaces {
            attach_one(connection, interface).await?;
        }
        Ok(Self {
            connection: connection.clone(),
            interfaces,
        })
    }

    /// Says which session our records belong to, so that they can be forwarded to its owner.
    ///
    /// # Errors
    ///
    /// If the path is none, or the service refuses.
    pub async fn assign_session(&self, session_path: &str) -> Result<(), CallError> {
        let path = ObjectPath::try_from(session_path).map_err(|error| CallError::Failed {
            member: "AssignSession".to_owned(),
            reason: error.to_string(),
        })?;
        let arguments = (path, names::BACKENDS_INTERFACE);
        call(
            &self.connection,
            SERVICE,
            "AssignSession",
            &arguments,
            PATIENCE,
        )
        .await?;
        Ok(())
    }

    /// Asks the service not to listen any longer. A service that is gone does not either.
    pub async fn detach(self) {
        for interface in self.interfaces {
            drop(call(&self.connection, SERVICE, "Detach", interface, BRIEFLY).await);
        }
    }
}

/// A service that was just started owns its name a moment before it has its object.
async fn attach_one(connection: &Connection, interface: &str) -> Result<(), CallError> {
    let mut tries = 0;
    loop {
        match call(connection, SERVICE, "Attach", &interface, PATIENCE).await {
            Ok(_) => return Ok(()),
            Err(CallError::Failed { reason, .. }) if reason.contains(TWICE) => return Ok(()),
            Err(error @ CallError::TimedOut { .. }) => return Err(error),
            Err(error) if tries >= TRIES => return Err(error),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

const SERVICE: Target<'static> = Target {
    destination: names::LOG,
    path: names::LOG_PATH,
    interface: names::LOG,
};
/// The session manager waits for us at this time, for 5 s in all.
const PATIENCE: Duration = Duration::from_secs(2);
const BRIEFLY: Duration = Duration::from_millis(300);
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// What the service says about an interface that it listens to already.
const TWICE: &str = "Already attached";
