//! A server's management interface.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::lines::Lines;

/// A connection to the management interface of a server.
#[derive(Debug)]
pub(crate) struct Management {
    socket: UnixStream,
    lines: Lines,
}

impl Management {
    /// Connects to its socket, which must be there.
    pub(crate) fn connect(socket: &Path) -> Self {
        let socket = UnixStream::connect(socket).expect("the server listens for its manager");
        let lines = Lines::default();
        lines.collect(socket.try_clone().expect("a socket can be copied"));
        Self { socket, lines }
    }

    /// Gives an order.
    pub(crate) fn order(&self, line: &str) {
        let mut socket = &self.socket;
        socket
            .write_all(format!("{line}\n").as_bytes())
            .expect("the server listens");
    }

    /// Waits for a line with this beginning among those after the first `skip`; gives what follows it.
    pub(crate) fn wait_for_from(&self, skip: usize, begin: &str) -> String {
        let line = self.lines.wait_for(skip, |line| line.starts_with(begin));
        let line = line.unwrap_or_else(|| {
            panic!(
                "the manager was never told {begin}, but:\n{}",
                self.lines.text()
            )
        });
        line[begin.len()..].to_owned()
    }

    /// How many lines there are so far.
    pub(crate) fn count_lines(&self) -> usize {
        self.lines.count(|_| true)
    }

    /// All that was said so far.
    pub(crate) fn text(&self) -> String {
        self.lines.text()
    }
}
