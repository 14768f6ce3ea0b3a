//! `.ovpn` text to `Profile`, and pushed text to `PushedOptions`.

pub(crate) mod cipher_list;
pub(crate) mod dns;
pub mod document;
pub(crate) mod error;
pub(crate) mod identity;
pub(crate) mod interpret;
pub(crate) mod lexer;
pub(crate) mod model;
pub(crate) mod overrides;
pub(crate) mod proxy;
pub(crate) mod pushed;
mod redirect;
pub mod table;
mod transfer;
pub(crate) mod tunnel;
mod value;

pub use self::document::{differences_markdown, options_markdown, overrides_markdown, roff};
pub use self::error::{Note, Place, ProfileError};
pub use self::identity::ProfileIdentity;
pub use self::interpret::Examined;
pub use self::lexer::lex;
pub use self::model::{
    AddressFamily, DataOptions, DnsUse, Login, Material, Profile, Remote, RemoteOptions, Retry,
    Socket, TlsOptions, WrappingText,
};
pub use self::overrides::{BadOverride, OVERRIDES, Override, OverrideValue};
pub use self::proxy::{HttpAuth, HttpProxy, Proxy, SocksProxy};
pub use self::tunnel::TunnelOptions;
pub use value::BadValue;
