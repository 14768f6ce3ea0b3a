//! Small files that say what is in force: written at once, for our eyes only, with bytes as hexadecimal words.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What such a file says.
pub(crate) trait Recorded: Sized {
    /// The text of the file.
    fn to_text(&self) -> String;

    /// What a text says; `None` for what is not of this kind, or of another version.
    fn from_text(text: &str) -> Option<Self>;

    /// Writes the file at once, for our eyes only.
    fn save(&self, path: &Path) -> io::Result<()> {
        write(path, &self.to_text())
    }

    /// Reads the file; `None` if there is none, or none that this version can read.
    fn load(path: &Path) -> io::Result<Option<Self>> {
        let text = read(path)?;
        Ok(text.and_then(|text| Self::from_text(&text)))
    }
}

/// Writes the file in place of the one before.
///
/// # Errors
///
/// The system refuses.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&beside, path));
    written.inspect_err(|_| {
        // Where there is no room, nothing half-written stays; the file before is as it was.
        let _gone = fs::remove_file(&beside);
    })
}

/// The file's text; `None` if there is none.
///
/// # Errors
///
/// It cannot be read.
pub(crate) fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Hexadecimal, or a dot for nothing at all.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return ".".into();
    }
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of such a word; `None` for what is none.
pub(crate) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text == "." {
        return Some(Vec::new());
    }
    if text.is_empty() || !text.is_ascii() || text.len() % 2 != 0 {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok())
        .collect()
}
