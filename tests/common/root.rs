//! Roots of distributions for programs that this machine does not have: made once, and cached.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The directory of a root, made if it is not there; or why it cannot be.
pub(crate) fn root(name: &str) -> Result<PathBuf, String> {
    let make = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roots/make");
    let made = Command::new(make)
        .arg(name)
        .output()
        .map_err(|error| error.to_string())?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&made.stdout).trim()))
}
