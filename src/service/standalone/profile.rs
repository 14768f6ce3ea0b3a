//! The profile of an instance, with the key and the certificate that come as credentials.

use std::sync::Arc;

use crate::engine::profile::error::Place;
use crate::engine::profile::model::{Material, Profile};
use crate::engine::secret::SecretBytes;
use crate::engine::session::command::Refusal;
use crate::engine::session::effect::{Loaded, ProfileSource};
use crate::service::effects::{ProfileLoader, Work};
use crate::service::profile::ProfileFile;
use crate::service::systemd::credentials::{self, Credentials};

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
        let loading = self.file.load(source);
        let credentials = self.credentials.clone();
        Box::pin(async move {
            let mut loaded = loading.await?;
            complete(&mut loaded.profile, &credentials)?;
            Ok(loaded)
        })
    }
}

fn complete(profile: &mut Profile, credentials: &Credentials) -> Result<(), Refusal> {
    for (slot, name) in [
        (&mut profile.tls.key, credentials::PRIVATE_KEY),
        (&mut profile.tls.cert, credentials::CERTIFICATE),
    ] {
        if slot.is_none() {
            let text = credentials
                .text(name)
                .map_err(|error| Refusal::ProfileUnusable(error.to_string()))?;
            *slot = text.map(|text| Material {
                place: Place {
                    file: format!("credential {name}"),
                    line: 0,
                    column: 0,
                },
                file: None,
                content: Arc::new(SecretBytes::new(text.expose().as_bytes().to_vec())),
            });
        }
    }
    Ok(())
}
