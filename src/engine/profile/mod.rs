//! `.ovpn` text to `Profile`, and pushed text to `PushedOptions`.

pub mod cipher_list;
pub mod dns;
pub mod document;
pub mod error;
pub mod interpret;
pub mod lexer;
pub mod model;
pub mod overrides;
pub mod proxy;
pub mod pushed;
mod redirect;
pub mod table;
mod transfer;
pub mod tunnel;
mod value;

pub use interpret::Examined;
pub use value::BadValue;
