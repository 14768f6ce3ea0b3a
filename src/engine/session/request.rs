//! `Request`: what a session may be asked for; `Refusal`: why not now.

use thiserror::Error;

use super::super::secret::SecretText;
use super::user_input::InputError;

/// What a session is asked to do. Answered at once; [`Request::Register`] through [`Effect::Registered`] too.
///
/// [`Effect::Registered`]: super::effect::Effect::Registered
#[derive(Debug)]
pub enum Request {
    /// Begin, or go on with answers that have been given. Where there is nothing to begin it does nothing.
    Connect,
    /// Send the server an exit notification, take the network back, end. Never refused.
    Disconnect,
    /// End as fast as the network can be taken back. Never refused.
    ForceShutdown,
    /// Leave the server, but keep the session.
    Pause {
        /// Why, for the status; control characters are taken out.
        reason: String,
    },
    /// An answer to one question.
    ProvideInput(Answer),
    /// Somebody takes the session on, and says the token that it was started with. It is registered once the profile
    /// can be used.
    Register {
        /// The token.
        token: String,
    },
    /// Read the profile again and reconnect with it.
    Reload,
    /// Leave the server and connect again without waiting.
    Restart,
    /// Go on after `Pause`.
    Resume,
}

/// One answer of the user; the three numbers are those of the question.
#[derive(Debug)]
pub struct Answer {
    /// What kind of attention was asked for.
    pub kind: u32,
    /// Which group of questions.
    pub group: u32,
    /// Which question of the group.
    pub number: u32,
    /// The answer.
    pub value: SecretText,
}

/// Why a request is not met.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// [`Request::Register`] was called before.
    #[error("the session is already registered")]
    AlreadyRegistered,
    /// `Pause` of a paused session.
    #[error("the session is already paused")]
    AlreadyPaused,
    /// The log service or the session manager would not have us; the text is theirs.
    #[error("the session could not be assigned: {0}")]
    AssignFailed(String),
    /// `Connect` while a question is open.
    #[error("required user input was not provided")]
    InputMissing,
    /// The answer does not fit.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The session is ending.
    #[error("the session is shutting down")]
    Leaving,
    /// `Ready`: a question is open.
    #[error("Missing user credentials")]
    MissingCredentials,
    /// Nothing was ever begun that could be paused, resumed or restarted.
    #[error("the session has not been started")]
    NotConnected,
    /// `Resume` of a session that is not paused.
    #[error("the session is not paused")]
    NotPaused,
    /// No profile has been loaded yet.
    #[error("the session is not initialized")]
    NotRegistered,
    /// `Ready`: the user is to log in on a web page.
    #[error("the session waits for web authentication")]
    PendingWebAuthentication,
    /// The profile cannot be used; the text says why.
    #[error("the profile cannot be used: {0}")]
    ProfileUnusable(String),
    /// `Connect` could not be begun; the text says why.
    #[error("the connection could not be started: {0}")]
    StartFailed(String),
    /// The token is not the one that we were started with.
    #[error("the registration token does not match")]
    WrongToken,
}
