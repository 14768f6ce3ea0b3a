//! The life of one session, from registration to exit.

mod asking;
mod attempt;
pub(crate) mod backoff;
pub(crate) mod command;
mod context;
mod detour;
pub(crate) mod doing;
pub(crate) mod effect;
pub(crate) mod ended;
mod events;
mod heritage;
mod live;
pub(crate) mod login;
pub(crate) mod machine;
pub(crate) mod network;
pub(crate) mod remotes;
pub(crate) mod saved;
pub(crate) mod settings;
mod state;
pub(crate) mod status;
pub(crate) mod tally;
pub mod user_input;
pub(crate) mod verdict;

pub use self::command::{Accepted, Answer, Command, Confirmation, Refusal, Ticket};
pub use self::doing::Doing;
pub use self::effect::{Effect, Launch, Loaded, ProfileSource, Report, Summary};
pub use self::ended::EndClass;
pub use self::machine::{Output, Session};
pub use self::network::{Device, Step};
pub use self::remotes::{Family, Lookup};
pub use self::saved::Saved;
pub use self::status::{Status, StatusMajor, StatusMinor};
pub use self::tally::Tally;
pub use self::user_input::{Attention, CREDENTIALS, InputError, InputGroup, Question, Visibility};

pub use context::{Autonomy, Lifetime, Policy, ReadyWhen, Registration};

#[cfg(test)]
mod tests;
