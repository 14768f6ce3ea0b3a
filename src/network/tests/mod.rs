//! The network set-up in network namespaces, with a real kernel.

mod bypass;
mod dns;
mod local;
mod monitor;
