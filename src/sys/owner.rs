//! Work of root done as the account that owns a directory.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// From here on this thread, if it is root's, is that of the directory's owner, with these capabilities: what it writes
/// there cannot lead root elsewhere, and processes of the account can change it. For commands that have one thread.
pub(crate) fn become_owner_of(directory: &Path, kept: CapabilitySet) -> io::Result<()> {
    let owner = fs::metadata(directory)?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(());
    }
    let (user, group) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    rustix::thread::set_keep_capabilities(!kept.is_empty())?;
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(group, group, group)?;
    rustix::thread::set_thread_res_uid(user, user, user)?;
    if !kept.is_empty() {
        let sets = CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, sets)?;
    }
    Ok(())
}
