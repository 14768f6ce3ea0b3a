//! The configuration manager: fetch a profile.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use zbus::Connection;
use zbus::zvariant::Value;

use crate::bus::call::{CallError, Target, call, property, result};
use crate::bus::names;

/// A profile as the configuration manager keeps it.
#[derive(Debug)]
pub struct StoredProfile {
    /// Its name.
    pub name: String,
    /// Whether kernel offload is wanted.
    pub offload: bool,
    /// What its owner has set over it, by key.
    pub overrides: BTreeMap<String, Override>,
    /// The profile, its files inline.
    pub text: String,
}

/// A value set over the profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(String),
}

/// Fetches a profile. Of one that may be used once only the object is gone afterwards: so the text is asked for last,
/// and it must be kept.
///
/// # Errors
///
/// If the configuration manager does not give it to us.
pub async fn fetch(connection: &Connection, config_path: &str) -> Result<StoredProfile, CallError> {
    let profile = Target {
        destination: names::CONFIGURATION,
        path: config_path,
        interface: names::CONFIGURATION,
    };
    let name = property::<String>(connection, profile, "name", PATIENCE).await?;
    let offload = property::<bool>(connection, profile, "dco", PATIENCE).await?;
    let overrides =
        property::<HashMap<String, Value<'static>>>(connection, profile, "overrides", PATIENCE)
            .await?;
    let message = call(connection, profile, "Fetch", &(), PATIENCE).await?;
    Ok(StoredProfile {
        name,
        offload,
        overrides: overrides
            .into_iter()
            .filter_map(|(key, value)| Some((key, override_of(&value)?)))
            .collect(),
        text: result::<String>(&message, "Fetch")?,
    })
}

/// One value of the dictionary. What is neither text nor flag is nothing that we know.
fn override_of(value: &Value<'_>) -> Option<Override> {
    if let Ok(text) = <&str>::try_from(value) {
        return Some(Override::Text(text.to_owned()));
    }
    bool::try_from(value).ok().map(Override::Flag)
}

/// Four calls within the 5 s that the session manager allows for all of them.
const PATIENCE: Duration = Duration::from_millis(1100);
