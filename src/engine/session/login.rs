//! What we log in with: credentials, the answers to challenges, the server's token.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::config::Credentials;
use super::super::error::DynamicChallenge;
use super::super::event::AuthToken;
use super::super::profile::identity::ProfileIdentity;
use super::super::secret::SecretText;
use super::saved::Saved;

/// What the profile says about logging in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginRules {
    /// `auth-user-pass`: user name and password are needed.
    pub password_needed: bool,
    /// `auth-user-pass username-only`: there is no password.
    pub username_only: bool,
    /// `static-challenge`.
    pub static_challenge: Option<StaticChallenge>,
    /// `auth-nocache`: a password that was asked for is forgotten after use.
    pub forget_password: bool,
}

/// `static-challenge`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticChallenge {
    /// The question.
    pub text: String,
    /// Whether the answer may be shown while it is typed.
    pub echo: bool,
    /// How the answer travels.
    pub format: ChallengeFormat,
}

/// How the answer to a static challenge travels in the password field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeFormat {
    /// Appended to the password.
    Concatenated,
    /// `SCRV1:` with both in base64.
    Scrv1,
}

/// Something that is missing before the next attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The answer to the server's question.
    DynamicAnswer,
    /// User name or password.
    Password,
    /// The answer to the profile's challenge.
    StaticAnswer,
}

/// What we log in with, as it is known.
#[derive(Debug)]
pub struct Login {
    rules: LoginRules,
    username: Option<String>,
    password: Option<SecretText>,
    /// The password stands in the profile, where it stays anyway.
    password_is_at_hand: bool,
    static_answer: Option<SecretText>,
    challenge: Option<Challenge>,
    token: Option<Arc<AuthToken>>,
}

#[derive(Debug)]
struct Challenge {
    question: DynamicChallenge,
    answer: Option<SecretText>,
}

impl Login {
    /// Nothing is known yet but the rules.
    #[must_use]
    pub const fn new(rules: LoginRules) -> Self {
        Self {
            rules,
            username: None,
            password: None,
            password_is_at_hand: false,
            static_answer: None,
            challenge: None,
            token: None,
        }
    }

    /// The rules.
    #[must_use]
    pub const fn rules(&self) -> &LoginRules {
        &self.rules
    }

    /// Takes the user name, of the profile or of the user.
    pub fn set_username(&mut self, username: &str) {
        self.username = Some(username.to_owned());
    }

