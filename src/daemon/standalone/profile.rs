//! The profile of an instance, with the key and the certificate that come as credentials.

use std::io;
use std::sync::Arc;

use crate::daemon::executor::{ProfileLoader, ProfileSource, Work};
use crate::daemon::profile_file::{Addition, ProfileFile};
use crate::systemd::credentials::{self, Credentials};
use openvpn_engine::session::Loaded;
use openvpn_engine::session::Refusal;

/// Loads the profile; a key or certificate that it lacks is taken from the credentials.
#[derive(Debug)]
pub struct InstanceProfile {
    file: ProfileFile,
    credentials: Credentials,
}

impl InstanceProfile {
    /// The profile in `file`.
    #[must_use]
    pub const fn new(file: ProfileFile, credentials: Credentials) -> Self {
        Self { file, credentials }
    }
}

impl ProfileLoader for InstanceProfile {
    fn load(&self, source: ProfileSource) -> Work<Result<Box<Loaded>, Refusal>> {
        if let Some(copy) = self.file.copy() {
            copy.seen();
        }
        match additions(&self.credentials) {
            Ok(additions) => self.file.clone().with_additions(additions).load(source),
            Err(error) => {
                let refusal = Refusal::ProfileUnusable(error.to_string());
                Box::pin(async move { Err(refusal) })
            }
        }
    }
}

/// The key and the certificate among the credentials.
pub(crate) fn additions(credentials: &Credentials) -> io::Result<Vec<Addition>> {
    let mut additions = Vec::new();
    for (option, name) in [
        ("key", credentials::PRIVATE_KEY),
        ("cert", credentials::CERTIFICATE),
    ] {
        if let Some(content) = credentials.text(name)? {
            let content = Arc::new(content);
            additions.push(Addition { option, content });
        }
    }
    Ok(additions)
}
