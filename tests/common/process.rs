//! A child process whose output is watched line by line.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use super::lines::{Lines, PATIENCE};

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    child: Child,
    lines: Lines,
    /// Our end of its terminal.
    terminal: Option<File>,
}

impl Process {
    /// Starts a command; `what` names it when something goes wrong.
    pub(crate) fn start(what: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let lines = Lines::default();
        if let Some(output) = child.stdout.take() {
            lines.collect(output);
        }
        if let Some(errors) = child.stderr.take() {
            lines.collect(errors);
        }
        Self {
            what: what.into(),
            child,
            lines,
            terminal: None,
        }
    }

    /// Starts a command on a terminal of its own.
    pub(crate) fn start_on_terminal(what: &str, command: &Command) -> Self {
        let (ours, theirs) = terminal().expect("a terminal can be made");
        let end = || theirs.try_clone().expect("a descriptor can be copied");
        let mut inside = Command::new("setsid");
        inside.arg("--ctty").arg(command.get_program());
        inside.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        let child = inside
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let lines = Lines::default();
        lines.collect(ours.try_clone().expect("a descriptor can be copied"));
        Self {
            what: what.into(),
            child,
            lines,
            terminal: Some(ours),
        }
    }

    /// Types a line on its terminal.
    pub(crate) fn enter(&self, line: &str) {
        let mut terminal = self.terminal.as_ref().expect("it was given a terminal");
        terminal
            .write_all(format!("{line}\n").as_bytes())
            .expect("its terminal is open");
    }

    /// Waits until the program reads its terminal key by key, as those do that ask for passwords.
    pub(crate) fn wait_for_keys(&self) {
        let terminal = self.terminal.as_ref().expect("it was given a terminal");
        let by_line = || {
            tcgetattr(terminal).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON))
        };
        let pause = Duration::from_millis(10);
        let looks = PATIENCE.as_millis() / pause.as_millis();
        let reads = (0..looks).any(|_| {
            std::thread::sleep(pause);
            !by_line()
        });
        assert!(
            reads,
            "{} reads no keys; it said:\n{}",
            self.what,
            self.text()
        );
    }

    /// Waits for a line that `fits`, from the beginning of the output; gives the line.
    pub(crate) fn wait_for(&self, wanted: &str, fits: impl Fn(&str) -> bool) -> String {
        self.wait_for_from(0, wanted, fits)
    }

    /// Waits for a line that `fits` among those after the first `skip`.
    pub(crate) fn wait_for_from(
        &self,
        skip: usize,
        wanted: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        self.lines.wait_for(skip, fits).unwrap_or_else(|| {
            panic!(
                "{} never said {wanted}; it said:\n{}",
                self.what,
                self.text()
            )
        })
    }

    /// Waits until so many lines `fit`.
    pub(crate) fn wait_for_times(
        &self,
        times: usize,
        wanted: &str,
        fits: impl Fn(&str) -> bool,
    ) -> String {
        self.lines.wait_for_times(times, fits).unwrap_or_else(|| {
            panic!(
                "{} did not say {wanted} {times} times; it said:\n{}",
                self.what,
                self.text()
            )
        })
    }

    /// How many lines there are so far.
    pub(crate) fn count_lines(&self) -> usize {
        self.lines.count(|_| true)
    }

    /// All that was said so far.
    pub(crate) fn text(&self) -> String {
        self.lines.text()
    }

    /// How many lines so far `fit`.
    pub(crate) fn count(&self, fits: impl Fn(&str) -> bool) -> usize {
        self.lines.count(fits)
    }

    /// Panics if it has ended.
    pub(crate) fn assert_running(&self) {
        assert!(
            !self.lines.have_ended(),
            "{} has ended; it said:\n{}",
            self.what,
            self.text()
        );
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.child.id()).expect("process ids are small");
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _gone_already = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        assert!(
            self.lines.wait_ended(),
            "{} does not end; it said:\n{}",
            self.what,
            self.text()
        );
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// A pair of ends: ours, and the one for a program.
fn terminal() -> rustix::io::Result<(File, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let name = ptsname(&ours, Vec::new())?;
    let mode = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let theirs = rustix::fs::open(name, mode, rustix::fs::Mode::empty())?;
    Ok((ours.into(), theirs))
}
