//! The client under test, or the one to compare it with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::process::Signal;

use super::namespace::Namespace;
use super::pki;
use super::process::Process;

/// Which program is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one that is tested.
    Ours,
    /// The same, compiled as users have it; only where there is an [`Program::optimized_path`].
    Optimized,
    /// OpenVPN 2.x, to compare with and to try the tests themselves.
    Stock,
}

impl Program {
    /// Ours, unless `NETNS_CLIENT=openvpn` is set.
    pub(crate) fn chosen() -> Self {
        if std::env::var_os("NETNS_CLIENT").is_some_and(|name| name == "openvpn") {
            Self::Stock
        } else {
            Self::Ours
        }
    }

    /// Our program: the one built with the tests, or the one that `OPENVPN3_BACKEND` names.
    pub(crate) fn path() -> PathBuf {
        std::env::var_os("OPENVPN3_BACKEND").map_or_else(
            || env!("CARGO_BIN_EXE_openvpn3-backend").into(),
            PathBuf::from,
        )
    }

    /// Our program as users have it, if `OPENVPN3_BACKEND_OPTIMIZED` names it.
    pub(crate) fn optimized_path() -> Option<PathBuf> {
        std::env::var_os("OPENVPN3_BACKEND_OPTIMIZED").map(PathBuf::from)
    }

    /// Whether the program can connect at all.
    pub(crate) fn can_connect(self) -> bool {
        static CAN: OnceLock<bool> = OnceLock::new();
        self == Self::Stock
            || *CAN.get_or_init(|| {
                let help = Command::new(Self::path())
                    .args(["connect", "--help"])
                    .output();
                help.is_ok_and(|output| {
                    output.status.success()
                        && String::from_utf8_lossy(&output.stdout).contains("PROFILE")
                })
            })
    }

    fn words(self, profile: &Path, more: &[&str]) -> Vec<String> {
        let own = match self {
            Self::Ours => vec![Self::path().display().to_string(), "connect".into()],
            Self::Optimized => {
                let path = Self::optimized_path().expect("whoever chose it knows that it is there");
                vec![path.display().to_string(), "connect".into()]
            }
            Self::Stock => vec!["openvpn".into(), "--config".into()],
        };
        let more = more.iter().map(|word| (*word).to_owned());
        [own, vec![profile.display().to_string()], more.collect()].concat()
    }
}

/// Where the client's standard streams lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Streams {
    Pipes,
    /// A terminal that is the controlling one, so that questions can be asked on it.
    Terminal,
}

/// A running client.
#[derive(Debug)]
pub(crate) struct Client {
    program: Program,
    pub(crate) process: Process,
}

impl Client {
    /// Starts a client on a host with a profile and `more` words. Its `/etc` is its own: what it changes there is found
    /// in `etc` beside the profile, and so are the files of [`pki`].
    pub(crate) fn start(
        program: Program,
        host: &Namespace,
        profile: &Path,
        streams: Streams,
        more: &[&str],
    ) -> Self {
        Self::start_with(program, host, profile, streams, more, &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_with(
        program: Program,
        host: &Namespace,
        profile: &Path,
        streams: Streams,
        more: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let folder = profile.parent().expect("a profile is in a folder");
        let mut command = host.command("sh");
        command.envs(variables.iter().copied());
        command.args(["-ec", ETC_OF_ITS_OWN]).arg(folder);
        if streams == Streams::Pipes {
            // Questions are not for the terminal that the tests may run on.
            command.arg("setsid");
        }
        command.args(program.words(profile, more));
        // The bus is not in the namespace: what listens there would set up the host.
        command.env("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent");
        pki::offer_in(folder);
        command.current_dir(folder);
        let process = match streams {
            Streams::Pipes => Process::start("the client", &mut command),
            Streams::Terminal => Process::start_on_terminal("the client", &command),
        };
        Self { program, process }
    }

    /// Waits until the tunnel is up; gives the line that says so.
    pub(crate) fn wait_connected(&self) -> String {
        self.wait_connected_after(0)
    }

    /// Waits until the tunnel is up once more, after the first `skip` lines.
    pub(crate) fn wait_connected_after(&self, skip: usize) -> String {
        self.process
            .wait_for_from(skip, "that it is connected", |line| match self.program {
                Program::Ours | Program::Optimized => line.to_lowercase().starts_with("connected"),
                Program::Stock => line.contains("Initialization Sequence Completed"),
            })
    }

    /// Waits for a line.
    pub(crate) fn wait_for(&self, wanted: &str, fits: impl Fn(&str) -> bool) -> String {
        self.process.wait_for(wanted, fits)
    }

    /// Asks it to leave and waits until it has; it must call that a success.
    pub(crate) fn leave(mut self) -> String {
        self.process.signal(Signal::TERM);
        let status = self.process.wait();
        let text = self.process.text();
        assert!(status.success(), "it left with {status}; it said:\n{text}");
        text
    }

    /// Waits for its end, which must not be a success; gives all it said.
    pub(crate) fn fail(mut self, status: u8) -> String {
        let ended = self.process.wait();
        let text = self.process.text();
        match self.program {
            Program::Ours | Program::Optimized => {
                assert_eq!(ended.code(), Some(i32::from(status)), "it said:\n{text}");
            }
            Program::Stock => {}
        }
        text
    }
}

/// Runs what follows the folder's name with an `/etc` whose changes go to the folder.
const ETC_OF_ITS_OWN: &str = "mkdir -p \"$0/etc\" \"$0/etc-work\"
    mount -t overlay overlay -o \"lowerdir=/etc,upperdir=$0/etc,workdir=$0/etc-work\" /etc
    exec \"$@\"";
