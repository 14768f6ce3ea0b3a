//! OpenVPN 3 Linux on D-Bus: objects, codes, error names, log signals, who may call, and proxies of the stock services.

pub mod administration;
pub mod announcer;
pub mod answers;
pub mod authorization;
pub mod configuration_manager;
pub mod error;
pub mod log_service;
pub mod log_signal;
pub mod members;
pub mod milestones;
pub mod object;
pub mod properties;
pub mod session_object;
pub mod starter_object;
pub mod status;

#[cfg(test)]
mod tests;
