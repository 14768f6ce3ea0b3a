//! The unit of a session of a session manager: described while it runs, forgotten when it failed.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::OFlags;
use tracing::{debug, warn};

use crate::bus;
use crate::daemon::standalone::exec_steps::UpkeepArgs;
use crate::log;
use crate::systemd::manager;
use crate::systemd::unit::{Instance, RUNTIME_DIRECTORY, description_file};

/// Arguments of `describe`.
#[derive(Debug, Clone, clap::Args)]
pub struct DescribeArgs {
    /// The instance of the unit openvpn3-backend@.service.
    pub instance: String,
    /// Take the description back.
    #[arg(long)]
    pub undo: bool,
}

/// Leaves the description of an instance's unit for `describe`, which may set it.
///
/// # Errors
///
/// The system refuses.
pub fn leave_description(
    directory: &Path,
    instance: &Instance,
    config_name: &str,
    session_path: Option<&str>,
) -> io::Result<()> {
    let file = description_file(directory, instance);
    if let Some(folder) = file.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    file.write_all(description(config_name, session_path).as_bytes())
}

/// `describe`: has the service manager show what the session left for it; as root, because the session's account may
/// not change units. Succeeds whatever it finds.
#[must_use]
pub fn describe(args: &DescribeArgs) -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    let made_up = Instance::from_argument(&args.instance).filter(Instance::is_made_up);
    let Some(instance) = made_up else {
        return ExitCode::SUCCESS;
    };
    let done = if args.undo {
        undo(Path::new(SETTINGS), &instance)
    } else {
        show(&instance)
    };
    if let Err(error) = done {
        warn!(%error, "the unit's description stays as it is");
    }
    ExitCode::SUCCESS
}

fn show(instance: &Instance) -> io::Result<()> {
    let Some(text) = left_for_us(Path::new(RUNTIME_DIRECTORY), instance)? else {
        return Ok(());
    };
    one_call(async {
        let Some(bus) = bus::connect().await else {
            return Ok(());
        };
        manager::describe_unit(&bus, &instance.unit(), &text)
            .await
            .map_err(io::Error::other)
    })
}

/// Systemd keeps a description that was set as a file, which outlives the unit.
fn undo(settings: &Path, instance: &Instance) -> io::Result<()> {
    let folder = settings.join(format!("{}.d", instance.unit()));
    match fs::remove_file(folder.join("50-Description.conf")) {
        // Somebody's own settings may be beside it.
        Ok(()) => drop(fs::remove_dir(folder)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// `forget`: has the service manager forget that the session of a session manager failed. Its reason was told there,
/// and nobody starts such a unit again. That no profile has this name is a condition of the unit, because the account cannot
/// look into the folder of the profiles. Succeeds whatever it finds.
#[must_use]
pub fn forget(args: &UpkeepArgs) -> ExitCode {
    drop(log::init(LOG_LEVEL, None));
    let made_up = Instance::from_argument(&args.instance).filter(Instance::is_made_up);
    let Some(instance) = made_up else {
        return ExitCode::SUCCESS;
    };
    let forgotten = one_call(async {
        let Some(bus) = bus::connect().await else {
            return Ok(());
        };
        manager::forget_failure(&bus, &instance.unit())
            .await
            .map_err(io::Error::other)
    });
    if let Err(error) = forgotten {
        debug!(%error, "the unit stays failed");
    }
    ExitCode::SUCCESS
}

fn one_call(call: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(call)
}

/// What was left, if it is a file of the account that the directory belongs to: that account may not have us read
/// others' files to the world.
fn left_for_us(directory: &Path, instance: &Instance) -> io::Result<Option<String>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
        .open(description_file(directory, instance));
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let (about, owner) = (file.metadata()?, fs::metadata(directory)?.uid());
    if !about.is_file() || about.uid() != owner {
        return Err(io::Error::other("the file is not what a session leaves"));
    }
    let mut text = String::new();
    file.take(LONGEST_FILE).read_to_string(&mut text)?;
    Ok(Some(plain(&text)))
}

fn description(config_name: &str, session_path: Option<&str>) -> String {
    let name: String = config_name.chars().take(LONGEST_NAME).collect();
    let text = match session_path {
        Some(path) => format!("OpenVPN session {name} ({path})"),
        None => format!("OpenVPN session {name}"),
    };
    plain(&text)
}

/// One line that means nothing to whoever reads unit files: no control characters, and no backslash, which would have
/// the next line belong to it.
fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() || c == '\\' { ' ' } else { c };
    let text: String = text.chars().map(shown).collect();
    text.trim().to_owned()
}

/// Where systemd keeps what was set at run time.
const SETTINGS: &str = "/run/systemd/system.control";
const LONGEST_NAME: usize = 100;
const LONGEST_FILE: u64 = 1024;
const LOG_LEVEL: u32 = 3;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use std::path::PathBuf;

    use crate::systemd::unit::forget_description;

    const PATH: &str = "/net/openvpn/v3/sessions/27400f79s4a54s47a9sb70asa424eebacbce";

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("description-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn what_a_session_leaves_is_found_until_it_is_forgotten() {
        let directory = directory("left");
        let instance = Instance::random().unwrap();
        assert_eq!(left_for_us(&directory, &instance).unwrap(), None);

        leave_description(&directory, &instance, "office", Some(PATH)).unwrap();
        let text = left_for_us(&directory, &instance).unwrap().unwrap();
        assert_eq!(text, format!("OpenVPN session office ({PATH})"));

        forget_description(&directory, &instance).unwrap();
        forget_description(&directory, &instance).unwrap();
        assert_eq!(left_for_us(&directory, &instance).unwrap(), None);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_link_to_another_file_is_not_read() {
        let directory = directory("link");
        let instance = Instance::random().unwrap();
        fs::create_dir_all(directory.join("descriptions")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", description_file(&directory, &instance))
            .unwrap();
        assert!(left_for_us(&directory, &instance).is_err());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn only_the_description_is_taken_back() {
        let settings = directory("settings");
        let instance = Instance::random().unwrap();
        let folder = settings.join(format!("{}.d", instance.unit()));
        undo(&settings, &instance).unwrap();
        for kept in [true, false] {
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("50-Description.conf"), "").unwrap();
            if kept {
                fs::write(folder.join("50-MemoryMax.conf"), "").unwrap();
            }
            undo(&settings, &instance).unwrap();
            assert!(!folder.join("50-Description.conf").exists());
            assert_eq!(folder.exists(), kept);
            drop(fs::remove_dir_all(&folder));
        }
        fs::remove_dir_all(settings).unwrap();
    }

    proptest! {
        #[test]
        fn no_name_is_more_than_a_line(name in ".*", path in proptest::option::of("/[a-z/]{0,20}")) {
            let text = description(&name, path.as_deref());
            prop_assert!(!text.contains(|c: char| c.is_control() || c == '\\'));
            prop_assert!(text.starts_with("OpenVPN session"));
        }
    }
}
