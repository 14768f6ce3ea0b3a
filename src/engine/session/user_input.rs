//! The queue of questions to the user.

use thiserror::Error;

use super::status::printable;
use crate::error::{DynamicChallenge, ProxyKind};
use crate::secret::SecretText;

/// The one type of question that front-ends answer (`CREDENTIALS`).
pub const CREDENTIALS: u32 = 1;

/// What a question is about; the number travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum InputGroup {
    /// User name and password.
    UserPassword = 1,
    /// User name and password for a proxy, HTTP or SOCKS.
    HttpProxy = 2,
    /// The passphrase of the private key.
    Passphrase = 3,
    /// The challenge that the profile names.
    StaticChallenge = 4,
    /// The challenge of a server that refused the login.
    DynamicChallenge = 5,
    /// A question asked while the login is pending.
    AuthPending = 6,
    /// A web page to open. Has no slot: it is announced only.
    OpenUrl = 9,
}

/// Whether an answer may be seen while it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// It is not shown.
    Hidden,
    /// It is shown.
    Shown,
}

impl Visibility {
    /// Shown if the server or the profile allows an echo.
    #[must_use]
    pub const fn from_echo(echo: bool) -> Self {
        if echo { Self::Shown } else { Self::Hidden }
    }
}

/// One question, as the front-end fetches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What it is about.
    pub group: InputGroup,
    /// Its number within the group, from 0 and never used again.
    pub slot_id: u32,
    /// Its name: what the answer is looked up by.
    pub name: &'static str,
    /// The prompt, printable.
    pub description: String,
    /// Whether the answer may be seen.
    pub visibility: Visibility,
}

/// What the user must be told of: the D-Bus signal `AttentionRequired`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// What it is about. The type is always [`CREDENTIALS`].
    pub group: InputGroup,
    /// The words for the user.
    pub message: String,
}

impl Attention {
    /// Something to tell the user. The message is made printable.
    #[must_use]
    pub fn new(group: InputGroup, message: &str) -> Self {
        Self {
            group,
            message: printable(message),
        }
    }

    /// As it travels.
    #[must_use]
    pub fn to_tuple(&self) -> (u32, u32, String) {
        (CREDENTIALS, self.group as u32, self.message.clone())
    }
}

/// Why a question could not be fetched or answered. The texts are parsed by callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InputError {
    /// Fetched, but answered already.
    #[error("net.openvpn.v3.already-provided: the input of slot {0} was already provided")]
    AlreadyAnswered(u32),
    /// Fetched, but never asked.
    #[error("net.openvpn.v3.element-not-found: no input of this type, group and id was asked for")]
    NotFound,
    /// An empty answer; the question stays open.
    #[error("No value provided for RequiresSlot ID {0}")]
    Empty(u32),
    /// Answered, but nothing of this group is open.
    #[error("net.openvpn.v3.error.input-not-required: no input of this type and group is required")]
    NotRequired,
    /// Answered a second time.
    #[error(
        "net.openvpn.v3.error.input-already-provided: the input of slot {0} was already provided"
    )]
    AnsweredTwice(u32),
    /// Answered, but never asked.
    #[error("net.openvpn.v3.invalid-input: no input with the id {0} was asked for")]
    Unknown(u32),
}

/// Questions in the order in which they came up. They stay for the life of the session, and answers are not kept.
#[derive(Debug, Default)]
pub struct UserInputQueue {
    slots: Vec<Slot>,
}

impl UserInputQueue {
    /// Asks for one thing; the answer is the number within the group.
    pub fn ask(
        &mut self,
        group: InputGroup,
        name: &'static str,
        description: &str,
        visibility: Visibility,
    ) -> u32 {
        let taken = self.slots.iter().filter(|s| s.question.group == group);
        let slot_id = u32::try_from(taken.count()).unwrap_or(u32::MAX);
        self.slots.push(Slot {
            question: Question {
                group,
                slot_id,
                name,
                description: printable(description),
                visibility,
            },
            answer: Answer::Open,
        });
        slot_id
    }

    /// Asks for the user name.
    pub fn ask_username(&mut self) {
        let group = InputGroup::UserPassword;
        self.ask(group, USERNAME, "Auth User name", Visibility::Shown);
    }

    /// Asks for the password.
    pub fn ask_password(&mut self) {
        let group = InputGroup::UserPassword;
        self.ask(group, PASSWORD, "Auth Password", Visibility::Hidden);
    }

    /// Asks for the passphrase of the private key.
    pub fn ask_passphrase(&mut self) {
        self.ask(
            InputGroup::Passphrase,
            PASSPHRASE,
            "Private key passphrase",
            Visibility::Hidden,
        );
    }

    /// Asks for the proxy's credentials.
    pub fn ask_proxy_credentials(&mut self, kind: ProxyKind) {
        let group = InputGroup::HttpProxy;
        self.ask(
            group,
            PROXY_USERNAME,
            &format!("{kind} proxy username"),
            Visibility::Shown,
        );
        self.ask(
            group,
            PROXY_PASSWORD,
            &format!("{kind} proxy password"),
            Visibility::Hidden,
        );
    }

    /// Asks the question of a server that refused the login; its handle is a question that nobody is prompted for.
    pub fn ask_dynamic_challenge(&mut self, challenge: &DynamicChallenge) {
        let group = InputGroup::DynamicChallenge;
        let visibility = Visibility::from_echo(challenge.echo);
        self.ask(group, DYNAMIC_CHALLENGE, &challenge.text, visibility);
        self.ask(group, DYNAMIC_CHALLENGE_COOKIE, "", Visibility::Hidden);
        if let Some(cookie) = self.slots.last_mut() {
            cookie.answer = Answer::Given;
        }
    }

