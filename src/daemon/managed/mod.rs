//! The backend process: the session manager's front of the loop.

pub mod profile;
pub mod unit;

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};
use zbus::Connection;

use crate::bus;
use crate::bus::names;
use crate::bus::peers::claim_name;
use crate::control::call::{Ask, Call, Confirmation, loop_turns};
use crate::daemon::client_identity;
use crate::daemon::environment;
use crate::daemon::executor::{Effects, Work};
use crate::daemon::managed::profile::ManagedProfiles;
use crate::daemon::profile_copy::ProfileCopy;
use crate::daemon::session_loop::{FrontEnd, Loop};
use crate::daemon::signals::Signals;
use crate::daemon::standalone;
use crate::daemon::standalone::exec_steps::network_record;
use crate::daemon::stored_device::StoredDevice;
use crate::log;
use crate::log::LogControl;
use crate::log::bus_layer::{BusLog, bus_layer};
use crate::network::monitor::NetworkMonitor;
use crate::network::{LocalOptions, Network, NetworkBy};
use crate::openvpn3::announcer::Announcer;
use crate::openvpn3::log_signal::{LogGroup, LogSource};
use crate::openvpn3::milestones;
use crate::openvpn3::session_object::{ServedUntil, SessionObject};
use crate::sys::clock::Clock;
use crate::sys::runtime;
use crate::systemd::exit;
use crate::systemd::fd_store::Inherited;
use crate::systemd::notify::Notifier;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY};
use crate::systemd::watchdog::Watchdog;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::Session;
use openvpn_engine::session::Status;
use openvpn_engine::session::Summary;
use openvpn_engine::session::{Attention, Question};
use openvpn_engine::session::{Autonomy, Lifetime, Policy, ReadyWhen, Registration};
use openvpn_engine::session::{ExitClass, Request};

/// Arguments of `session`.
#[derive(Debug, Clone, clap::Args)]
pub struct SessionArgs {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
    /// 0 says least, 6 all; otherwise what the starter or the profile says, or 3.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=6))]
    pub log_level: Option<u32>,
    /// Who sets up addresses, routes and DNS, for sessions of a session manager whose starter does not say it; others do
    /// it by themselves.
    #[arg(long, value_enum, default_value_t)]
    pub network: NetworkBy,
}

/// Runs the session of one unit.
#[must_use]
pub fn main(args: &SessionArgs) -> ExitCode {
    let Some(instance) = Instance::from_argument(&args.instance) else {
        return no_instance(&args.instance);
    };
    let taken = instance
        .take(Path::new(RUNTIME_DIRECTORY))
        .map(|handover| (instance, handover));
    let requested = match &taken {
        Ok((_, Some(handover))) => handover.log_level.or(args.log_level),
        Ok((_, None)) | Err(_) => args.log_level,
    };
    let level = requested.unwrap_or(DEFAULT_LEVEL);
    let outcome = match taken {
        Ok((instance, Some(handover))) => {
            let (layer, records) = bus_layer(level);
            let journal = log::init(level, Some(layer));
            let start = Start {
                network: handover.network.unwrap_or(args.network),
                instance,
                session_token: handover.session_token,
            };
            runtime::run(on_the_bus(start, journal, records))
        }
        Ok((instance, None)) if instance.is_made_up() && !has_profile(&instance) => {
            drop(log::init(level, None));
            runtime::run(async { nothing_left_to_do() })
        }
        Ok((instance, None)) => {
            let journal = log::init(level, None);
            let journal = requested.is_none().then_some(journal);
            if args.network != NetworkBy::Local {
                warn!(
                    "--network is for sessions of a session manager: this one sets up its network by itself"
                );
            }
            runtime::run(standalone::run(&instance, journal))
        }
        Err(error) => {
            drop(log::init(level, None));
            Err(error)
        }
    };
    match outcome {
        Ok(class) => exit::exit_code(class),
        Err(error) => {
            error!(instance = args.instance, %error, "the session cannot begin");
            Notifier::default().status(&format!("the session cannot begin: {error}"));
            exit::exit_code(ExitClass::Internal)
        }
    }
}

/// Trying again would not help.
fn no_instance(name: &str) -> ExitCode {
    drop(log::init(DEFAULT_LEVEL, None));
    let reason = "no profile can have this name: it is what `systemd-escape NAME` gives for the name of the profile's file";
    error!(instance = name, reason, "the session cannot begin");
    Notifier::default().status(&format!("the session cannot begin: {reason}"));
    exit::exit_code(ExitClass::ProfileUnusable)
}

/// The process before this one took its session with it. An end before READY would be a failure to systemd, and READY
/// is believed only of a process that listens to the signals of its unit.
fn nothing_left_to_do() -> io::Result<ExitClass> {
    let _listening = Signals::listen()?;
    info!("the process before this one took its session with it");
    Notifier::default().ready();
    Ok(ExitClass::AsAsked)
}

/// Whether the instance is one of those that systemd runs by itself: root has copied a profile for it. The account of the
/// session cannot look into the folder of the profiles.
fn has_profile(instance: &Instance) -> bool {
    let copy = ProfileCopy::find(&standalone::profile_lookup::copy_folder(instance));
    copy.is_some_and(|copy| matches!(copy.origin(), Ok(Some(_))))
}

/// What a session that a session manager drives begins with.
struct Start {
    instance: Instance,
    session_token: String,
    network: NetworkBy,
}

