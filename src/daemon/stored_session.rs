//! The session in the service manager's store: what a process that comes back takes up.

use tracing::{debug, warn};

use crate::systemd::fd_store::{self, Inherited};
use openvpn_engine::secret::SecretBytes;
use openvpn_engine::session::Saved;

/// The name of the session's memory file in the store.
pub const STORED_AS: &str = "session";

/// What the process before this one left, if it can be used.
#[must_use]
pub fn from_store(inherited: &mut Inherited) -> Option<Saved> {
    let file = inherited.remove(STORED_AS).pop()?;
    let bytes = match fd_store::read_bytes(file) {
        Ok(bytes) => SecretBytes::new(bytes),
        Err(error) => {
            warn!(%error, "the saved session cannot be read");
            return None;
        }
    };
    match Saved::from_bytes(bytes.expose()) {
        Ok(saved) => Some(saved),
        Err(error) => {
            warn!(%error, "the session begins afresh");
            None
        }
    }
}

/// Keeps the session, in place of what was kept before.
pub fn keep(saved: &SecretBytes) {
    if let Err(error) = fd_store::store_bytes(STORED_AS, saved.expose()) {
        debug!(%error, "the session cannot be kept beyond the process");
    }
}
