//! Everything that is tested from outside of the library, in one program.

mod bus;
mod corpus;
mod dbus;
mod files;
mod starter;
