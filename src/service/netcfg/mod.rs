//! `Applied`: a plan put in force, and how to take it back.

pub mod dns;
pub mod local;
pub mod remote;
pub mod resolv_conf;