    /// Asks a question while the login is pending. The answer comes out of [`UserInputQueue::provide`].
    pub fn ask_pending(&mut self, text: &str, visibility: Visibility) {
        self.ask(InputGroup::AuthPending, AUTH_PENDING, text, visibility);
    }

    /// Takes back the open questions of a group that nobody needs an answer to any longer.
    pub fn withdraw(&mut self, group: InputGroup) {
        for slot in &mut self.slots {
            if slot.question.group == group && slot.is_open() {
                slot.answer = Answer::Withdrawn;
            }
        }
    }

    /// Takes back all open questions.
    pub fn withdraw_all(&mut self) {
        for slot in self.slots.iter_mut().filter(|slot| slot.is_open()) {
            slot.answer = Answer::Withdrawn;
        }
    }

    /// The pairs of type and group with an open question, in the order of appearance.
    #[must_use]
    pub fn type_groups(&self) -> Vec<(u32, u32)> {
        let mut pairs = Vec::new();
        for slot in self.slots.iter().filter(|s| s.is_open()) {
            let pair = (CREDENTIALS, slot.question.group as u32);
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        pairs
    }

    /// The numbers of the open questions of a type and group.
    #[must_use]
    pub fn check(&self, kind: u32, group: u32) -> Vec<u32> {
        self.of_group(kind, group)
            .filter(|s| s.is_open())
            .map(|s| s.question.slot_id)
            .collect()
    }

    /// One open question.
    ///
    /// # Errors
    ///
    /// [`InputError::AlreadyAnswered`] and [`InputError::NotFound`].
    pub fn fetch(&self, kind: u32, group: u32, slot_id: u32) -> Result<&Question, InputError> {
        let slot = self
            .of_group(kind, group)
            .find(|s| s.question.slot_id == slot_id)
            .ok_or(InputError::NotFound)?;
        if slot.is_open() {
            Ok(&slot.question)
        } else {
            Err(InputError::AlreadyAnswered(slot_id))
        }
    }

    /// Takes the answer to a question, which comes back with the question's name and without control characters.
    ///
    /// # Errors
    ///
    /// In this order: [`InputError::Empty`], [`InputError::NotRequired`], [`InputError::AnsweredTwice`],
    /// [`InputError::Unknown`].
    pub fn provide(
        &mut self,
        kind: u32,
        group: u32,
        slot_id: u32,
        value: &SecretText,
    ) -> Result<(&'static str, SecretText), InputError> {
        if value.is_empty() {
            return Err(InputError::Empty(slot_id));
        }
        if !self.of_group(kind, group).any(Slot::is_open) {
            return Err(InputError::NotRequired);
        }
        let slot = self
            .slots
            .iter_mut()
            .filter(|s| kind == CREDENTIALS && s.question.group as u32 == group)
            .find(|s| s.question.slot_id == slot_id)
            .ok_or(InputError::Unknown(slot_id))?;
        if !slot.is_open() {
            return Err(InputError::AnsweredTwice(slot_id));
        }
        slot.answer = Answer::Given;
        Ok((slot.question.name, without_control_characters(value)))
    }

    /// Whether no question is open. True for an empty queue.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.slots.iter().any(Slot::is_open)
    }

    /// The open questions, in order.
    pub fn open_questions(&self) -> impl Iterator<Item = &Question> {
        self.slots
            .iter()
            .filter(|s| s.is_open())
            .map(|s| &s.question)
    }

    fn of_group(&self, kind: u32, group: u32) -> impl Iterator<Item = &Slot> {
        self.slots
            .iter()
            .filter(move |s| kind == CREDENTIALS && s.question.group as u32 == group)
    }
}

#[derive(Debug)]
struct Slot {
    question: Question,
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Given,
    Open,
    Withdrawn,
}

impl Slot {
    const fn is_open(&self) -> bool {
        matches!(self.answer, Answer::Open)
    }
}

fn without_control_characters(value: &SecretText) -> SecretText {
    let mut kept = String::with_capacity(value.expose().len());
    kept.extend(value.expose().chars().filter(|c| *c >= ' '));
    SecretText::new(kept)
}

/// Name of the slot for the user name.
pub const USERNAME: &str = "username";
/// Name of the slot for the password.
pub const PASSWORD: &str = "password";
/// Name of the slot for the answer to the profile's challenge.
pub const STATIC_CHALLENGE: &str = "static_challenge";
/// Name of the slot for the private key's passphrase.
pub const PASSPHRASE: &str = "pk_passphrase";
/// Name of the slot for the answer to a dynamic challenge.
pub const DYNAMIC_CHALLENGE: &str = "dynamic_challenge";
/// Name of the slot for the server's handle of a dynamic challenge.
pub const DYNAMIC_CHALLENGE_COOKIE: &str = "dynamic_challenge_cookie";
/// Name of the slot for the proxy's user name.
pub const PROXY_USERNAME: &str = "http_proxy_user";
/// Name of the slot for the proxy's password.
pub const PROXY_PASSWORD: &str = "http_proxy_pass";
/// Name of the slot for a question asked while the login is pending.
pub const AUTH_PENDING: &str = "auth_pending";

#[cfg(test)]
mod tests;
