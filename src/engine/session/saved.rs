//! What outlives the process, as versioned bytes; never a usable data key.

use std::net::SocketAddr;

use thiserror::Error;

use super::super::event::AuthToken;
use super::super::profile::identity::ProfileIdentity;
use super::super::secret::{SecretBytes, SecretText};

/// What outlives the process: enough to come back to the same server without asking anybody. No key is among it: a
/// process that comes back negotiates anew, so that no nonce can repeat.
#[derive(Debug, PartialEq, Eq)]
pub struct Saved {
    /// Whose login it is; of no use to another profile.
    pub profile: ProfileIdentity,
    /// The server that we were authenticated by last.
    pub server: Option<SavedServer>,
    /// The user name that was given.
    pub username: Option<String>,
    /// The password that was given, unless the profile or the server wants it forgotten.
    pub password: Option<SecretText>,
    /// The token that the server gave.
    pub token: Option<AuthToken>,
}

/// A server that has authenticated us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedServer {
    /// The host as the profile names it.
    pub host: String,
    /// Its address.
    pub address: SocketAddr,
}

/// Why bytes are no saved session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SavedError {
    /// They end within a field, or a field holds what it cannot.
    #[error("the saved session is damaged")]
    Damaged,
    /// They are something else, or of another version.
    #[error("the saved session is of another version")]
    Version,
}

impl Saved {
    /// Nothing is known of the login of this profile.
    #[must_use]
    pub const fn nothing(profile: ProfileIdentity) -> Self {
        Self {
            profile,
            server: None,
            username: None,
            password: None,
            token: None,
        }
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> SecretBytes {
        let mut fields: Vec<(u8, &[u8])> = Vec::with_capacity(6);
        let address = self.server.as_ref().map(|it| it.address.to_string());
        if let (Some(server), Some(address)) = (&self.server, &address) {
            fields.push((HOST, server.host.as_bytes()));
            fields.push((ADDRESS, address.as_bytes()));
        }
        if let Some(username) = &self.username {
            fields.push((USERNAME, username.as_bytes()));
        }
        if let Some(password) = &self.password {
            fields.push((PASSWORD, password.expose().as_bytes()));
        }
        if let Some(token) = &self.token {
            fields.push((TOKEN, token.token.expose().as_bytes()));
            if let Some(username) = &token.username {
                fields.push((TOKEN_USERNAME, username.as_bytes()));
            }
        }
        let size = HEAD.len()
            + ProfileIdentity::LEN
            + fields.iter().map(|(_, it)| 5 + it.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(HEAD);
        bytes.extend_from_slice(self.profile.as_bytes());
        for (tag, content) in fields {
            bytes.push(tag);
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(content);
        }
        SecretBytes::new(bytes)
    }

    /// Reads the bytes of this version. Fields that are unknown here are left out.
    ///
    /// # Errors
    ///
    /// [`SavedError`]; the session begins afresh then.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SavedError> {
        let rest = bytes.strip_prefix(HEAD).ok_or(SavedError::Version)?;
        let (profile, mut rest) = rest.split_first_chunk().ok_or(SavedError::Damaged)?;
        let mut saved = Self::nothing(ProfileIdentity::from_bytes(*profile));
        let mut host = None;
        let mut address = None;
        let mut token = None;
        let mut token_username = None;
        while let Some(Field {
            tag,
            content,
            after,
        }) = Field::first(rest)?
        {
            let text = || std::str::from_utf8(content).map_err(|_| SavedError::Damaged);
            match tag {
                HOST => host = Some(text()?.to_owned()),
                ADDRESS => address = Some(text()?.parse().map_err(|_| SavedError::Damaged)?),
                USERNAME => saved.username = Some(text()?.to_owned()),
                PASSWORD => saved.password = Some(SecretText::from(text()?)),
                TOKEN => token = Some(SecretText::from(text()?)),
                TOKEN_USERNAME => token_username = Some(text()?.to_owned()),
                _ => {}
            }
            rest = after;
        }
        saved.server = host
            .zip(address)
            .map(|(host, address)| SavedServer { host, address });
        saved.token = token.map(|token| AuthToken {
            username: token_username,
            token,
        });
        Ok(saved)
    }
}

/// One field of the bytes.
struct Field<'a> {
    tag: u8,
    content: &'a [u8],
    after: &'a [u8],
}

impl<'a> Field<'a> {
    /// The first field of the bytes. `None`: there is none.
    fn first(bytes: &'a [u8]) -> Result<Option<Self>, SavedError> {
        let Some((tag, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let (length, rest) = rest.split_first_chunk().ok_or(SavedError::Damaged)?;
        let length = u32::from_be_bytes(*length);
        let length = usize::try_from(length).map_err(|_| SavedError::Damaged)?;
        let (content, after) = rest.split_at_checked(length).ok_or(SavedError::Damaged)?;
        Ok(Some(Self {
            tag: *tag,
            content,
            after,
        }))
    }
}

/// What the bytes begin with; the last is the version.
const HEAD: &[u8] = b"OV3S\x02";
const HOST: u8 = 1;
const ADDRESS: u8 = 2;
const USERNAME: u8 = 3;
const PASSWORD: u8 = 4;
const TOKEN: u8 = 5;
const TOKEN_USERNAME: u8 = 6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROFILE: [u8; ProfileIdentity::LEN] = [7; ProfileIdentity::LEN];

    fn secret() -> impl Strategy<Value = Option<SecretText>> {
        proptest::option::of(".{0,40}".prop_map(SecretText::new))
    }

    proptest! {
        #[test]
        fn what_is_saved_comes_back(
            profile in any::<[u8; ProfileIdentity::LEN]>(),
            host in proptest::option::of(".{1,40}"),
            address in any::<(std::net::IpAddr, u16)>(),
            username in proptest::option::of(".{0,40}"),
            password in secret(),
            token in secret(),
            token_username in proptest::option::of(".{0,40}"),
        ) {
            let saved = Saved {
                profile: ProfileIdentity::from_bytes(profile),
                server: host.map(|host| SavedServer { host, address: address.into() }),
                username,
                password,
                token: token.map(|token| AuthToken { username: token_username, token }),
            };
            prop_assert_eq!(Saved::from_bytes(saved.to_bytes().expose()), Ok(saved));
        }

        #[test]
        fn no_bytes_are_too_strange(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(Saved::from_bytes(&bytes));
            bytes.splice(0..0, HEAD.iter().copied().chain(PROFILE));
            drop(Saved::from_bytes(&bytes));
        }
    }

    #[test]
    fn another_version_is_not_read() {
        for bytes in [&b"OV3S\x01"[..], b"OV3S\x03", b""] {
            assert_eq!(Saved::from_bytes(bytes), Err(SavedError::Version));
        }
    }

    #[test]
    fn what_ends_early_is_not_read() {
        let field: &[u8] = b"\x01\0\0\0\x09short";
        for bytes in [HEAD.to_vec(), [HEAD, &PROFILE, field].concat()] {
            assert_eq!(Saved::from_bytes(&bytes), Err(SavedError::Damaged));
        }
    }

    #[test]
    fn unknown_fields_are_left_out() {
        let mut bytes = Saved {
            username: Some("alice".to_owned()),
            ..Saved::nothing(ProfileIdentity::from_bytes(PROFILE))
        }
        .to_bytes()
        .expose()
        .to_vec();
        bytes.extend_from_slice(b"\xf0\0\0\0\x02xy");
        let saved = Saved::from_bytes(&bytes).expect("a later version may add fields");
        assert_eq!(saved.username.as_deref(), Some("alice"));
    }
}
