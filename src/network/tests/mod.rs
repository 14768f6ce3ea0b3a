//! The network set-up in network namespaces, with a real kernel.

mod bypass;
mod capture;
mod dns;
mod kill_switch;
mod local;
mod monitor;
