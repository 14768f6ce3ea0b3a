//! The life of one session, from registration to exit.

mod asking;
mod attempt;
pub mod backoff;
pub mod command;
mod context;
mod detour;
pub mod doing;
pub mod effect;
pub mod ended;
mod events;
mod heritage;
mod live;
pub mod login;
pub mod machine;
pub mod network;
pub mod remotes;
pub mod saved;
pub mod settings;
mod state;
pub mod status;
pub mod tally;
pub mod user_input;
pub mod verdict;

pub use context::{Autonomy, Lifetime, Policy, ReadyWhen, Registration};

#[cfg(test)]
mod tests;
