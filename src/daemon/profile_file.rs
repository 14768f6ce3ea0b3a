//! The profile's file, and the files it names.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tracing::{debug, info};
use zeroize::Zeroizing;

use crate::daemon::executor::{ProfileLoader, ProfileSource, Work};
use crate::daemon::profile_bytes::{advice, decoded, read_beside, read_limited};
use crate::daemon::profile_copy::ProfileCopy;
use crate::log::LogControl;
use openvpn_engine::profile::BadOverride;
use openvpn_engine::profile::Examined;
use openvpn_engine::profile::Login;
use openvpn_engine::profile::Note;
use openvpn_engine::profile::Override;
use openvpn_engine::profile::OverrideValue;
use openvpn_engine::profile::Profile;
use openvpn_engine::profile::ProfileError;
use openvpn_engine::profile::lex;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::Loaded;
use openvpn_engine::session::Refusal;

/// A profile in a file, with what the user wants otherwise.
#[derive(Debug, Clone)]
pub struct ProfileFile {
    path: PathBuf,
    auth_file: Option<PathBuf>,
    overrides: Vec<(String, String)>,
    log: Option<LogControl>,
    copy: Option<ProfileCopy>,
    additions: Vec<Addition>,
}

/// A block that stands in for one that the profile lacks.
#[derive(Debug, Clone)]
pub struct Addition {
    /// The option.
    pub option: &'static str,
    /// The block's content.
    pub content: Arc<SecretText>,
}

/// A profile as it was read.
#[derive(Debug)]
pub struct Read {
    /// The profile, overrides applied.
    pub profile: Profile,
    /// What works differently from what one might expect.
    pub notes: Vec<Note>,
}

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{}: {source}{}", path.display(), advice(source))]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An override is wrong.
    #[error(transparent)]
    Override(#[from] BadOverride),
    /// The profile has errors.
    #[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Profile {
        /// All of them.
        errors: Vec<ProfileError>,
    },
}

impl ProfileFile {
    /// The profile at `path`.
    #[must_use]
    pub const fn new(path: PathBuf, overrides: Vec<(String, String)>) -> Self {
        Self {
            path,
            auth_file: None,
            overrides,
            log: None,
            copy: None,
            additions: Vec::new(),
        }
    }

    /// Takes the profile and the files that it names from a copy; messages name the originals.
    #[must_use]
    pub fn with_copy(self, copy: Option<ProfileCopy>) -> Self {
        Self { copy, ..self }
    }

    /// The copy that it is read from, if it is.
    #[must_use]
    pub const fn copy(&self) -> Option<&ProfileCopy> {
        self.copy.as_ref()
    }

    /// Adds blocks for options that the profile does not have.
    #[must_use]
    pub fn with_additions(self, additions: Vec<Addition>) -> Self {
        Self { additions, ..self }
    }

    /// Has the profile's `verb` set the log's level when the session loads it.
    #[must_use]
    pub fn with_log(self, log: Option<LogControl>) -> Self {
        Self { log, ..self }
    }

    /// Takes user name and password from the two lines of a file, whatever the profile says about them.
    #[must_use]
    pub fn with_auth_file(self, auth_file: Option<PathBuf>) -> Self {
        Self { auth_file, ..self }
    }

    /// Reads it, and the files it names; those are looked up beside it.
    ///
    /// # Errors
    ///
    /// [`ReadError`], with every problem at once.
    pub fn read(&self) -> Result<Read, ReadError> {
        let Examined {
            profile,
            notes,
            errors,
        } = self.examine()?;
        if errors.is_empty() {
            Ok(Read { profile, notes })
        } else {
            Err(ReadError::Profile { errors })
        }
    }

    /// The same, with all that can be understood of a profile that has errors.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if there is no text, or an override is wrong.
    pub fn examine(&self) -> Result<Examined, ReadError> {
        let name = self.path.display().to_string();
        let bytes = match &self.copy {
            Some(copy) => copy.profile().map_err(|source| ReadError::File {
                path: self.path.clone(),
                source,
            })?,
            None => self.bytes(&self.path)?,
        };
        let text = self.completed(&Zeroizing::new(self.text(bytes)?));
        let folder = self.path.parent().unwrap_or_else(|| Path::new(""));
        let mut load = |file: &str| match &self.copy {
            Some(copy) => copy.named(file),
            None => read_beside(folder, file),
        };
        let mut examined = Profile::examine(&name, &text, &mut load);
        if !examined.errors.is_empty() {
            return Ok(examined);
        }
        let overrides: Vec<Override> = self
            .overrides
            .iter()
            .map(|(option, value)| Override::parse(option, OverrideValue::Text(value)))
            .collect::<Result<_, _>>()?;
        let notes = examined.profile.apply_overrides(&overrides)?;
        examined.notes.extend(notes);
        if let Some(path) = &self.auth_file {
            examined.profile.login = Some(login(&self.text(self.bytes(path)?)?));
        }
        Ok(examined)
    }

