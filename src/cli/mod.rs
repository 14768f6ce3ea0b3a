//! The command line: one file for each command, and what is printed.

pub mod follow;
pub mod kill_switch;
pub mod login;
pub mod manual;
#[cfg(feature = "benchmark")]
pub mod mirror;
pub mod openmetrics;
pub mod sessions;
pub mod show;
pub mod style;
pub mod terminal;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use crate::bus;
use crate::cli::kill_switch::KillSwitchCommand;
use crate::cli::manual::{CompletionsArgs, ManualArgs};
use crate::cli::sessions::{ListArgs, SessionName, StatisticsArgs, StatusArgs};
use crate::daemon::check::CheckReport;
use crate::daemon::client_identity;
use crate::daemon::environment;
use crate::daemon::executor::{Effects, Work};
use crate::daemon::findings::{self, Finding, Severity};
use crate::daemon::managed::SessionArgs;
use crate::daemon::managed::unit::DescribeArgs;
use crate::daemon::profile_file::ProfileFile;
use crate::daemon::readable_keys;
use crate::daemon::session_loop::{FrontEnd, Loop};
use crate::daemon::signals::Signals;
use crate::daemon::standalone::exec_steps::{CleanupArgs, PrepareArgs, UpkeepArgs};
use crate::daemon::starter::StarterOptions;
use crate::log;
use crate::network::foreground_record::ForegroundRecord;
use crate::network::monitor::NetworkMonitor;
use crate::network::{LocalOptions, Network, NetworkBy};
use crate::sys::clock::Clock;
use crate::sys::runtime;
use crate::systemd::exit;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::Attention;
use openvpn_engine::session::Autonomy;
use openvpn_engine::session::ExitClass;
use openvpn_engine::session::InputGroup;
use openvpn_engine::session::Lifetime;
use openvpn_engine::session::Policy;
use openvpn_engine::session::Question;
use openvpn_engine::session::ReadyWhen;
use openvpn_engine::session::Registration;
use openvpn_engine::session::Session;
use openvpn_engine::session::Status;
use openvpn_engine::session::Summary;
use openvpn_engine::settings::Transport;

/// The OpenVPN client for Linux that is native to systemd.
#[derive(Debug, Parser)]
#[command(version, after_help = after_help())]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say every problem of a profile.
    #[command(after_help = after_help())]
    Check(CheckArgs),
    /// Write the completions of a shell; for packages.
    #[command(hide = true)]
    Completions(CompletionsArgs),
    /// Connect, and stay connected until a signal comes.
    ///
    /// SIGINT and SIGTERM leave (the second one at once), SIGHUP reads the profile again, SIGUSR1 connects again,
    /// SIGUSR2 logs the counters.
    #[command(after_help = after_help())]
    Connect(ConnectArgs),
    /// Take back what the session of one unit left in force; for openvpn3-backend@.service.
    #[command(hide = true)]
    Cleanup(CleanupArgs),
    /// Have systemd show whose session the unit of a session manager runs; for openvpn3-backend@.service.
    #[command(hide = true)]
    Describe(DescribeArgs),
    /// Change DNS for a session that may not; for openvpn3-backend-dns@.service.
    #[command(hide = true)]
    DnsHelper,
    /// Send the exit notification to the server, and end a session.
    Disconnect(SessionName),
    /// Have systemd forget that the session of a session manager failed; for openvpn3-backend-forget@.service.
    #[command(hide = true)]
    Forget(UpkeepArgs),
    /// Show the sessions of units.
    List(ListArgs),
    /// Answer what a session waits for, from this terminal.
    Login(SessionName),
    /// Leave the server, keep the session.
    Pause(SessionName),
    /// Connect a session again.
    Restart(SessionName),
    /// Go on after a pause.
    Resume(SessionName),
    /// Show the counters of a session.
    Statistics(StatisticsArgs),
    /// Show what a session is doing, or all of them.
    Status(StatusArgs),
    /// Let nothing leave this machine but through a tunnel; for openvpn3-backend-killswitch@.service.
    #[command(subcommand)]
    KillSwitch(KillSwitchCommand),
    /// Write a page of the manual; for packages.
    #[command(hide = true)]
    Manual(ManualArgs),
    /// Carry packets without a control channel; for benchmarks.
    #[cfg(feature = "benchmark")]
    #[command(hide = true)]
    Mirror(mirror::MirrorArgs),
    /// Copy the profile of one unit for the account of its session; for openvpn3-backend@.service.
    #[command(hide = true)]
    Prepare(PrepareArgs),
    /// Run the session of one unit; for openvpn3-backend@.service.
    Session(SessionArgs),
    /// Start sessions for the session manager; for openvpn3-backend-starter.service.
    #[command(version)]
    Starter(StarterOptions),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The profile.
    pub profile: PathBuf,
    /// Write one JSON object, for programs.
    #[arg(long)]
    pub json: bool,
    /// Set an override, as OPTION=VALUE.
    #[arg(long = "set", value_name = "OPTION=VALUE", value_parser = override_pair)]
    pub overrides: Vec<(String, String)>,
    /// Say also of each option without effect why it has none.
    #[arg(long)]
    pub verbose: bool,
}

