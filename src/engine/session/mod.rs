//! The life of one session, from registration to exit.

pub mod backoff;
pub mod command;
pub mod effect;
pub mod ended;
pub mod login;
pub mod machine;
pub mod network;
pub mod remotes;
pub mod saved;
pub mod state;
pub mod status;
pub mod user_input;
