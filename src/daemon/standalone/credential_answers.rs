//! Answers that need no person: systemd credentials, and one-time passwords from their seed.

use std::collections::BTreeMap;
use std::io;

use rustls::time_provider::TimeProvider;

use crate::systemd::credentials::{self, Credentials};
use openvpn_engine::crypto::Seed;
use openvpn_engine::event::AuthToken;
use openvpn_engine::secret::SecretText;
use openvpn_engine::session::{InputGroup, Question, user_input};

/// Answers from credentials. What is asked for again was refused: until the server lets us in, each is given once, and
/// one-time passwords a few times.
#[derive(Debug)]
pub struct Answers {
    credentials: Credentials,
    /// How often each was given since the server last let us in.
    given: BTreeMap<&'static str, u32>,
}

impl Answers {
    /// Answers from the credentials of this unit.
    #[must_use]
    pub const fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            given: BTreeMap::new(),
        }
    }

    /// The server has let us in: what was given is right.
    pub fn accepted(&mut self) {
        self.given.clear();
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
        let given = self.given.entry(name).or_default();
        if *given == most_times(name) {
            return Ok(None);
        }
        *given += 1;
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

/// How often a credential is given while the server does not let us in.
fn most_times(name: &str) -> u32 {
    if name == credentials::OTP_SEED { 3 } else { 1 }
}

/// The token among the credentials, with the user name among them.
///
/// # Errors
///
/// If a credential is there and cannot be used; the error names it and does not show it.
pub fn token(credentials: &Credentials) -> io::Result<Option<AuthToken>> {
    let Some(token) = credentials.text(credentials::AUTH_TOKEN)? else {
        return Ok(None);
    };
    let username = credentials.text(credentials::USERNAME)?;
    Ok(Some(AuthToken {
        username: username.map(|it| it.expose().to_owned()),
        token,
    }))
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

#[cfg(test)]
mod tests {
    use std::fs;

    use rustls::time_provider::DefaultTimeProvider;

    use super::*;
    use openvpn_engine::session::Visibility;

    fn question(group: InputGroup, name: &'static str, slot_id: u32) -> Question {
        Question {
            group,
            slot_id,
            name,
            description: name.to_owned(),
            visibility: Visibility::Hidden,
        }
    }

    /// How often, of five times, an answer is given to this question.
    fn given(answers: &mut Answers, group: InputGroup, name: &'static str) -> usize {
        let mut ask = |slot_id| answers.take(&question(group, name, slot_id), &DefaultTimeProvider);
        (0..5)
            .filter(|slot_id| ask(*slot_id).unwrap().is_some())
            .count()
    }

    #[test]
    fn what_is_refused_is_not_given_for_ever() {
        let directory = std::env::temp_dir().join(format!("answers-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        for name in [credentials::PASSPHRASE, credentials::PASSWORD] {
            fs::write(directory.join(name), "barley").unwrap();
        }
        fs::write(directory.join(credentials::OTP_SEED), "JBSWY3DPEHPK3PXP").unwrap();
        let mut answers = Answers::new(Credentials::in_directory(directory.clone()));
        for _ in 0..2 {
            for (group, name, times) in [
                (InputGroup::Passphrase, user_input::PASSPHRASE, 1),
                (InputGroup::UserPassword, user_input::PASSWORD, 1),
                (InputGroup::UserPassword, user_input::USERNAME, 0),
                (InputGroup::StaticChallenge, user_input::STATIC_CHALLENGE, 3),
            ] {
                assert_eq!(given(&mut answers, group, name), times, "{name}");
            }
            answers.accepted();
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