/// Arguments of `connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The profile.
    pub profile: PathBuf,
    /// A file with user name and password on two lines.
    #[arg(long, value_name = "FILE")]
    pub auth_file: Option<PathBuf>,
    /// 0 says least, 6 all; otherwise what the profile's `verb` says, or 3.
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=6))]
    pub log_level: Option<u32>,
    /// Who sets up addresses, routes and DNS.
    #[arg(long, value_enum, default_value_t)]
    pub network: NetworkBy,
    /// Set an override, as OPTION=VALUE.
    #[arg(long = "set", value_name = "OPTION=VALUE", value_parser = override_pair)]
    pub overrides: Vec<(String, String)>,
}

/// `check`: says every problem, errors and notes.
#[must_use]
pub fn check(args: CheckArgs) -> ExitCode {
    let name = args.profile.display().to_string();
    let readable = readable_keys::warnings(&args.profile);
    let file = ProfileFile::new(args.profile, args.overrides);
    let mut judgement = CheckReport::of(&file, &environment());
    let readable = readable.into_iter();
    judgement
        .findings
        .extend(readable.map(|warning| Finding::new(Severity::Note, warning)));
    let usable = judgement.is_usable();
    let text = if args.json {
        findings::json(&name, usable, &judgement.findings)
    } else {
        let mut lines = findings::lines(&judgement.findings, args.verbose);
        if usable {
            lines.push(format!("{name}: the profile can be used"));
        }
        lines.join("\n")
    };
    match io::stdout().write_all(format!("{text}\n").as_bytes()) {
        Ok(()) if usable => ExitCode::SUCCESS,
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

/// `connect`: a session in the foreground.
#[must_use]
pub fn connect(args: ConnectArgs) -> ExitCode {
    let log = log::init(args.log_level.unwrap_or(DEFAULT_LEVEL), None);
    let record = match args.network {
        NetworkBy::Local | NetworkBy::Netcfg => ForegroundRecord::hold(&args.profile),
        NetworkBy::None => None,
    };
    for warning in readable_keys::warnings(&args.profile) {
        warn!("{warning}");
    }
    let file = ProfileFile::new(args.profile, args.overrides)
        .with_auth_file(args.auth_file)
        .with_log(args.log_level.is_none().then_some(log));
    let outcome = runtime::run(session(file, args.network, record.as_ref()));
    match outcome {
        Ok(class) => exit::exit_code(class),
        Err(error) => {
            error!(%error, "cannot begin");
            exit::exit_code(ExitClass::Internal)
        }
    }
}

async fn session(
    file: ProfileFile,
    network: NetworkBy,
    record: Option<&ForegroundRecord>,
) -> io::Result<ExitClass> {
    let signals = Signals::listen()?;
    if let Some(record) = record {
        record.take_back(bus::connect()).await;
    }
    let network = match network {
        NetworkBy::Local => Network::local(LocalOptions {
            record: record.map(|record| record.path().to_owned()),
            ..LocalOptions::default()
        }),
        NetworkBy::Netcfg => {
            let bus = zbus::Connection::system().await.map_err(io::Error::other)?;
            let record = record.map(|record| record.path().to_owned());
            Network::remote(bus, DEVICE_OBJECT, record)
        }
        NetworkBy::None => Network::Nobody,
    };
    let changes = Box::pin(async { NetworkMonitor::start(bus::connect().await) });
    let effects = Effects::new(network, Box::new(file), changes)?;
    let policy = Policy {
        registration: Registration::None,
        ready: ReadyWhen::Connected,
        autonomy: Autonomy::ByItself,
        about: client_identity::ourselves(),
        lifetime: Lifetime::Process,
    };
    let session = Session::new(policy, environment());
    let (_nobody_calls, calls) = mpsc::channel(1);
    let session = Loop::new(session, effects, Foreground, calls, Clock::start());
    Ok(session.run(signals).await)
}

/// The terminal.
struct Foreground;

impl FrontEnd for Foreground {
    fn announced(&mut self, status: &Status) {
        debug!(%status, "status");
    }

    fn attention(&mut self, attention: Attention) {
        if attention.group == InputGroup::OpenUrl {
            say(&format!("To log in, open {}", attention.message));
        }
    }

    fn connected(&mut self, summary: &Summary) {
        say(&line(summary));
    }

    fn ask(&mut self, question: &Question) -> Option<Work<io::Result<SecretText>>> {
        let prompt = question.description.clone();
        let visibility = question.visibility;
        Some(Box::pin(
            async move { terminal::ask(&prompt, visibility).await },
        ))
    }
}

/// One line for people and scripts.
fn line(summary: &Summary) -> String {
    let addresses: Vec<String> = summary
        .addresses
        .iter()
        .map(|address| address.network.to_string())
        .collect();
    let transport = match summary.transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
    };
    format!(
        "connected: device {} addresses {} server {} ({}) cipher {} transport {transport}",
        summary.device.name,
        addresses.join(","),
        summary.host,
        summary.server,
        summary.cipher,
    )
}

/// Says it on standard output.
pub(crate) fn say(text: &str) {
    // Who closed our standard output does not want to know.
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{text}").and_then(|()| out.flush()));
}

fn override_pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((option, value)) if !option.is_empty() => Ok((option.to_owned(), value.to_owned())),
        Some(_) | None => Err("this takes OPTION=VALUE".to_owned()),
    }
}

fn after_help() -> String {
    format!("Exit status:\n{}", exit::table())
}

/// The log level when neither the command line nor the profile says one.
const DEFAULT_LEVEL: u32 = 3;
/// What netcfg calls our device; the process id comes before it.
const DEVICE_OBJECT: &str = "connect";