    /// The user name, if it is known.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.username.as_deref()
    }

    /// Takes the password that the user gave.
    pub fn set_password(&mut self, password: SecretText) {
        self.password = Some(password);
        self.password_is_at_hand = false;
    }

    /// Takes the password that the profile has: forgetting it would hide nothing.
    pub fn set_profile_password(&mut self, password: SecretText) {
        self.password = Some(password);
        self.password_is_at_hand = true;
    }

    /// Takes the answer to the profile's challenge.
    pub fn set_static_answer(&mut self, answer: SecretText) {
        self.static_answer = Some(answer);
    }

    /// Takes the server's question; a token is worth nothing any more.
    pub fn challenged(&mut self, question: DynamicChallenge) {
        self.token = None;
        let answer = (!question.response_required).then(|| SecretText::from(""));
        self.challenge = Some(Challenge { question, answer });
    }

    /// The server's question, as long as it counts.
    #[must_use]
    pub fn challenge(&self) -> Option<&DynamicChallenge> {
        self.challenge.as_ref().map(|challenge| &challenge.question)
    }

    /// `auth-nocache`, pushed by the server.
    pub const fn forget_password_after_use(&mut self) {
        self.rules.forget_password = true;
    }

    /// Takes over what the user and the server said to `old`, where nothing better is known.
    pub fn inherit(&mut self, old: Self) {
        self.username = self.username.take().or(old.username);
        self.password = self.password.take().or(old.password);
        self.static_answer = self.static_answer.take().or(old.static_answer);
        self.token = self.token.take().or(old.token);
    }

    /// What may outlive the process, for this profile.
    #[must_use]
    pub fn remembered(&self, profile: ProfileIdentity) -> Saved {
        let password = self
            .password
            .as_ref()
            .filter(|_| !self.rules.forget_password);
        Saved {
            profile,
            server: None,
            username: self.username.clone(),
            password: password.map(SecretText::duplicate),
            token: self.token.as_ref().map(|token| AuthToken {
                username: token.username.clone(),
                token: token.token.duplicate(),
            }),
        }
    }

    /// Takes what an earlier process knew, where the profile says nothing.
    pub fn restore(&mut self, saved: Saved) {
        if !self.rules.password_needed && saved.token.is_none() {
            return;
        }
        self.username = self.username.take().or(saved.username);
        self.password = self.password.take().or(saved.password);
        self.token = saved.token.map(Arc::new).or_else(|| self.token.take());
    }

    /// Takes the answer to the server's question.
    pub fn set_dynamic_answer(&mut self, answer: SecretText) {
        if let Some(challenge) = &mut self.challenge {
            challenge.answer = Some(answer);
        }
    }

    /// Takes the token that replaces the password from here on.
    pub fn token_received(&mut self, token: AuthToken) {
        self.token = Some(Arc::new(token));
        self.static_answer = None;
    }

    /// The token for the next attempt.
    #[must_use]
    pub fn token(&self) -> Option<Arc<AuthToken>> {
        if self.challenge.is_some() {
            return None;
        }
        self.token.clone()
    }

    /// The server has what we log in with; answers are good for one use. `connected`: and it let us in.
    pub fn used(&mut self, connected: bool) {
        self.static_answer = None;
        if connected {
            self.challenge = None;
            if self.rules.forget_password && !self.password_is_at_hand {
                self.password = None;
            }
        }
    }

    /// Forgets the token. The answer is whether there was one.
    pub fn drop_token(&mut self) -> bool {
        self.token.take().is_some()
    }

    /// Forgets all that the user said, for the next attempt to ask again.
    pub fn purge(&mut self) {
        self.token = None;
        self.username = None;
        self.password = None;
        self.static_answer = None;
        self.challenge = None;
    }

    /// Forgets a challenge that the server has judged.
    pub fn drop_challenge(&mut self) {
        self.challenge = None;
    }

    /// What must be asked before the next attempt.
    #[must_use]
    pub fn missing(&self) -> Vec<Missing> {
        if let Some(challenge) = &self.challenge {
            return match challenge.answer {
                Some(_) => Vec::new(),
                None => vec![Missing::DynamicAnswer],
            };
        }
        let mut missing = Vec::new();
        if !self.rules.password_needed || self.token.is_some() {
            return missing;
        }
        let password_is_known = self.rules.username_only || self.password.is_some();
        if self.username.is_none() || !password_is_known {
            missing.push(Missing::Password);
        }
        if self.rules.static_challenge.is_some() && self.static_answer.is_none() {
            missing.push(Missing::StaticAnswer);
        }
        missing
    }

    /// The credentials as they travel in the next attempt.
    #[must_use]
    pub fn credentials(&self) -> Option<Arc<Credentials>> {
        if let Some(Challenge { question, answer }) = &self.challenge {
            let answer = answer.as_ref().map_or("", SecretText::expose);
            return Some(Arc::new(Credentials {
                username: question.username.clone(),
                password: SecretText::new(format!("CRV1::{}::{answer}", question.state_id)),
            }));
        }
        if !self.rules.password_needed {
            return None;
        }
        let username = self.username.clone()?;
        if self.rules.username_only {
            let password = SecretText::from(NO_PASSWORD);
            return Some(Arc::new(Credentials { username, password }));
        }
        let password = self.password.as_ref()?;
        let password = match (&self.rules.static_challenge, &self.static_answer) {
            (Some(challenge), answer) => combined(challenge.format, password, answer.as_ref()),
            (None, _) => password.duplicate(),
        };
        Some(Arc::new(Credentials { username, password }))
    }
}

/// What OpenVPN 2.7 sends where there is no password; servers take an empty one for none at all.
const NO_PASSWORD: &str = "[[BLANK]]";

