//! The profile of a session that a session manager drives: from the configuration manager, with its overrides.

use std::collections::BTreeMap;
use std::path::Path;

use tracing::{debug, info, warn};
use zbus::Connection;
use zeroize::Zeroizing;

use crate::bus::names;
use crate::control::call::Confirmation;
use crate::daemon::executor::{ProfileLoader, ProfileSource, Work};
use crate::daemon::managed::unit::leave_description;
use crate::log::LogControl;
use crate::log::bus_layer::BusLogControl;
use crate::openvpn3::configuration_manager::{self, Override as Given, StoredProfile};
use crate::openvpn3::log_signal::LogGroup;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY};
use openvpn_engine::profile::Note;
use openvpn_engine::profile::{BadOverride, Override, OverrideValue};
use openvpn_engine::profile::{DnsUse, Profile};
use openvpn_engine::session::{Loaded, Refusal};

/// Fetches profiles from the configuration manager.
#[derive(Debug)]
pub struct ManagedProfiles {
    /// Our one connection: the configuration manager recognises the session by it.
    pub connection: Connection,
    /// The level of the journal follows the profile.
    pub journal: LogControl,
    /// And so does that of the log service.
    pub bus_log: BusLogControl,
    /// The unit that we run in.
    pub instance: Instance,
}

impl ProfileLoader for ManagedProfiles {
    fn load(&self, source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>> {
        let connection = self.connection.clone();
        let (journal, bus_log) = (self.journal.clone(), self.bus_log.clone());
        let instance = self.instance.clone();
        Box::pin(async move {
            let ProfileSource::Manager(confirmation) = source else {
                let why = "the configuration manager gives a session its profile once";
                return Err(Refusal::ProfileUnusable(why.to_owned()));
            };
            journal.identify(identity(&connection, &confirmation));
            let stored = configuration_manager::fetch(&connection, &confirmation.config_path)
                .await
                .map_err(|error| Refusal::ProfileUnusable(error.to_string()))?;
            let (loaded, notes) = understand(stored).map_err(Refusal::ProfileUnusable)?;
            for note in &notes {
                info!(%note, "profile");
            }
            if let Some(level) = loaded.profile.verbosity {
                let level = u32::from(level.min(HIGHEST_LEVEL));
                journal.set_level(level);
                bus_log.set_level(level);
            }
            let path = confirmation.session_path.as_deref();
            let directory = Path::new(RUNTIME_DIRECTORY);
            let left = leave_description(directory, &instance, &loaded.name, path);
            if let Err(error) = left {
                debug!(%error, "the unit's description stays as it is");
            }
            Ok(Box::new(loaded))
        })
    }
}

/// Fields of the journal by which the stock tools find a session. Its token is one of them: it let us register, and
/// lets nobody do anything once we are; the stock log service writes it too.
fn identity(connection: &Connection, confirmation: &Confirmation) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("O3_SENDER_OBJECT_PATH", names::SESSION_PATH.to_owned()),
        ("O3_INTERFACE", names::BACKENDS_INTERFACE.to_owned()),
        ("O3_SENDER_PID", std::process::id().to_string()),
        ("O3_SESSION_TOKEN", confirmation.token.clone()),
        ("O3_LOG_GROUP", LogGroup::Client.name().to_owned()),
    ];
    let sender = connection.unique_name().map(ToString::to_string);
    fields.extend(sender.map(|sender| ("O3_SENDER", sender)));
    let path = confirmation.session_path.clone();
    fields.extend(path.map(|path| ("O3_OBJECT_PATH", path)));
    fields
}

