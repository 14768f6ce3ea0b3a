//! The impure half: everything that touches the world, and decides nothing.

pub mod about;
pub mod administrate;
pub mod backend;
pub mod changes;
pub mod check;
pub mod cli;
pub mod dbus;
pub mod effects;
pub mod foreground_record;
pub mod kept_device;
pub mod kept_session;
pub mod kill_switch;
pub mod log;
pub mod managed;
pub mod manual;
pub mod netcfg;
pub mod profile;
pub mod profile_copy;
pub mod resolve;
pub mod run;
mod set_up;
pub mod signals;
pub mod standalone;
pub mod starter;
pub mod systemd;
pub mod terminal;
pub mod tunnel;
