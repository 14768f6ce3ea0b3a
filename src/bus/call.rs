//! What we call, not what we serve.

use std::time::Duration;

use thiserror::Error;
use zbus::zvariant::DynamicType;
use zbus::{Connection, Message};

/// Where a call goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The peer's bus name.
    pub destination: &'a str,
    /// Its object.
    pub path: &'a str,
    /// The interface.
    pub interface: &'a str,
}

/// Why a call gave no result.
#[derive(Debug, Error)]
pub enum CallError {
    /// The answer did not come in time.
    #[error("{destination} did not answer {member} within {seconds} s")]
    TimedOut {
        /// Whom we asked.
        destination: String,
        /// What we asked.
        member: String,
        /// How long we waited, in seconds.
        seconds: u64,
    },
    /// The peer refused, is not there, or its answer cannot be read.
    #[error("{member}: {reason}")]
    Failed {
        /// What we asked.
        member: String,
        /// The peer's words.
        reason: String,
    },
}

/// Calls a method and waits for its answer.
///
/// # Errors
///
/// See [`CallError`].
pub async fn call<B>(
    connection: &Connection,
    target: Target<'_>,
    member: &str,
    body: &B,
    patience: Duration,
) -> Result<Message, CallError>
where
    B: serde::Serialize + DynamicType + Sync,
{
    let answer = connection.call_method(
        Some(target.destination),
        target.path,
        Some(target.interface),
        member,
        body,
    );
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(error)) => Err(failed(member, &error)),
        Err(_) => Err(CallError::TimedOut {
            destination: target.destination.to_owned(),
            member: member.to_owned(),
            seconds: patience.as_secs(),
        }),
    }
}

/// Reads one property, past every cache.
///
/// # Errors
///
/// See [`CallError`].
pub async fn property<T>(
    connection: &Connection,
    target: Target<'_>,
    name: &str,
    patience: Duration,
) -> Result<T, CallError>
where
    T: TryFrom<zbus::zvariant::OwnedValue>,
{
    let properties = Target {
        interface: crate::bus::names::PROPERTIES,
        ..target
    };
    let arguments = (target.interface, name);
    let message = call(connection, properties, "Get", &arguments, patience).await?;
    let value = message
        .body()
        .deserialize::<zbus::zvariant::OwnedValue>()
        .map_err(|error| failed(name, &error))?;
    T::try_from(value).map_err(|_| CallError::Failed {
        member: name.to_owned(),
        reason: "the property has another type than expected".to_owned(),
    })
}

/// Takes the answer apart.
///
/// # Errors
///
/// If it has another type than expected.
pub fn result<T>(message: &Message, member: &str) -> Result<T, CallError>
where
    T: for<'a> zbus::zvariant::DynamicDeserialize<'a>,
{
    let body = message.body();
    body.deserialize::<T>()
        .map_err(|error| failed(member, &error))
}

pub fn failed(member: &str, error: &zbus::Error) -> CallError {
    let reason = if let zbus::Error::MethodError(name, text, _) = error {
        text.clone().unwrap_or_else(|| name.to_string())
    } else {
        error.to_string()
    };
    CallError::Failed {
        member: member.to_owned(),
        reason,
    }
}
