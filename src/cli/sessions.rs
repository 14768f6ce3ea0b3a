//! `list`, `status`, `statistics`, `pause`, `resume`, `restart`, `disconnect`: sessions of units, asked over the bus.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use zbus::names::BusName;
use zbus::{Connection, Proxy, fdo};

use crate::bus::names;
use crate::cli::show::{SessionReport, table};
use crate::cli::style::Style;
use crate::cli::{follow, openmetrics};
use crate::openvpn3::administration::INTERFACE;
use crate::sys::wall_time;
use crate::systemd::exit;
use crate::systemd::manager::unit_path;
use crate::systemd::unit::Instance;

/// What is asked of one session.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionName {
    /// The instance of the unit openvpn3-backend@.service, or the unit's whole name.
    #[arg(value_name = "INSTANCE", value_parser = instance_of)]
    pub instance: String,
}

/// Arguments of `status`.
#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// The instance of the unit openvpn3-backend@.service, or the unit's whole name; without one, every session.
    #[arg(value_name = "INSTANCE", value_parser = instance_of)]
    pub instance: Option<String>,
    /// For programs: one object, without INSTANCE an array of them.
    #[arg(long, conflicts_with = "follow")]
    pub json: bool,
    /// Draw all of it on the terminal, anew each second, until Ctrl-C.
    #[arg(long)]
    pub follow: bool,
}

/// Arguments of `statistics`.
#[derive(Debug, Clone, clap::Args)]
pub struct StatisticsArgs {
    /// The instance of the unit openvpn3-backend@.service, or the unit's whole name.
    #[arg(value_name = "INSTANCE", value_parser = instance_of, required_unless_present = "openmetrics")]
    pub instance: Option<String>,
    /// For programs.
    #[arg(long, conflicts_with = "openmetrics")]
    pub json: bool,
    /// Metrics of every session (or of one) in the text format of OpenMetrics.
    #[arg(long)]
    pub openmetrics: bool,
}

/// `office` of `office`, `openvpn3-backend@office` and `openvpn3-backend@office.service`.
#[expect(clippy::unnecessary_wraps, reason = "clap wants it so")]
pub(crate) fn instance_of(argument: &str) -> Result<String, String> {
    let name = argument
        .strip_prefix("openvpn3-backend@")
        .unwrap_or(argument);
    Ok(name.strip_suffix(".service").unwrap_or(name).to_owned())
}

/// Which list is wanted.
#[derive(Debug, Clone, clap::Args)]
pub struct ListArgs {
    /// For programs.
    #[arg(long)]
    pub json: bool,
}

/// What is done to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Send the exit notification and end.
    Disconnect,
    /// Leave the server, keep the session.
    Pause,
    /// Connect again.
    Restart,
    /// Go on after a pause.
    Resume,
}

/// `list`.
#[must_use]
pub fn list(args: &ListArgs) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let Seen { sessions, refused } = all(&bus).await?;
        if args.json {
            return Ok(array(&sessions));
        }
        let mut text = table(&sessions, Style::of_stdout());
        if refused > 0 {
            text.push_str(&format!(
                "\n{refused} more that may not be shown to this account: ask as root, or see polkit's action \
                 net.openvpn.v3.backends.manage-sessions"
            ));
        }
        Ok(text)
    }))
}

/// `status`.
#[must_use]
pub fn status(args: &StatusArgs) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let gather = async || match &args.instance {
            Some(instance) => {
                let name = bus_name(&bus, instance).await?;
                Ok(vec![described(&bus, &name).await?])
            }
            None => all(&bus).await.map(|seen| seen.sessions),
        };
        if args.follow {
            return follow::follow(gather).await;
        }
        let sessions = gather().await?;
        if args.json {
            return Ok(match (&args.instance, sessions.first()) {
                (Some(_), Some(session)) => session.json(),
                _ => array(&sessions),
            });
        }
        let style = Style::of_stdout();
        let blocks: Vec<String> = sessions
            .iter()
            .map(|session| session.status(wall_time::now(), style))
            .collect();
        Ok(match blocks.is_empty() {
            true => "no session runs".to_owned(),
            false => blocks.join("\n\n"),
        })
    }))
}

/// `statistics`.
#[must_use]
pub fn statistics(args: &StatisticsArgs) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let Some(instance) = &args.instance else {
            return Ok(openmetrics::text(&all(&bus).await?.sessions));
        };
        let name = bus_name(&bus, instance).await?;
        if args.openmetrics {
            return Ok(openmetrics::text(&[described(&bus, &name).await?]));
        }
        let session = session(&bus, &name).await?;
        let counters: BTreeMap<String, i64> = session.call("Statistics", &()).await?;
        let counters = SessionReport::from_counters(counters);
        Ok(if args.json {
            counters.json()
        } else {
            counters.lines()
        })
    }))
}

