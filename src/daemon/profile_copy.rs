//! A profile and all files it names, copied by root for the account that runs the session.
//!
//! The session's account cannot read what belongs to root, as keys should. The copy lies on a tmpfs, readable for that
//! account alone, and goes when the session ends. What could not be read is copied as its problem, so that the session
//! says it, with the line at fault.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::{Zeroize, Zeroizing};

use crate::daemon::profile_bytes::{decoded, read_beside, read_regular};
use openvpn_engine::profile::Profile;

/// What is to be copied.
#[derive(Debug)]
pub struct Gathered {
    origin: PathBuf,
    profile: Content,
    files: Vec<(String, Content)>,
}

/// A file's bytes, or why there are none.
type Content = Result<Zeroizing<Vec<u8>>, String>;

/// A copy that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileCopy {
    folder: PathBuf,
}

impl Gathered {
    /// Reads the profile and every file it names. Never fails: problems are gathered too.
    #[must_use]
    pub fn read(origin: &Path) -> Self {
        let profile = read_regular(origin)
            .map(Zeroizing::new)
            .map_err(|error| error.to_string());
        let mut this = Self {
            origin: origin.to_owned(),
            profile,
            files: Vec::new(),
        };
        let text = this
            .profile
            .as_ref()
            .ok()
            .and_then(|bytes| decoded(bytes.to_vec()).map(Zeroizing::new).ok());
        let mut files: Vec<(String, Content)> = Vec::new();
        if let Some(text) = &text {
            let folder = origin.parent().unwrap_or_else(|| Path::new(""));
            let mut load = |file: &str| {
                let read = read_beside(folder, file);
                if !files.iter().any(|(known, _)| known == file) {
                    files.push((file.to_owned(), read.clone().map(Zeroizing::new)));
                }
                read
            };
            // What is wrong with the profile is found again, and said, by the session.
            drop(Profile::parse(
                &origin.display().to_string(),
                text,
                &mut load,
            ));
        }
        this.files = files;
        this
    }

    /// Why the profile could not be read, if that is so.
    #[must_use]
    pub fn unreadable(&self) -> Option<String> {
        let problem = self.profile.as_ref().err()?;
        Some(format!("{}: {problem}", self.origin.display()))
    }

    /// Whether `copy` was made of the same.
    #[must_use]
    pub fn is_that_of(&self, copy: &ProfileCopy) -> bool {
        let profile = copy.profile().map_err(|error| error.to_string());
        let same = |here: &Content, there: Result<Vec<u8>, String>| match (here, there) {
            (Ok(here), Ok(there)) => **here == *Zeroizing::new(there),
            (Err(here), Err(there)) => *here == there,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        };
        copy.origin()
            .is_ok_and(|it| it.as_deref() == Some(&*self.origin))
            && same(&self.profile, profile)
            && self
                .files
                .iter()
                .all(|(name, content)| same(content, copy.named(name)))
    }

    /// Writes the copy in place of the one before.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let draft = folder.with_extension("new");
        erase(&draft)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&draft)?;
        write(&draft, ORIGIN, self.origin.as_os_str().as_encoded_bytes())?;
        write_content(&draft, PROFILE, &self.profile)?;
        let mut names = String::new();
        for (number, (name, content)) in self.files.iter().enumerate() {
            names.push_str(name);
            names.push('\n');
            write_content(&draft, &number.to_string(), content)?;
        }
        write(&draft, NAMES, names.as_bytes())?;
        erase(folder)?;
        fs::rename(&draft, folder)
    }
}

/// Writes, in place of the copy before, that there is no profile.
///
/// # Errors
///
/// The system refuses.
pub fn write_none(folder: &Path) -> io::Result<()> {
    erase(folder)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    write(folder, ORIGIN, b"")
}

impl ProfileCopy {
    /// The copy in `folder`, if there is one.
    #[must_use]
    pub fn find(folder: &Path) -> Option<Self> {
        folder.join(ORIGIN).exists().then(|| Self {
            folder: folder.to_owned(),
        })
    }

