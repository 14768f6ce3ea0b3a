//! Answers that need no person: systemd credentials, and one-time passwords from their seed.

use std::collections::BTreeSet;
use std::io;

use rustls::time_provider::TimeProvider;

use crate::engine::crypto::totp::Seed;
use crate::engine::secret::SecretText;
use crate::engine::session::user_input::{self, InputGroup, Question};
use crate::service::systemd::credentials::{self, Credentials};

/// Answers from credentials; each is given once, so that a refused one is not given for ever.
#[derive(Debug)]
pub struct Answers {
    credentials: Credentials,
    given: BTreeSet<(u32, u32)>,
}

impl Answers {
    /// Answers from the credentials of this unit.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            given: BTreeSet::new(),
        }
    }

    /// The answer to a question, if a credential holds it.
    ///
    /// # Errors
    ///
    /// If the credential is there and cannot be used; the error names it and does not show it.
    pub fn take(
        &mut self,
        question: &Question,
        clock: &dyn TimeProvider,
    ) -> io::Result<Option<SecretText>> {
        let Some(name) = credential_for(question) else {
            return Ok(None);
        };
        if !self.given.insert((question.group as u32, question.slot_id)) {
            return Ok(None);
        }
        let Some(text) = self.credentials.text(name)? else {
            return Ok(None);
        };
        if name != credentials::OTP_SEED {
            return Ok(Some(text));
        }
        let seed = Seed::parse(text.expose())
            .map_err(|error| io::Error::other(format!("the credential {name}: {error}")))?;
        let now = clock
            .current_time()
            .ok_or_else(|| io::Error::other("the time is not known"))?;
        Ok(Some(SecretText::new(seed.password(now.as_secs()))))
    }
}

/// Which credential answers a question.
fn credential_for(question: &Question) -> Option<&'static str> {
    match question.group {
        InputGroup::UserPassword if question.name == user_input::USERNAME => {
            Some(credentials::USERNAME)
        }
        InputGroup::UserPassword => Some(credentials::PASSWORD),
        InputGroup::Passphrase => Some(credentials::PASSPHRASE),
        InputGroup::AuthPending | InputGroup::DynamicChallenge | InputGroup::StaticChallenge => {
            Some(credentials::OTP_SEED)
        }
        InputGroup::HttpProxy if question.name == user_input::PROXY_USERNAME => {
            Some(credentials::PROXY_USERNAME)
        }
        InputGroup::HttpProxy => Some(credentials::PROXY_PASSWORD),
        InputGroup::OpenUrl => None,
    }
}
