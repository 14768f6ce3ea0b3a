//! Lines that come in over time, and waiting for one of them.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was said so far; clones see the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    seen: Mutex<Seen>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<String>,
    /// The begin of the next line.
    unfinished: String,
    streams_open: usize,
}

impl Lines {
    /// Reads a stream on a thread of its own, until it ends.
    pub(crate) fn collect(&self, stream: impl Read + Send + 'static) {
        self.lock().streams_open += 1;
        let this = self.clone();
        std::thread::spawn(move || this.read(stream));
    }

    fn read(&self, mut stream: impl Read) {
        let mut rest = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let mut more_is_there = false;
            let ended = match stream.read(&mut chunk) {
                Ok(length) => {
                    rest.extend_from_slice(&chunk[..length]);
                    more_is_there = length == chunk.len();
                    length == 0
                }
                Err(error) => error.kind() != std::io::ErrorKind::Interrupted,
            };
            let mut seen = self.lock();
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                seen.lines.push(as_text(&line));
            }
            // What was merely too long for one read is neither a line yet nor a question that waits for its answer.
            seen.unfinished = if more_is_there {
                String::new()
            } else {
                as_text(&rest)
            };
            if ended {
                if !rest.is_empty() {
                    let last = std::mem::take(&mut seen.unfinished);
                    seen.lines.push(last);
                }
                seen.streams_open -= 1;
            }
            drop(seen);
            self.shared.more.notify_all();
            if ended {
                return;
            }
        }
    }

    /// Waits for a line that `fits` among those after the first `skip`; `None`: it never came.
    pub(crate) fn wait_for(&self, skip: usize, fits: impl Fn(&str) -> bool) -> Option<String> {
        self.wait(|lines| lines.skip(skip).find(|line| fits(line)))
    }

    /// Waits until so many lines `fit`, and gives the last of them; `None`: there never were so many.
    pub(crate) fn wait_for_times(
        &self,
        times: usize,
        fits: impl Fn(&str) -> bool,
    ) -> Option<String> {
        self.wait(|lines| lines.filter(|line| fits(line)).nth(times.saturating_sub(1)))
    }

    fn wait(
        &self,
        find: impl for<'b> Fn(&mut dyn Iterator<Item = &'b str>) -> Option<&'b str>,
    ) -> Option<String> {
        let find = |seen: &Seen| {
            let unfinished = Some(&seen.unfinished).filter(|text| !text.is_empty());
            let lines = seen.lines.iter().chain(unfinished);
            find(&mut lines.map(String::as_str)).map(str::to_owned)
        };
        let (seen, _) = self
            .shared
            .more
            .wait_timeout_while(self.lock(), PATIENCE, |seen| {
                find(seen).is_none() && seen.streams_open > 0
            })
            .unwrap_or_else(PoisonError::into_inner);
        find(&seen)
    }

    /// Waits until all streams have ended; `false`: they have not.
    pub(crate) fn wait_ended(&self) -> bool {
        let (seen, _) = self
            .shared
            .more
            .wait_timeout_while(self.lock(), PATIENCE, |seen| seen.streams_open > 0)
            .unwrap_or_else(PoisonError::into_inner);
        seen.streams_open == 0
    }

    /// Whether all streams have ended.
    pub(crate) fn have_ended(&self) -> bool {
        self.lock().streams_open == 0
    }

    /// How many lines there are so far that `fit`.
    pub(crate) fn count(&self, fits: impl Fn(&str) -> bool) -> usize {
        self.lock().lines.iter().filter(|line| fits(line)).count()
    }

    /// All that was said so far.
    pub(crate) fn text(&self) -> String {
        let seen = self.lock();
        format!("{}\n{}", seen.lines.join("\n"), seen.unfinished)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.shared
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn as_text(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .trim_end_matches(['\r', '\n'])
        .to_owned()
}

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
