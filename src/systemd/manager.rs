//! Systemd's manager: start a unit, its job, its main process.

use std::time::Duration;

use futures_util::StreamExt;
use zbus::message::Type;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};
use zbus::{Connection, MatchRule, Message, MessageStream, Proxy};

use crate::bus::call::{CallError, Target, call, property, result};
use crate::bus::names;

/// Starting one unit, watched from before its beginning.
#[derive(Debug)]
pub struct StartJob {
    connection: Connection,
    unit_path: String,
    signals: futures_util::stream::SelectAll<MessageStream>,
    job: OwnedObjectPath,
    seen: Seen,
}

/// What the unit has said about itself so far.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Seen {
    main_process: u32,
    result: String,
    status: String,
    job_result: Option<String>,
}

impl StartJob {
    /// Asks systemd to start a unit.
    ///
    /// # Errors
    ///
    /// If systemd cannot be asked or refuses.
    pub async fn begin(connection: &Connection, unit: &str) -> Result<Self, CallError> {
        // A second subscription of a connection is refused; without any, the wait for the process only takes longer.
        drop(call(connection, MANAGER, "Subscribe", &(), PATIENCE).await);
        let unit_path = unit_path(unit);
        let signals = watch(connection, &unit_path)
            .await
            .map_err(|error| crate::bus::call::failed("AddMatch", &error))?;
        let message = call(connection, MANAGER, "StartUnit", &(unit, "fail"), PATIENCE).await?;
        Ok(Self {
            connection: connection.clone(),
            unit_path,
            signals,
            job: result::<OwnedObjectPath>(&message, "StartUnit")?,
            seen: Seen::default(),
        })
    }

    /// Waits until the unit has a main process. The caller bounds the time.
    ///
    /// # Errors
    ///
    /// If the unit ended or its job did before there was one; the text says how.
    pub async fn main_process(&mut self) -> Result<u32, CallError> {
        // The process may have been there before the answer to StartUnit was.
        self.ask_main_process().await;
        loop {
            if self.seen.job_result.as_deref() == Some("done") {
                self.ask_main_process().await;
            }
            if self.seen.main_process != 0 {
                return Ok(self.seen.main_process);
            }
            if let Some(result) = &self.seen.job_result {
                return Err(self.failure(result));
            }
            let Some(Ok(message)) = self.signals.next().await else {
                return Err(self.failure("systemd went away"));
            };
            self.seen.take(&message, &self.job);
        }
    }

    async fn ask_main_process(&mut self) {
        let service = Target {
            destination: names::SYSTEMD,
            path: &self.unit_path,
            interface: names::SYSTEMD_SERVICE,
        };
        let asked = property::<u32>(&self.connection, service, "MainPID", PATIENCE).await;
        self.seen.main_process = asked.unwrap_or(self.seen.main_process);
    }

    fn failure(&self, job_result: &str) -> CallError {
        let mut reason = format!("job result: {job_result}");
        if !self.seen.result.is_empty() && self.seen.result != "success" {
            reason.push_str(&format!("; unit result: {}", self.seen.result));
        }
        if !self.seen.status.is_empty() {
            reason.push_str(&format!("; {}", self.seen.status));
        }
        CallError::Failed {
            member: "StartUnit".to_owned(),
            reason,
        }
    }
}

