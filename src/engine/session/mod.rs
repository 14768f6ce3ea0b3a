//! The life of one session, from registration to exit.

mod active;
pub(crate) mod activity;
mod attempt;
pub(crate) mod backoff;
mod context;
pub(crate) mod effect;
pub(crate) mod event_counters;
mod events;
pub(crate) mod exit_class;
pub(crate) mod login;
pub(crate) mod machine;
pub(crate) mod network;
mod own_certificate;
mod proxy_setup;
mod questions;
pub(crate) mod remotes;
pub(crate) mod request;
pub(crate) mod saved;
pub(crate) mod scope;
pub(crate) mod settings;
mod state;
pub(crate) mod status;
mod takeover;
pub(crate) mod tunnel;
pub mod user_input;
pub(crate) mod verdict;

pub use self::activity::Activity;
pub use self::effect::{Effect, Gateways, Loaded, Report, Summary};
pub use self::event_counters::EventCounters;
pub use self::exit_class::ExitClass;
pub use self::machine::{Output, Session};
pub use self::network::{Device, Step};
pub use self::remotes::{Family, Lookup};
pub use self::request::{Answer, Refusal, Request};
pub use self::saved::{Saved, SavedError};
pub use self::scope::{Failure, Patience, Row, Scope, TABLE as FAILURES};
pub use self::status::{Status, printable};
pub use self::tunnel::{Attempt, AttemptId, TunnelOrder, TunnelReport};
pub use self::user_input::{Attention, CREDENTIALS, InputError, InputGroup, Question, Visibility};

pub use context::{Autonomy, Known, Lifetime, Policy, ReadyWhen, Registration};

#[cfg(test)]
mod tests;