/// Text and overrides to a profile.
fn understand(stored: StoredProfile) -> Result<(Loaded, Vec<Note>), String> {
    let StoredProfile {
        name,
        offload,
        overrides,
        text,
    } = stored;
    let text = Zeroizing::new(text);
    let mut no_files = |file: &str| {
        Err(format!(
            "{file}: files must be inline in an imported profile"
        ))
    };
    let parsed = Profile::parse(&name, &text, &mut no_files);
    let (mut profile, mut notes) = parsed.map_err(|errors| {
        let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
        all.join("; ")
    })?;
    let requested = requested(&overrides)?;
    for requested in &requested {
        if let Override::LogLevel(level) = requested {
            profile.verbosity = Some(*level);
        }
    }
    let more = profile
        .apply_overrides(&requested)
        .map_err(|error| error.to_string())?;
    if profile.preferences.dns == DnsUse::Auto {
        // What `dns-scope` is where nobody set it.
        profile.preferences.dns = DnsUse::Global;
    }
    notes.extend(more);
    if offload {
        info!("kernel offload is not available, the session does without");
    }
    introduce(&mut profile);
    Ok((Loaded { name, profile }, notes))
}

/// Overrides that nobody knows do not end the session: a newer configuration manager may have more of them.
fn requested(overrides: &BTreeMap<String, Given>) -> Result<Vec<Override>, String> {
    let mut list = Vec::new();
    for (key, value) in overrides {
        let value = match value {
            Given::Flag(on) => OverrideValue::Switch(*on),
            Given::Text(text) => OverrideValue::Text(text),
        };
        match Override::parse(key, value) {
            Ok(requested) => list.push(requested),
            Err(BadOverride::Unknown(key)) => warn!(key, "an unknown override is ignored"),
            Err(error @ (BadOverride::Conflict { .. } | BadOverride::Value { .. })) => {
                return Err(error.to_string());
            }
        }
    }
    Ok(list)
}

/// Says to the server who we are and which ways of logging in the front-ends can show.
fn introduce(profile: &mut Profile) {
    let info = &mut profile.peer_info;
    let name = concat!("openvpn3-backend/", env!("CARGO_PKG_VERSION"));
    info.gui_version.get_or_insert_with(|| name.to_owned());
    info.sso.get_or_insert_with(|| LOGINS.to_owned());
}

const LOGINS: &str = "openurl,webauth,crtext";
const HIGHEST_LEVEL: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(overrides: &[(&str, Given)]) -> StoredProfile {
        StoredProfile {
            name: "office".to_owned(),
            offload: false,
            overrides: overrides
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect(),
            text: "client\ndev tun\nproto udp\nremote vpn.example 1194\nverb 9\n\
                   auth-user-pass\nverify-x509-name vpn.example name\n<ca>\nx\n</ca>\n"
                .to_owned(),
        }
    }

    #[test]
    fn overrides_of_every_kind_reach_the_profile() {
        let (loaded, _) = understand(stored(&[
            ("server-override", Given::Text("other.example".to_owned())),
            ("log-level", Given::Text("2".to_owned())),
            ("persist-tun", Given::Flag(true)),
            ("from-the-future", Given::Flag(true)),
        ]))
        .unwrap();
        assert_eq!(loaded.name, "office");
        assert_eq!(loaded.profile.remotes[0].host, "other.example");
        assert_eq!(loaded.profile.verbosity, Some(2));
    }

    #[test]
    fn a_wrong_value_is_an_error_that_does_not_show_it() {
        let error = understand(stored(&[(
            "tls-version-min",
            Given::Text("s3cret".to_owned()),
        )]))
        .unwrap_err();
        assert!(error.contains("tls-version-min"), "{error}");
        assert!(!error.contains("s3cret"));
    }

    #[test]
    fn the_server_is_told_how_users_can_log_in() {
        let (loaded, _) = understand(stored(&[])).unwrap();
        assert_eq!(loaded.profile.peer_info.sso.as_deref(), Some(LOGINS));
    }

    #[test]
    fn files_must_be_inline() {
        let mut with_file = stored(&[]);
        with_file.text = with_file
            .text
            .replace("<ca>\nx\n</ca>\n", "ca /etc/ca.pem\n");
        let error = understand(with_file).unwrap_err();
        assert!(error.contains("inline"), "{error}");
    }
}
