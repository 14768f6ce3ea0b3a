//! `.ovpn` text to `Profile`, and pushed text to `PushedOptions`.

pub mod dns;
pub mod error;
pub mod interpret;
pub mod lexer;
pub mod model;
pub mod pushed;
pub mod table;
pub mod tunnel;