impl Seen {
    fn take(&mut self, message: &Message, job: &OwnedObjectPath) {
        let header = message.header();
        let body = message.body();
        match header.member().map(|member| member.as_str()) {
            Some("JobRemoved") => {
                let removed = body.deserialize::<(u32, OwnedObjectPath, String, String)>();
                if let Ok((_, path, _, result)) = removed {
                    if path == *job {
                        self.job_result = Some(result);
                    }
                }
            }
            Some("PropertiesChanged") => {
                type Changed = (
                    String,
                    std::collections::HashMap<String, OwnedValue>,
                    Vec<String>,
                );
                if let Ok((_, mut changed, _)) = body.deserialize::<Changed>() {
                    if let Some(Ok(process_id)) = changed.remove("MainPID").map(u32::try_from) {
                        self.main_process = process_id;
                    }
                    if let Some(Ok(result)) = changed.remove("Result").map(String::try_from) {
                        self.result = result;
                    }
                    if let Some(Ok(status)) = changed.remove("StatusText").map(String::try_from) {
                        if !status.is_empty() {
                            self.status = status;
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

/// Has a unit described by this line while it runs. Systemd keeps it beyond that as a file.
///
/// # Errors
///
/// If systemd cannot be asked or refuses.
pub async fn describe_unit(
    connection: &Connection,
    unit: &str,
    description: &str,
) -> Result<(), CallError> {
    let properties = vec![("Description", Value::from(description))];
    let arguments = (unit, UNTIL_REBOOT, properties);
    call(
        connection,
        MANAGER,
        "SetUnitProperties",
        &arguments,
        PATIENCE,
    )
    .await?;
    Ok(())
}

/// Has a unit's failure forgotten, and with it the unit.
///
/// # Errors
///
/// If systemd cannot be asked or refuses.
pub async fn forget_failure(connection: &Connection, unit: &str) -> Result<(), CallError> {
    call(connection, MANAGER, "ResetFailedUnit", &unit, PATIENCE).await?;
    Ok(())
}

async fn watch(
    connection: &Connection,
    unit_path: &str,
) -> zbus::Result<futures_util::stream::SelectAll<MessageStream>> {
    let properties = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(names::SYSTEMD)?
        .path(unit_path)?
        .interface(names::PROPERTIES)?
        .member("PropertiesChanged")?
        .build();
    let jobs = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(names::SYSTEMD)?
        .path(names::SYSTEMD_PATH)?
        .interface(names::SYSTEMD_MANAGER)?
        .member("JobRemoved")?
        .build();
    let mut signals = futures_util::stream::SelectAll::new();
    signals.push(MessageStream::for_match_rule(properties, connection, Some(QUEUE)).await?);
    signals.push(MessageStream::for_match_rule(jobs, connection, Some(QUEUE)).await?);
    Ok(signals)
}

/// Whether the unit is being started, stopped or restarted because somebody asked for it.
///
/// # Errors
///
/// If systemd cannot be asked.
pub async fn has_job(bus: &Connection, unit: &str) -> zbus::Result<bool> {
    let proxy = Proxy::new(
        bus,
        names::SYSTEMD,
        unit_path(unit),
        "org.freedesktop.systemd1.Unit",
    )
    .await?;
    let job: OwnedValue = proxy.get_property("Job").await?;
    let number = Structure::try_from(Value::from(job)).ok().and_then(|job| {
        job.fields()
            .first()
            .and_then(|number| u32::try_from(number).ok())
    });
    Ok(number.is_some_and(|number| number != 0))
}

/// The object of a unit: every byte of its name but ASCII letters and digits becomes `_` and two hexadecimal digits, a
/// leading digit too.
#[must_use]
pub fn unit_path(unit: &str) -> String {
    let mut path = format!("{}/unit/", names::SYSTEMD_PATH);
    for (index, byte) in unit.bytes().enumerate() {
        if byte.is_ascii_alphabetic() || (byte.is_ascii_digit() && index > 0) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

const MANAGER: Target<'static> = Target {
    destination: names::SYSTEMD,
    path: names::SYSTEMD_PATH,
    interface: names::SYSTEMD_MANAGER,
};
const UNTIL_REBOOT: bool = true;
const PATIENCE: Duration = Duration::from_secs(3);
const QUEUE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_paths_that_systemd_gives_them() {
        assert_eq!(
            unit_path("openvpn3-backend@x1.service"),
            "/org/freedesktop/systemd1/unit/openvpn3_2dbackend_40x1_2eservice"
        );
        assert_eq!(unit_path("1a"), "/org/freedesktop/systemd1/unit/_31a");
    }

    fn signal<B>(member: &str, body: &B) -> Message
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        Message::signal("/x", "org.example.x", member)
            .unwrap()
            .build(body)
            .unwrap()
    }

    #[test]
    fn a_failed_job_is_told_apart_from_others() {
        let ours = OwnedObjectPath::try_from("/job/1").unwrap();
        let other = OwnedObjectPath::try_from("/job/2").unwrap();
        let mut seen = Seen::default();
        seen.take(&signal("JobRemoved", &(2_u32, &other, "u", "done")), &ours);
        assert_eq!(seen.job_result, None);
        seen.take(&signal("JobRemoved", &(1_u32, &ours, "u", "failed")), &ours);
        assert_eq!(seen.job_result.as_deref(), Some("failed"));
    }

    #[test]
    fn the_main_process_and_the_last_words_are_noticed() {
        let mut seen = Seen::default();
        let changed = std::collections::HashMap::from([
            ("MainPID", Value::from(17_u32)),
            ("StatusText", Value::from("no bus")),
        ]);
        let none: Vec<String> = Vec::new();
        let ours = OwnedObjectPath::try_from("/job/1").unwrap();
        seen.take(&signal("PropertiesChanged", &("i", changed, none)), &ours);
        assert_eq!(seen.main_process, 17);
        assert_eq!(seen.status, "no bus");
    }
}