impl Start {
    fn network(&self, connection: &Connection) -> io::Result<Network> {
        Ok(match self.network {
            NetworkBy::Local => Network::local(LocalOptions {
                record: Some(network_record(&self.instance)?),
                bus: Some(connection.clone()),
                ..LocalOptions::default()
            }),
            NetworkBy::Netcfg => {
                let record = network_record(&self.instance)?;
                Network::remote(connection.clone(), &self.session_token, Some(record))
            }
            NetworkBy::None => Network::Nobody,
        })
    }
}

async fn on_the_bus(start: Start, journal: LogControl, records: BusLog) -> io::Result<ExitClass> {
    let connection = Connection::system().await.map_err(io::Error::other)?;
    managed(&connection, start, journal, records).await
}

/// A session that a session manager drives, on one connection to the bus.
async fn managed(
    connection: &Connection,
    start: Start,
    journal: LogControl,
    records: BusLog,
) -> io::Result<ExitClass> {
    let signals = Signals::listen()?;
    let clock = Clock::start();
    let profiles = ManagedProfiles {
        connection: connection.clone(),
        journal,
        bus_log: records.control(),
        instance: start.instance.clone(),
    };
    let network = start.network(connection)?;
    let bus = connection.clone();
    let changes = Box::pin(async move { NetworkMonitor::start(Some(bus)) });
    let effects = Effects::new(network, Box::new(profiles), changes)?;
    let effects = effects.with_device(StoredDevice::or_another(&mut Inherited::take()?));
    let policy = Policy {
        registration: Registration::Awaited {
            token: start.session_token.clone(),
            give_up_at: clock.now() + REGISTRATION,
        },
        ready: ReadyWhen::Registered,
        autonomy: Autonomy::Commanded,
        about: client_identity::ourselves(),
        lifetime: Lifetime::Process,
    };
    let session = Session::new(policy, environment());
    let (callers, calls) = mpsc::channel(CALLS);
    let (object, announcer) = register(connection, callers.clone(), records, &start.session_token)
        .await
        .map_err(io::Error::other)?;
    let running = Loop::new(
        session,
        effects,
        OnTheBus {
            announcer,
            config_path: String::new(),
        },
        calls,
        clock,
    )
    .run(signals);
    let object = object.of_instance(start.instance.name());
    let together = side_by_side(running, object.serve(), callers.clone());
    let class = tokio::select! {
        class = together => class,
        () = watched(connection, callers) => ExitClass::Internal,
    };
    info!(?class, "the session is over");
    // The session manager knows the reason; nobody else looks after this unit, so that none is to stay as failed.
    Ok(ExitClass::AsAsked)
}

/// Exports the object, claims the name, and tells the session manager: in this order, because it calls back at once.
async fn register(
    connection: &Connection,
    callers: mpsc::Sender<Call>,
    records: BusLog,
    session_token: &str,
) -> zbus::Result<(SessionObject, Announcer)> {
    let source = LogSource {
        path: names::SESSION_PATH,
        group: LogGroup::Client,
        session_token: Some(session_token.to_owned()),
    };
    let (mut object, announcer) =
        SessionObject::export(connection, callers, records, source).await?;
    let process_id = std::process::id();
    let name = names::backend_name(process_id);
    claim_name(connection, &name).await?;
    let process_id = i32::try_from(process_id)
        .map_err(|_| zbus::Error::Failure("a process id beyond all bounds".to_owned()))?;
    object.register(&name, session_token, process_id).await?;
    Ok((object, announcer))
}

/// Loop and object, until both have ended: the loop first, or it is told to when the bus is gone.
async fn side_by_side(
    running: impl Future<Output = ExitClass>,
    serving: impl Future<Output = ServedUntil>,
    callers: mpsc::Sender<Call>,
) -> ExitClass {
    let mut running = pin!(running);
    let mut serving = pin!(serving);
    tokio::select! {
        class = &mut running => {
            serving.await;
            return class;
        }
        _gone = &mut serving => error!("the bus is gone"),
    }
    // Nobody waits for the answer; a loop that takes no call is about to end.
    let (answer, _nobody) = oneshot::channel();
    let ask = Ask::Request(Request::ForceShutdown);
    drop(callers.send(Call { ask, answer }).await);
    drop(callers);
    running.await
}

/// Feeds the watchdog while bus, session loop and tunnel thread turn. Never ends.
async fn watched(connection: &Connection, callers: mpsc::Sender<Call>) {
    let Some(watchdog) = Watchdog::from_environment() else {
        return std::future::pending().await;
    };
    let probe = || {
        let callers = callers.clone();
        async move { bus::ping(connection).await.is_ok() && loop_turns(&callers).await }
    };
    watchdog.feed_while(probe).await;
}

/// The front that speaks to the session manager.
struct OnTheBus {
    announcer: Announcer,
    /// The profile's object, once it is known.
    config_path: String,
}

impl FrontEnd for OnTheBus {
    fn confirmed(&mut self, confirmation: &Confirmation) {
        self.config_path.clone_from(&confirmation.config_path);
    }

    fn announced(&mut self, status: &Status) {
        if let Some(line) = milestones::of_status(status) {
            info!("{line}");
        }
        self.announcer.status(status, &self.config_path);
    }

    fn attention(&mut self, attention: Attention) {
        self.announcer.attention(attention);
    }

    fn connected(&mut self, summary: &Summary) {
        info!("{}", milestones::connected(summary));
    }

    /// The answer comes by a call.
    fn ask(&mut self, _question: &Question) -> Option<Work<io::Result<SecretText>>> {
        None
    }
}

/// How long the session manager may take to take us on.
const REGISTRATION: Duration = Duration::from_secs(60);
const CALLS: usize = 32;
const DEFAULT_LEVEL: u32 = 3;