    /// The text with the additions that it lacks.
    fn completed(&self, text: &str) -> Zeroizing<String> {
        let lexed = lex("", text);
        let has = |option: &str| lexed.directives.iter().any(|line| line.name == option);
        let added = |addition: &&Addition| !has(addition.option) && !has("pkcs12");
        let blocks: Vec<&Addition> = self.additions.iter().filter(added).collect();
        // Its final size: growing it would leave secrets behind.
        let sizes = blocks.iter().map(|block| block.content.expose().len() + 64);
        let mut completed =
            Zeroizing::new(String::with_capacity(text.len() + sizes.sum::<usize>()));
        completed.push_str(text);
        for Addition { option, content } in blocks {
            for part in [
                "\n<",
                option,
                ">\n",
                content.expose(),
                "\n</",
                option,
                ">\n",
            ] {
                completed.push_str(part);
            }
        }
        completed
    }

    fn bytes(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        read_limited(path).map_err(|source| ReadError::File {
            path: path.to_owned(),
            source,
        })
    }

    fn text(&self, bytes: Vec<u8>) -> Result<String, ReadError> {
        decoded(bytes).map_err(|why| ReadError::File {
            path: self.path.clone(),
            source: io::Error::new(io::ErrorKind::InvalidData, why),
        })
    }
}

impl ProfileLoader for ProfileFile {
    fn load(&self, _source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>> {
        let file = self.clone();
        Box::pin(async move {
            match file.read() {
                Ok(Read { profile, notes }) => {
                    if let (Some(log), Some(level)) = (&file.log, profile.verbosity) {
                        log.set_level(u32::from(level));
                    }
                    let (minor, notes): (Vec<_>, Vec<_>) =
                        notes.into_iter().partition(|note| note.minor);
                    for note in &notes {
                        info!(%note, "profile");
                    }
                    for note in &minor {
                        debug!(%note, "profile");
                    }
                    let name = file.path.file_stem().unwrap_or_default();
                    Ok(Box::new(Loaded {
                        name: name.to_string_lossy().into_owned(),
                        profile,
                    }))
                }
                Err(error) => Err(Refusal::ProfileUnusable(error.to_string())),
            }
        })
    }
}

/// User name and password on two lines.
fn login(text: &str) -> Login {
    let mut lines = text.lines();
    let username = lines.next().filter(|line| !line.is_empty());
    let password = lines.next().filter(|line| !line.is_empty());
    Login {
        username: username.map(ToOwned::to_owned),
        password: password.map(|password| Arc::new(SecretText::from(password))),
        username_only: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_file_has_two_lines() {
        let both = login("alice\nsecret\nrest\n");
        assert_eq!(both.username.as_deref(), Some("alice"));
        assert_eq!(both.password.expect("it has one").expose(), "secret");
        let name_only = login("alice\n");
        assert!(name_only.password.is_none());
    }

    #[test]
    fn a_profile_without_key_and_certificate_is_completed() {
        let block = |option, content: &str| Addition {
            option,
            content: Arc::new(SecretText::from(content)),
        };
        let file = ProfileFile::new(PathBuf::from("x"), Vec::new())
            .with_additions(vec![block("key", "K"), block("cert", "C")]);
        let completed = |text: &str| file.completed(text);
        assert_eq!(
            *completed("client"),
            "client\n<key>\nK\n</key>\n\n<cert>\nC\n</cert>\n"
        );
        assert_eq!(*completed("cert a"), "cert a\n<key>\nK\n</key>\n");
        assert_eq!(*completed("pkcs12 a"), "pkcs12 a");
    }

    #[test]
    fn a_missing_profile_is_named() {
        let file = ProfileFile::new(PathBuf::from("/nonexistent/x.ovpn"), Vec::new());
        let error = file.read().expect_err("there is no such file");
        assert!(error.to_string().starts_with("/nonexistent/x.ovpn: "));
    }
}
