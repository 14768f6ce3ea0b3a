//! Everything that is tested from outside of the library, in one program.

mod administrator;
mod bus;
mod corpus;
mod dbus;
mod files;
mod manual;
mod netcfg;
mod packages;
mod pitfalls;
mod profiles;
mod readme;
mod registration;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "it looks for one event among many"
)]
mod sim;
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test looks for one event among many"
)]
mod simulation;
mod starter;
