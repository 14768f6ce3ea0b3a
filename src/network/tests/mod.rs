//! The network set-up in network namespaces, with a real kernel.

mod bypass;
mod capture;
mod dns;
mod local;
mod monitor;