fn combined(
    format: ChallengeFormat,
    password: &SecretText,
    answer: Option<&SecretText>,
) -> SecretText {
    let answer = answer.map_or("", SecretText::expose);
    SecretText::new(match format {
        ChallengeFormat::Concatenated => format!("{}{answer}", password.expose()),
        ChallengeFormat::Scrv1 => {
            let password = Zeroizing::new(STANDARD.encode(password.expose()));
            let answer = Zeroizing::new(STANDARD.encode(answer));
            format!("SCRV1:{}:{}", *password, *answer)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(format: Option<ChallengeFormat>) -> LoginRules {
        LoginRules {
            password_needed: true,
            username_only: false,
            static_challenge: format.map(|format| StaticChallenge {
                text: "PIN".to_owned(),
                echo: true,
                format,
            }),
            forget_password: false,
        }
    }

    fn with_password(rules: LoginRules) -> Login {
        let mut login = Login::new(rules);
        login.set_username("alice");
        login.set_password(SecretText::from("secret"));
        login
    }

    fn token() -> AuthToken {
        AuthToken {
            username: None,
            token: SecretText::from("SESS_ID"),
        }
    }

    fn question(response_required: bool) -> DynamicChallenge {
        DynamicChallenge {
            echo: true,
            response_required,
            state_id: "OeE".to_owned(),
            username: "bob".to_owned(),
            text: "?".to_owned(),
        }
    }

    fn sent_password(login: &Login) -> String {
        let credentials = login.credentials().expect("credentials are known");
        credentials.password.expose().to_owned()
    }

    #[test]
    fn nothing_is_asked_when_no_password_is_needed() {
        let login = Login::new(LoginRules::default());
        assert!(login.missing().is_empty());
        assert!(login.credentials().is_none());
    }

    #[test]
    fn password_and_challenge_are_asked_until_known() {
        let mut login = Login::new(rules(Some(ChallengeFormat::Scrv1)));
        assert_eq!(login.missing(), [Missing::Password, Missing::StaticAnswer]);
        login.set_username("alice");
        login.set_password(SecretText::from("secret"));
        login.set_static_answer(SecretText::from("42"));
        assert!(login.missing().is_empty());
        assert_eq!(sent_password(&login), "SCRV1:c2VjcmV0:NDI=");
    }

    #[test]
    fn an_answer_may_be_appended_to_the_password() {
        let mut login = with_password(rules(Some(ChallengeFormat::Concatenated)));
        login.set_static_answer(SecretText::from("42"));
        assert_eq!(sent_password(&login), "secret42");
    }

    #[test]
    fn a_static_answer_is_good_for_one_use() {
        let mut login = with_password(rules(Some(ChallengeFormat::Scrv1)));
        login.set_static_answer(SecretText::from("42"));
        login.used(false);
        assert_eq!(login.missing(), [Missing::StaticAnswer]);
    }

    #[test]
    fn a_name_alone_goes_with_the_mark_for_no_password() {
        let mut login = Login::new(LoginRules {
            username_only: true,
            ..rules(None)
        });
        assert_eq!(login.missing(), [Missing::Password]);
        login.set_username("alice");
        assert!(login.missing().is_empty());
        assert_eq!(sent_password(&login), "[[BLANK]]");
    }

    #[test]
    fn a_token_makes_questions_unnecessary_until_it_is_dropped() {
        let mut login = with_password(rules(Some(ChallengeFormat::Scrv1)));
        login.token_received(token());
        login.used(true);
        assert!(login.missing().is_empty());
        assert!(login.token().is_some());
        assert!(login.drop_token());
        assert_eq!(login.missing(), [Missing::StaticAnswer]);
    }

    #[test]
    fn a_dynamic_challenge_is_answered_in_the_password_field() {
        let mut login = with_password(rules(None));
        login.challenged(question(true));
        assert_eq!(login.missing(), [Missing::DynamicAnswer]);
        login.set_dynamic_answer(SecretText::from("8675309"));
        assert!(login.missing().is_empty());
        assert_eq!(sent_password(&login), "CRV1::OeE::8675309");
        assert_eq!(
            login.credentials().expect("credentials are known").username,
            "bob"
        );
        login.used(true);
        assert_eq!(sent_password(&login), "secret");
    }

    #[test]
    fn a_challenge_without_answer_goes_back_empty() {
        let mut login = with_password(rules(None));
        login.challenged(question(false));
        assert!(login.missing().is_empty());
        assert_eq!(sent_password(&login), "CRV1::OeE::");
    }

    #[test]
    fn auth_nocache_asks_for_no_password_that_the_profile_has() {
        let mut login = Login::new(LoginRules {
            forget_password: true,
            ..rules(None)
        });
        login.set_username("alice");
        login.set_profile_password(SecretText::from("secret"));
        login.used(true);
        assert!(login.missing().is_empty());
        assert_eq!(sent_password(&login), "secret");
        login.purge();
        assert_eq!(login.missing(), [Missing::Password]);
        login.set_password(SecretText::from("other"));
        login.used(true);
        assert_eq!(login.missing(), [Missing::Password]);
    }

    #[test]
    fn auth_nocache_forgets_the_password_but_not_the_token() {
        let mut login = with_password(LoginRules {
            forget_password: true,
            ..rules(None)
        });
        login.used(true);
        assert_eq!(login.missing(), [Missing::Password]);
        login.token_received(token());
        assert!(login.missing().is_empty());
    }
}
