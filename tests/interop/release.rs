//! The releases of the server, each in a root of its own.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::common::root::root;

/// A server of a Debian release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Release {
    /// OpenVPN 2.5.
    Bullseye,
    /// OpenVPN 2.6 with OpenSSL 3.0.
    Bookworm,
    /// OpenVPN 2.6 with a newer OpenSSL.
    Trixie,
    /// OpenVPN 2.7.
    Sid,
}

impl Release {
    /// All of them, the oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::Bullseye, Self::Bookworm, Self::Trixie, Self::Sid];

    /// What Debian calls it.
    pub(crate) const fn suite(self) -> &'static str {
        match self {
            Self::Bullseye => "bullseye",
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// OpenVPN's version.
    pub(crate) const fn version(self) -> (u8, u8) {
        match self {
            Self::Bullseye => (2, 5),
            Self::Bookworm | Self::Trixie => (2, 6),
            Self::Sid => (2, 7),
        }
    }

    /// Makes its root, if there is none yet.
    pub(crate) fn prepare(self) -> Result<(), String> {
        self.root_or_why()
            .as_ref()
            .map(|_| ())
            .map_err(String::clone)
    }

    /// Its root; it must have been prepared.
    pub(crate) fn root(self) -> &'static Path {
        self.root_or_why()
            .as_ref()
            .expect("no cell runs before its root is there")
    }

    fn root_or_why(self) -> &'static Result<PathBuf, String> {
        static ROOTS: [OnceLock<Result<PathBuf, String>>; 4] = [const { OnceLock::new() }; 4];
        ROOTS[self as usize].get_or_init(|| root(&format!("server-{}", self.suite())))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version();
        write!(f, "{major}.{minor} ({})", self.suite())
    }
}
