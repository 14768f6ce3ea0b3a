//! Descriptors that outlive the process: stored with the service manager, taken back, thrown out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use libsystemd::activation::receive_descriptors_with_names;
use libsystemd::daemon::{self, NotifyState};
use rustix::fs::{MemfdFlags, SealFlags};

/// What the service manager handed to this process at its start.
#[derive(Debug, Default)]
pub struct Inherited {
    by_name: BTreeMap<String, Vec<OwnedFd>>,
}

impl Inherited {
    /// Takes over all descriptors. To be called once, before anything else opens one; a second call finds nothing,
    /// because the descriptors have an owner then.
    ///
    /// # Errors
    ///
    /// If the service manager's word about them cannot be understood.
    pub fn take() -> io::Result<Self> {
        static TAKEN: std::sync::Once = std::sync::Once::new();
        let mut inherited = Ok(Self::default());
        TAKEN.call_once(|| inherited = Self::receive());
        inherited
    }

    /// Takes out the descriptors of one name, in the order in which they were stored.
    pub fn remove(&mut self, name: &str) -> Vec<OwnedFd> {
        self.by_name.remove(name).unwrap_or_default()
    }

    fn receive() -> io::Result<Self> {
        // The variables stay: they name this process alone, and changing the environment is unsafe beside threads.
        let received = receive_descriptors_with_names(false).map_err(io::Error::other)?;
        let mut by_name: BTreeMap<String, Vec<OwnedFd>> = BTreeMap::new();
        for (descriptor, name) in received {
            by_name
                .entry(name)
                .or_default()
                .push(owned(descriptor.into_raw_fd()));
        }
        Ok(Self { by_name })
    }
}

#[expect(
    unsafe_code,
    reason = "a descriptor that the service manager passed comes as a number"
)]
fn owned(raw: std::os::fd::RawFd) -> OwnedFd {
    // SAFETY: the number came from LISTEN_FDS for this very process, where it is open and has no other owner:
    // `Inherited::take` hands each out once.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Stores a descriptor under a name. One stored before under it stays beside it until [`discard`]. Nothing happens
/// outside of a unit.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn store(name: &str, descriptor: impl AsFd) -> io::Result<()> {
    let state = [NotifyState::Fdstore, NotifyState::Fdname(name.to_owned())];
    daemon::notify_with_fds(false, &state, &[descriptor.as_fd().as_raw_fd()])
        .map(drop)
        .map_err(io::Error::other)
}

/// Throws out what is stored under a name.
///
/// # Errors
///
/// If the service manager cannot be told.
pub fn discard(name: &str) -> io::Result<()> {
    let state = [
        NotifyState::FdstoreRemove,
        NotifyState::Fdname(name.to_owned()),
    ];
    daemon::notify(false, &state)
        .map(drop)
        .map_err(io::Error::other)
}

/// Stores bytes under a name, in place of those stored before.
///
/// # Errors
///
/// If the system has no memory file for them, or the service manager cannot be told.
pub fn store_bytes(name: &str, bytes: &[u8]) -> io::Result<()> {
    let file = memory_file(name, bytes)?;
    discard(name)?;
    store(name, &file)
}

/// The bytes of a stored memory file.
///
/// # Errors
///
/// If it cannot be read, or is larger than anything that we store.
pub fn read_bytes(descriptor: OwnedFd) -> io::Result<Vec<u8>> {
    let file = File::from(descriptor);
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= LARGEST) {
        Ok(bytes)
    } else {
        Err(io::Error::other("the stored state is too large"))
    }
}

fn memory_file(name: &str, bytes: &[u8]) -> io::Result<File> {
    let descriptor =
        rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut file = File::from(descriptor);
    file.write_all(bytes)?;
    rustix::fs::fcntl_add_seals(
        &file,
        SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
    )?;
    Ok(file)
}

const LARGEST: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_bytes_are_read_back_and_cannot_be_changed() {
        let mut file = memory_file("session", b"version 1").unwrap();
        assert!(file.write_all(b"x").is_err());
        let read = read_bytes(OwnedFd::from(file)).unwrap();
        assert_eq!(read, b"version 1");
    }

    #[test]
    fn a_process_that_was_handed_nothing_finds_nothing() {
        let mut inherited = Inherited::take().unwrap();
        assert!(inherited.remove("tun").is_empty());
    }

    #[test]
    fn too_much_is_refused() {
        let bytes = vec![0; usize::try_from(LARGEST).unwrap() + 1];
        let file = memory_file("session", &bytes).unwrap();
        assert!(read_bytes(OwnedFd::from(file)).is_err());
    }
}
