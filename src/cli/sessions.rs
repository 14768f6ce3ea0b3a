//! `list`, `status`, `statistics`, `pause`, `resume`, `restart`, `disconnect`: sessions of units, asked over the bus.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;

use zbus::names::BusName;
use zbus::{Connection, Proxy, fdo};

use crate::bus::names;
use crate::cli::show::{StatusReport, table};
use crate::openvpn3::administration::INTERFACE;
use crate::sys::wall_time;
use crate::systemd::exit;
use crate::systemd::manager::unit_path;
use crate::systemd::unit::Instance;

/// What is asked of one session.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionName {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
    /// For programs.
    #[arg(long)]
    pub json: bool,
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
    /// Say goodbye and end.
    Disconnect,
    /// Leave the server, keep the session.
    Pause,
    /// Connect again.
    Restart,
    /// Go on after a pause.
    Resume,
    /// The counters.
    Statistics,
    /// What it is doing.
    Status,
}

/// `list`.
#[must_use]
pub fn list(args: &ListArgs) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let mut sessions = Vec::new();
        for name in backends(&bus).await? {
            // Sessions of a session manager answer to it alone, and others may end meanwhile.
            if let Ok(status_report) = status_report(&bus, &name).await {
                sessions.push(status_report);
            }
        }
        sessions.sort_by(|one, other| one.text("instance").cmp(other.text("instance")));
        Ok(if args.json {
            let all: Vec<String> = sessions.iter().map(StatusReport::json).collect();
            format!("[{}]", all.join(","))
        } else {
            table(&sessions)
        })
    }))
}

/// Asks one session, or tells it something.
#[must_use]
pub fn one(args: &SessionName, verb: Verb) -> ExitCode {
    finish(run(async {
        let bus = Connection::system().await?;
        let name = bus_name(&bus, &args.instance).await?;
        let session = session(&bus, &name).await?;
        let status_report = match verb {
            Verb::Disconnect | Verb::Restart | Verb::Resume => {
                let () = session.call(verb.method(), &()).await?;
                return Ok(String::new());
            }
            Verb::Pause => {
                let () = session.call(verb.method(), &(REASON)).await?;
                return Ok(String::new());
            }
            Verb::Statistics => {
                let counters: BTreeMap<String, i64> = session.call(verb.method(), &()).await?;
                StatusReport::from_counters(counters)
            }
            Verb::Status => status_report(&bus, &name).await?,
        };
        Ok(if args.json {
            status_report.json()
        } else if verb == Verb::Status {
            status_report.status(wall_time::now())
        } else {
            status_report.lines()
        })
    }))
}

impl Verb {
    const fn method(self) -> &'static str {
        match self {
            Self::Disconnect => "Disconnect",
            Self::Pause => "Pause",
            Self::Restart => "Restart",
            Self::Resume => "Resume",
            Self::Statistics => "Statistics",
            Self::Status => "Describe",
        }
    }
}

const REASON: &str = "the administrator asks for it";

fn run(work: impl Future<Output = zbus::Result<String>>) -> zbus::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| zbus::Error::InputOutput(error.into()))?;
    runtime.block_on(work)
}

fn finish(outcome: zbus::Result<String>) -> ExitCode {
    let (said, code) = match outcome {
        Ok(text) if text.is_empty() => return ExitCode::SUCCESS,
        Ok(text) => (writeln!(io::stdout(), "{text}"), ExitCode::SUCCESS),
        Err(zbus::Error::MethodError(name, text, _)) => {
            let text = text.unwrap_or_else(|| name.to_string());
            (
                writeln!(io::stderr(), "openvpn3-backend: {text}"),
                ExitCode::FAILURE,
            )
        }
        Err(zbus::Error::InputOutput(error)) => (
            writeln!(
                io::stderr(),
                "openvpn3-backend: the system bus cannot be asked: {error}; sessions do not need it, and systemctl status \
                 shows them without it"
            ),
            ExitCode::FAILURE,
        ),
        Err(error) => (
            writeln!(io::stderr(), "openvpn3-backend: {error}"),
            ExitCode::FAILURE,
        ),
    };
    if said.is_err() {
        return ExitCode::FAILURE;
    }
    code
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
    let unit = Instance::from_argument(instance)
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

async fn status_report(bus: &Connection, name: &str) -> zbus::Result<StatusReport> {
    let told = session(bus, name).await?.call("Describe", &()).await?;
    Ok(StatusReport::from_bus(told))
}
