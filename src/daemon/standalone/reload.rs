//! `prepare --again`: what a reload does before, and for, the session that runs.
//!
//! A profile that cannot be used is refused here: the reload fails with its lines at fault, and the session goes on with
//! the profile that it has.

use std::env;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::CapabilitySet;
use tracing::{error, info, warn};

use crate::daemon::check::CheckReport;
use crate::daemon::environment;
use crate::daemon::profile_copy::{Gathered, ProfileCopy};
use crate::daemon::profile_file::ProfileFile;
use crate::daemon::standalone::{profile, profile_lookup};
use crate::sys::owner::become_owner_of;
use crate::systemd::credentials::Credentials;
use crate::systemd::exit;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY};
use openvpn_engine::session::ExitClass;

/// Copies the profile again if it can be used and is another one, and has the session read it.
pub(crate) fn again(instance: &Instance) -> ExitCode {
    let folder = profile_lookup::copy_folder(instance);
    let Some(present) = ProfileCopy::find(&folder) else {
        // A session manager's session: what it knows comes from there.
        return signalled(None);
    };
    let Ok(origin) = profile_lookup::profile(Path::new("/"), &instance.profile_name()) else {
        let reason = "there is none any more";
        error!(
            instance = instance.name(),
            reason, "the new profile is refused"
        );
        return exit::exit_code(ExitClass::ProfileUnusable);
    };
    let gathered = Gathered::read(&origin);
    // It is not opened a second time: it might be a FIFO, at which root would wait.
    if let Some(reason) = gathered.unreadable() {
        return refused(&[reason]);
    }
    let credentials = Credentials::from_environment().or_of_unit(&instance.unit());
    let judged = profile::additions(&credentials).map(|additions| {
        let file = ProfileFile::new(origin, Vec::new()).with_additions(additions);
        CheckReport::of(&file, &environment())
    });
    let problems = match judged {
        Ok(judgement) if judgement.is_usable() => Vec::new(),
        Ok(judgement) => judgement.errors(),
        Err(error) => vec![error.to_string()],
    };
    if !problems.is_empty() {
        return refused(&problems);
    }
    if gathered.is_that_of(&present) {
        info!("the profile is the same as before; the session goes on");
        return ExitCode::SUCCESS;
    }
    let written = become_owner_of(Path::new(RUNTIME_DIRECTORY), CapabilitySet::empty())
        .and_then(|()| gathered.write(&folder))
        .and_then(|()| present.mark_fresh());
    match written {
        Ok(()) => signalled(Some(&present)),
        Err(error) => {
            error!(%error, "the profile could not be copied for the session's account");
            ExitCode::FAILURE
        }
    }
}

fn refused(problems: &[String]) -> ExitCode {
    for line in problems {
        error!(reason = line, "the new profile is refused");
    }
    info!("the session goes on with the profile that it has");
    exit::exit_code(ExitClass::ProfileUnusable)
}

/// Tells the session, and waits until it has begun to read the copy: only then has the service manager heard of a reload
/// that is to be waited for.
fn signalled(copy: Option<&ProfileCopy>) -> ExitCode {
    let told = main_process().and_then(|process| Ok(kill_process(process, Signal::HUP)?));
    if let Err(error) = told {
        error!(%error, "the session could not be told to read its profile again");
        return ExitCode::FAILURE;
    }
    let Some(copy) = copy else {
        return ExitCode::SUCCESS;
    };
    for _ in 0..LOOKS {
        if !copy.is_fresh() {
            return ExitCode::SUCCESS;
        }
        thread::sleep(BETWEEN_LOOKS);
    }
    warn!("the session does not read its profile again");
    ExitCode::FAILURE
}

fn main_process() -> io::Result<Pid> {
    env::var("MAINPID")
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::Error::other("MAINPID names no process: this is for ExecReload="))
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// For ten seconds.
const LOOKS: u32 = 500;
