//! What runs beside the session of an instance: `prepare` before it and before a reload, `cleanup` after it.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::thread::CapabilitySet;
use tracing::{error, info, warn};

use crate::bus;
use crate::daemon::profile_copy::{self, Gathered};
use crate::daemon::readable_keys;
use crate::daemon::standalone::{profile_lookup, reload};
use crate::log;
use crate::network;
use crate::network::kill_switch::opening::Exemption;
use crate::sys::owner::become_owner_of;
use crate::systemd::ask_password;
use crate::systemd::exit;
use crate::systemd::manager::has_job;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY, forget_description};

/// Whose unit is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct UpkeepArgs {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
}

/// Arguments of `prepare`.
#[derive(Debug, Clone, clap::Args)]
pub struct PrepareArgs {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
    /// For the session that runs, if the profile can be used; it is told then.
    #[arg(long)]
    pub again: bool,
}

/// Arguments of `cleanup`.
#[derive(Debug, Clone, clap::Args)]
pub struct CleanupArgs {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
    /// No session follows, whatever ended the last one.
    #[arg(long)]
    pub for_good: bool,
}

/// Where it is recorded what an instance's session has put in force. The folder is made.
///
/// # Errors
///
/// The system refuses.
pub fn network_record(instance: &Instance) -> io::Result<PathBuf> {
    file_in("network", instance)
}

/// Where the addresses of an instance's servers are remembered. The folder is made.
///
/// # Errors
///
/// The system refuses.
pub fn names_file(instance: &Instance) -> io::Result<PathBuf> {
    file_in("names", instance)
}

fn file_in(folder: &str, instance: &Instance) -> io::Result<PathBuf> {
    let folder = Path::new(RUNTIME_DIRECTORY).join(folder);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    Ok(folder.join(instance.name()))
}

/// `prepare`: copies the profile, as root, for the account that owns the runtime directory. Succeeds whatever it finds,
/// because the session says what is wrong.
#[must_use]
pub fn prepare(args: &PrepareArgs) -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    let Some(instance) = Instance::from_argument(&args.instance) else {
        return ExitCode::SUCCESS;
    };
    if args.again {
        return reload::again(&instance);
    }
    if !instance.is_awaited(Path::new(RUNTIME_DIRECTORY)) {
        if let Err(error) = copy(&instance) {
            warn!(%error, "the profile could not be copied for the session's account");
        }
    }
    ExitCode::SUCCESS
}

fn copy(instance: &Instance) -> io::Result<()> {
    let gathered = profile_lookup::profile(Path::new("/"), &instance.profile_name())
        .ok()
        .map(|origin| {
            for warning in readable_keys::warnings(&origin) {
                warn!("{warning}");
            }
            Gathered::read(&origin)
        });
    become_owner_of(Path::new(RUNTIME_DIRECTORY), CapabilitySet::empty())?;
    let folder = profile_lookup::copy_folder(instance);
    match gathered {
        Some(gathered) => gathered.write(&folder),
        None => profile_copy::write_none(&folder),
    }
}

/// `cleanup`: undoes what the kernel does not, unless the service manager is about to start the session again after a
/// crash: until then the tunnel stays closed rather than open.
#[must_use]
pub fn cleanup(args: &CleanupArgs) -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    let Some(instance) = Instance::from_argument(&args.instance) else {
        return ExitCode::SUCCESS;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    ask_password::take_back_all(Path::new(ask_password::DIRECTORY), instance.name());
    // A lookup may have been cut off.
    let exemption = Exemption::of(instance.name().to_owned());
    exemption.names(None);
    exemption.forget();
    let outcome = profile_copy::erase(&profile_lookup::copy_folder(&instance))
        .and_then(|()| forget_description(Path::new(RUNTIME_DIRECTORY), &instance))
        .and_then(|()| runtime?.block_on(take_back(&instance, args.for_good)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(%error, "not everything could be taken back");
            ExitCode::FAILURE
        }
    }
}

async fn take_back(instance: &Instance, for_good: bool) -> io::Result<()> {
    let (record, names) = (network_record(instance)?, names_file(instance)?);
    if !record.exists() {
        return remove(&names);
    }
    let bus = bus::connect().await;
    if !for_good && ended_by_crash() {
        let stopped = match &bus {
            Some(bus) => has_job(bus, &instance.unit()).await.unwrap_or(false),
            None => false,
        };
        if !stopped {
            info!("device, routes and DNS stay in force for the session that follows");
            return Ok(());
        }
    }
    remove(&names)?;
    let undone = network::cleanup(&record, bus).await;
    undone.map_err(io::Error::other)?;
    info!("what the session left in force is taken back");
    Ok(())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether the service manager starts the session again, by what it says of the one that ended.
fn ended_by_crash() -> bool {
    let variable = |name| env::var(name).unwrap_or_default();
    match variable("SERVICE_RESULT").as_str() {
        "signal" | "core-dump" | "watchdog" | "oom-kill" => true,
        "exit-code" => variable("EXIT_STATUS")
            .parse::<u8>()
            .is_ok_and(|code| exit::ALL.iter().all(|known| known.code != code)),
        _ => false,
    }
}

const LOG_LEVEL: u32 = 3;
