//! The starter process: token in, unit started, pid out.

use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{error, info};
use zbus::Connection;

use crate::log;
use crate::log::bus_layer::bus_layer;
use crate::network::NetworkBy;
use crate::openvpn3::starter_object::{ServedUntil, StartRequest, StarterObject};
use crate::systemd::manager::StartJob;
use crate::systemd::notify::Notifier;
use crate::systemd::unit::{Handover, Instance, RUNTIME_DIRECTORY, is_token};

/// The starter's options: those of the stock starter.
#[derive(Debug, Clone, clap::Args)]
pub struct StarterOptions {
    /// How much is logged: 0 (fatal errors only) to 6 (everything).
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=6))]
    pub log_level: u32,
    /// Leave after this many seconds without a call; 0: never.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub idle_exit: u64,
    /// How much the sessions log.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=6))]
    pub client_log_level: Option<u32>,
    /// Who sets up addresses, routes and DNS of the sessions; otherwise their unit says it.
    #[arg(long, value_enum)]
    pub network: Option<NetworkBy>,
    /// Understood and ignored: sessions log to the journal and to the log service.
    #[arg(long, value_name = "FILE", hide = true)]
    pub client_log_file: Option<String>,
    /// Understood and ignored: sessions log to the journal and to the log service.
    #[arg(long, hide = true)]
    pub client_colour: bool,
    /// Understood and ignored: whether sockets are protected is the session's own business.
    #[arg(long, hide = true)]
    pub client_disable_protect_socket: bool,
}

/// Runs the starter until it is idle.
#[must_use]
pub fn main(options: &StarterOptions) -> ExitCode {
    let (layer, records) = bus_layer(options.log_level);
    // The control goes with the process: nobody changes the starter's level.
    drop(log::init(options.log_level, Some(layer)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let until = match runtime {
        Ok(runtime) => runtime.block_on(async {
            let connection = Connection::system().await.map_err(io::Error::other)?;
            run(&connection, options, records, Path::new(RUNTIME_DIRECTORY)).await
        }),
        Err(error) => Err(error),
    };
    match until {
        Ok(ServedUntil::Idle | ServedUntil::Stopped) => ExitCode::SUCCESS,
        Ok(ServedUntil::BusGone | ServedUntil::NameLost) => ExitCode::FAILURE,
        Err(error) => {
            error!(%error, "the starter cannot work");
            ExitCode::FAILURE
        }
    }
}

/// Serves the starter's object on a connection.
///
/// # Errors
///
/// If the bus or the process's signals cannot be used.
pub async fn run(
    connection: &Connection,
    options: &StarterOptions,
    records: log::bus_layer::BusLog,
    directory: &Path,
) -> io::Result<ServedUntil> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let idle_after = Some(Duration::from_secs(options.idle_exit)).filter(|idle| !idle.is_zero());
    let own_user = rustix::process::geteuid().as_raw();
    let (requests, mut starts) = mpsc::channel::<StartRequest>(STARTS);
    let object = StarterObject::export(connection, own_user, requests, records, idle_after)
        .await
        .map_err(io::Error::other)?;
    Notifier::default().ready();
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let mut serving = std::pin::pin!(object.serve(stop));
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            until = &mut serving => return Ok(until),
            Some(request) = starts.recv() => {
                running.push(serve_request(connection, directory, options, request));
            }
            Some(()) = running.next() => {}
        }
    }
}

async fn serve_request(
    connection: &Connection,
    directory: &Path,
    options: &StarterOptions,
    request: StartRequest,
) {
    let started = start(connection, directory, options, request.session_token).await;
    if let Err(reason) = &started {
        error!(reason, "a session could not be started");
    }
    // A caller that has gone needs no answer.
    drop(request.answer.send(started));
}

async fn start(
    connection: &Connection,
    directory: &Path,
    options: &StarterOptions,
    session_token: String,
) -> Result<u32, String> {
    if !is_token(&session_token) {
        return Err("the token is not one of a session manager".to_owned());
    }
    let instance = Instance::random().map_err(|error| error.to_string())?;
    let handover = Handover {
        session_token,
        log_level: options.client_log_level,
        network: options.network,
    };
    instance
        .leave(directory, &handover)
        .map_err(|error| format!("{}: {error}", directory.display()))?;
    let started = tokio::time::timeout(PATIENCE, main_process(connection, &instance)).await;
    let started = started.unwrap_or_else(|_| {
        Err(format!(
            "{} had no process within {} s",
            instance.unit(),
            PATIENCE.as_secs()
        ))
    });
    match &started {
        Ok(process_id) => info!(unit = instance.unit(), process_id, "session started"),
        Err(_) => instance.take_back(directory),
    }
    started
}

async fn main_process(connection: &Connection, instance: &Instance) -> Result<u32, String> {
    let unit = instance.unit();
    let mut job = StartJob::begin(connection, &unit)
        .await
        .map_err(|error| format!("{unit}: {error}"))?;
    job.main_process()
        .await
        .map_err(|error| format!("{unit}: {error}"))
}

/// Callers give up after 5 s, and wait elsewhere too.
const PATIENCE: Duration = Duration::from_millis(2500);
const STARTS: usize = 64;

#[cfg(test)]
#[path = "starter_tests.rs"]
mod on_the_bus;