/// Tells one session something.
#[must_use]
pub fn tell(args: &SessionName, verb: Verb) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let name = bus_name(&bus, &args.instance).await?;
        let session = session(&bus, &name).await?;
        match verb {
            Verb::Disconnect => session.call("Disconnect", &()).await?,
            Verb::Pause => session.call("Pause", &(REASON)).await?,
            Verb::Restart => session.call("Restart", &()).await?,
            Verb::Resume => session.call("Resume", &()).await?,
        }
        Ok(String::new())
    }))
}

/// All sessions that could be asked.
struct Seen {
    /// By the names of their instances.
    sessions: Vec<SessionReport>,
    /// How many would not answer this account.
    refused: usize,
}

async fn all(bus: &Connection) -> zbus::Result<Seen> {
    let (mut sessions, mut refused) = (Vec::new(), 0);
    for name in backends(bus).await? {
        match described(bus, &name).await {
            Ok(session) => sessions.push(session),
            Err(zbus::Error::MethodError(error, ..)) if error.ends_with(".AccessDenied") => {
                refused += 1;
            }
            // It ended meanwhile.
            Err(_) => {}
        }
    }
    sessions.sort_by(|one, other| one.text("instance").cmp(other.text("instance")));
    Ok(Seen { sessions, refused })
}

fn array(sessions: &[SessionReport]) -> String {
    let all: Vec<String> = sessions.iter().map(SessionReport::json).collect();
    format!("[{}]", all.join(","))
}

const REASON: &str = "the administrator asks for it";

fn run(work: impl Future<Output = zbus::Result<String>>) -> zbus::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| zbus::Error::InputOutput(error.into()))?;
    runtime.block_on(work)
}

/// Says it on standard error, behind the program's name.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr(), "openvpn3-backend: {text}"));
}

fn finish(outcome: zbus::Result<String>) -> ExitCode {
    let error = match outcome {
        Ok(text) if text.is_empty() => return ExitCode::SUCCESS,
        Ok(text) => {
            return match writeln!(io::stdout(), "{text}") {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
        Err(error) => error,
    };
    complain(&if let zbus::Error::MethodError(name, text, _) = error {
        text.unwrap_or_else(|| name.to_string())
    } else if let zbus::Error::InputOutput(error) = error {
        format!(
            "the system bus cannot be asked: {error}; sessions do not need it, and systemctl status shows them without it"
        )
    } else {
        error.to_string()
    });
    ExitCode::FAILURE
}

/// The bus names of all sessions.
async fn backends(bus: &Connection) -> zbus::Result<Vec<String>> {
    let names = fdo::DBusProxy::new(bus).await?.list_names().await?;
    let prefix = format!("{}.be", names::BACKENDS);
    Ok(names
        .iter()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with(&prefix))
        .map(ToOwned::to_owned)
        .collect())
}

/// The bus name of an instance's session.
async fn bus_name(bus: &Connection, instance: &str) -> zbus::Result<String> {
    let unit = Instance::from_person(instance)
        .ok_or_else(|| zbus::Error::Failure("this cannot be the name of an instance".to_owned()))?
        .unit();
    let service = Proxy::new(
        bus,
        names::SYSTEMD,
        unit_path(&unit),
        names::SYSTEMD_SERVICE,
    )
    .await?;
    match service.get_property::<u32>("MainPID").await? {
        0 => Err(zbus::Error::Failure(not_running(&unit, &service).await)),
        process_id => Ok(names::backend_name(process_id)),
    }
}

/// What systemd knows of a session that does not run.
async fn not_running(unit: &str, service: &Proxy<'_>) -> String {
    let mut words = format!("{unit} does not run");
    let status = service.get_property::<i32>("ExecMainStatus").await;
    let status = status.ok().filter(|status| *status != 0);
    let known = status.and_then(|status| exit::ALL.iter().find(|it| i32::from(it.code) == status));
    if let Some(known) = known {
        words.push_str(&format!("; the last time: {}", known.meaning));
    }
    let ended = service.get_property::<u64>("ExecMainExitTimestamp").await;
    if let Some(ended) = ended.ok().filter(|microseconds| *microseconds > 0) {
        let time = wall_time::readable(ended / 1_000_000);
        words.push_str(&format!("; it ended at {time}"));
    }
    match service.get_property::<String>("StatusText").await {
        Ok(text) if !text.is_empty() => words.push_str(&format!(" ({text})")),
        Ok(_) | Err(_) => {}
    }
    if status.is_some() {
        words.push_str(&format!("; more in: journalctl -xu {unit}"));
    }
    words
}

async fn session<'a>(bus: &Connection, name: &'a str) -> zbus::Result<Proxy<'a>> {
    let name = BusName::try_from(name)?;
    Proxy::new(bus, name, names::SESSION_PATH, INTERFACE).await
}

async fn described(bus: &Connection, name: &str) -> zbus::Result<SessionReport> {
    let told = session(bus, name).await?.call("Describe", &()).await?;
    Ok(SessionReport::from_bus(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_as_good_a_name_as_its_instance() {
        for name in [
            "office",
            "openvpn3-backend@office",
            "openvpn3-backend@office.service",
        ] {
            assert_eq!(instance_of(name).as_deref(), Ok("office"));
        }
    }
}
