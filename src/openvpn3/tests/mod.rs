//! The objects on a bus that the tests play.

mod administrator;
mod registration;
mod session;