    /// Where the profile was copied from; `None` if there was none.
    ///
    /// # Errors
    ///
    /// The copy is incomplete.
    pub fn origin(&self) -> io::Result<Option<PathBuf>> {
        use std::os::unix::ffi::OsStringExt;
        let bytes = fs::read(self.folder.join(ORIGIN))?;
        let origin = PathBuf::from(std::ffi::OsString::from_vec(bytes));
        Ok(Some(origin).filter(|path| !path.as_os_str().is_empty()))
    }

    /// Marks it as one that the session has not seen.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub fn mark_fresh(&self) -> io::Result<()> {
        write(&self.folder, FRESH, b"")
    }

    /// Whether the session has not seen it.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.folder.join(FRESH).exists()
    }

    /// The session reads it.
    pub fn seen(&self) {
        // There is no mark but after a reload.
        let _ = fs::remove_file(self.folder.join(FRESH));
    }

    /// The profile's bytes.
    ///
    /// # Errors
    ///
    /// Why root could not read it.
    pub fn profile(&self) -> io::Result<Vec<u8>> {
        self.content(PROFILE).map_err(io::Error::other)
    }

    /// The bytes of a file that the profile names.
    ///
    /// # Errors
    ///
    /// Why root could not read it.
    pub fn named(&self, file: &str) -> Result<Vec<u8>, String> {
        let names = fs::read_to_string(self.folder.join(NAMES)).map_err(|e| e.to_string())?;
        match names.lines().position(|name| name == file) {
            Some(number) => self.content(&number.to_string()),
            None => Err(format!("{file}: it was not copied")),
        }
    }

    fn content(&self, name: &str) -> Result<Vec<u8>, String> {
        if let Ok(problem) = fs::read_to_string(self.folder.join(format!("{name}.problem"))) {
            return Err(problem);
        }
        read_regular(&self.folder.join(name)).map_err(|error| error.to_string())
    }
}

/// Removes the copy in `folder`, if there is one.
///
/// # Errors
///
/// The system refuses.
pub fn erase(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn write_content(folder: &Path, name: &str, content: &Content) -> io::Result<()> {
    match content {
        Ok(bytes) => write(folder, name, bytes),
        Err(problem) => write(folder, &format!("{name}.problem"), problem.as_bytes()),
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(folder.join(name))?
        .write_all(bytes)
}

impl Drop for Gathered {
    fn drop(&mut self) {
        if let Ok(bytes) = &mut self.profile {
            bytes.zeroize();
        }
    }
}

const FRESH: &str = "fresh";
const ORIGIN: &str = "origin";
const PROFILE: &str = "profile";
const NAMES: &str = "names";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_holds_the_profile_its_files_and_what_is_wrong_with_them() {
        let root = std::env::temp_dir().join(format!("openvpn3-copy-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let origin = root.join("office.conf");
        fs::write(&origin, "client\nca ca.crt\nkey absent.key\n").unwrap();
        fs::write(root.join("ca.crt"), "a certificate").unwrap();
        let folder = root.join("profiles/office");
        assert_eq!(ProfileCopy::find(&folder), None);
        for _ in 0..2 {
            Gathered::read(&origin).write(&folder).unwrap();
        }
        let copy = ProfileCopy::find(&folder).unwrap();
        assert_eq!(copy.origin().unwrap(), Some(origin));
        assert!(copy.profile().unwrap().starts_with(b"client\n"));
        assert_eq!(copy.named("ca.crt").unwrap(), b"a certificate");
        let problem = copy.named("absent.key").unwrap_err();
        assert!(problem.contains("absent.key"), "{problem}");
        assert!(Gathered::read(&copy.origin().unwrap().unwrap()).is_that_of(&copy));
        fs::write(root.join("ca.crt"), "another").unwrap();
        assert!(!Gathered::read(&copy.origin().unwrap().unwrap()).is_that_of(&copy));
        copy.mark_fresh().unwrap();
        assert!(copy.is_fresh());
        copy.seen();
        assert!(!copy.is_fresh());
        erase(&folder).unwrap();
        assert_eq!(ProfileCopy::find(&folder), None);
        fs::remove_dir_all(root).unwrap();
    }
}
