//! A child process whose output is watched line by line.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    what: String,
    child: Child,
    lines: Arc<Lines>,
}

#[derive(Debug, Default)]
struct Lines {
    seen: Mutex<Seen>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    streams_ended: u8,
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
        let lines = Arc::new(Lines::default());
        if let Some(output) = child.stdout.take() {
            collect(output, Arc::clone(&lines));
        }
        if let Some(errors) = child.stderr.take() {
            collect(errors, Arc::clone(&lines));
        }
        Self {
            what: what.into(),
            child,
            lines,
        }
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
        let find = |seen: &Seen| {
            seen.lines
                .iter()
                .skip(skip)
                .find(|line| fits(line))
                .cloned()
        };
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (seen, _) = self
            .lines
            .more
            .wait_timeout_while(seen, PATIENCE, |seen| {
                find(seen).is_none() && seen.streams_ended < 2
            })
            .unwrap_or_else(PoisonError::into_inner);
        find(&seen).unwrap_or_else(|| {
            panic!(
                "{} never said {wanted}; it said:\n{}",
                self.what,
                seen.lines.join("\n")
            )
        })
    }

    /// How many lines there are so far.
    pub(crate) fn count_lines(&self) -> usize {
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.lines.len()
    }

    /// All that was said so far.
    pub(crate) fn text(&self) -> String {
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.lines.join("\n")
    }

    /// How many lines so far `fit`.
    pub(crate) fn count(&self, fits: impl Fn(&str) -> bool) -> usize {
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        seen.lines.iter().filter(|line| fits(line)).count()
    }

    /// Panics if it has ended.
    pub(crate) fn assert_running(&self) {
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            seen.streams_ended < 2,
            "{} has ended; it said:\n{}",
            self.what,
            seen.lines.join("\n")
        );
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
        let seen = self
            .lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let (seen, waited) = self
            .lines
            .more
            .wait_timeout_while(seen, PATIENCE, |seen| seen.streams_ended < 2)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(
            !waited.timed_out(),
            "{} does not end; it said:\n{}",
            self.what,
            seen.lines.join("\n")
        );
        drop(seen);
        self.child.wait().expect("a child can be waited for")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, lines: Arc<Lines>) {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n') {
            let Ok(line) = line else { break };
            let mut seen = lines.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.lines.push(String::from_utf8_lossy(&line).into_owned());
            lines.more.notify_all();
        }
        lines
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .streams_ended += 1;
        lines.more.notify_all();
    });
}

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(40);
