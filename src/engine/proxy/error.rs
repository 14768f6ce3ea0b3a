//! Why the way through a proxy does not open.

use thiserror::Error;

use crate::error::{ConnectionError, ProxyKind};

/// Why the way through a proxy does not open.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// The proxy demands a login, and there is none.
    #[error("HTTP proxy requires credentials")]
    CredentialsNeeded,
    /// The proxy refused the login.
    #[error("HTTP proxy credentials were not accepted")]
    CredentialsRefused,
    /// What was heard is not what such a proxy says.
    #[error("what answers there is no such proxy: {0}")]
    Malformed(&'static str),
    /// The proxy demands a login in a way that we cannot or may not use.
    #[error("the proxy demands a login ({offered}), and the profile allows none of these methods")]
    NoCommonMethod {
        /// The methods that it offers, printable.
        offered: String,
    },
    /// The HTTP proxy refuses with this status.
    #[error("the HTTP proxy refuses: {status} {reason}")]
    Refused {
        /// The three digits.
        status: u16,
        /// Its words, printable.
        reason: String,
    },
    /// The SOCKS proxy refuses with this code.
    #[error("the SOCKS proxy refuses: {}", said(.0))]
    RefusedSocks(u8),
    /// The SOCKS proxy demands a login, and there is none.
    #[error("SOCKS proxy requires credentials")]
    SocksLoginNeeded,
    /// The SOCKS proxy refused the login.
    #[error("SOCKS proxy credentials were not accepted")]
    SocksLoginRefused,
    /// We cannot ask it for that.
    #[error("{0}")]
    Unusable(&'static str),
}

impl ProxyError {
    /// Whether the next attempt may fare better with nobody doing anything about it.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Malformed(_) => true,
            Self::Refused { status, .. } => matches!(status, 404 | 502 | 503 | 504),
            Self::RefusedSocks(code) => {
                !matches!(*code, NOT_ALLOWED | NO_SUCH_COMMAND | NO_SUCH_TYPE)
            }
            Self::CredentialsNeeded
            | Self::CredentialsRefused
            | Self::NoCommonMethod { .. }
            | Self::SocksLoginNeeded
            | Self::SocksLoginRefused
            | Self::Unusable(_) => false,
        }
    }
}

impl From<ProxyError> for ConnectionError {
    fn from(error: ProxyError) -> Self {
        let wanted = match error {
            ProxyError::CredentialsNeeded => Some((ProxyKind::Http, false)),
            ProxyError::CredentialsRefused => Some((ProxyKind::Http, true)),
            ProxyError::SocksLoginNeeded => Some((ProxyKind::Socks, false)),
            ProxyError::SocksLoginRefused => Some((ProxyKind::Socks, true)),
            ProxyError::Malformed(_)
            | ProxyError::NoCommonMethod { .. }
            | ProxyError::Refused { .. }
            | ProxyError::RefusedSocks(_)
            | ProxyError::Unusable(_) => None,
        };
        if let Some((kind, refused)) = wanted {
            Self::ProxyCredentials { kind, refused }
        } else if error.is_passing() {
            Self::Transport(error.to_string())
        } else {
            Self::ProxyRefused(error.to_string())
        }
    }
}

/// What a reply's code says (RFC 1928, section 6).
const fn said(code: &u8) -> &'static str {
    match *code {
        NOT_ALLOWED => "its rules do not allow this connection",
        3 => "it does not reach the server's network",
        4 => "it does not reach the server",
        5 => "the server refused the connection",
        6 => "the server is too far away",
        NO_SUCH_COMMAND => "it cannot carry this protocol (UDP needs UDP ASSOCIATE)",
        NO_SUCH_TYPE => "it does not take this kind of address",
        _ => "it failed",
    }
}

const NOT_ALLOWED: u8 = 2;
const NO_SUCH_COMMAND: u8 = 7;
const NO_SUCH_TYPE: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_will_not_ends_it() {
        let http = |status| ProxyError::Refused {
            status,
            reason: String::new(),
        };
        for passing in [http(502), http(503), http(504), ProxyError::RefusedSocks(5)] {
            let error = ConnectionError::from(passing);
            assert!(matches!(error, ConnectionError::Transport(_)), "{error:?}");
        }
        for lasting in [http(403), http(400), ProxyError::RefusedSocks(2)] {
            let error = ConnectionError::from(lasting);
            assert!(
                matches!(error, ConnectionError::ProxyRefused(_)),
                "{error:?}"
            );
        }
    }
}
