//! SOCKS5: greeting, login, and the request for a connection or a relay (RFC 1928, RFC 1929).

use std::net::{IpAddr, SocketAddr};

use super::{Opened, ProxyError, Step, known};
use crate::profile::model::Login;
use crate::secret::SecretBytes;

/// What the proxy is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish<'a> {
    /// A relay for datagrams.
    Associate,
    /// A TCP connection to this host and port; the proxy resolves the name.
    Connect(&'a str, u16),
}

/// Our side of the conversation.
#[derive(Debug)]
pub struct Client {
    state: State,
    request: Vec<u8>,
    login: Option<SecretBytes>,
    heard: Vec<u8>,
}

/// What we wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Which method the proxy chooses.
    Method,
    /// Whether it lets us in.
    Login,
    /// What it says to the request.
    Reply,
}

impl Client {
    /// A conversation that has not begun.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Unusable`] if a name is longer than the protocol has room for.
    pub fn new(requested: Wish<'_>, login: Option<&Login>) -> Result<Self, ProxyError> {
        Ok(Self {
            state: State::Method,
            request: request(requested)?,
            login: known(login).map(login_message).transpose()?,
            heard: Vec::new(),
        })
    }

    /// The greeting, on a fresh connection.
    pub fn begin(&mut self) -> SecretBytes {
        self.state = State::Method;
        self.heard.clear();
        SecretBytes::new(match self.login {
            Some(_) => vec![VERSION, 2, NO_LOGIN, USER_PASSWORD],
            None => vec![VERSION, 1, NO_LOGIN],
        })
    }

    /// Takes what was heard.
    ///
    /// # Errors
    ///
    /// Why the way does not open.
    pub fn hear(&mut self, bytes: &[u8]) -> Result<Step, ProxyError> {
        self.heard.extend_from_slice(bytes);
        match self.state {
            State::Method => match self.take_two(VERSION)? {
                None => Ok(Step::Listen),
                Some(NO_LOGIN) => Ok(self.ask()),
                Some(USER_PASSWORD) => {
                    let login = self.login.as_ref().ok_or(ProxyError::SocksLoginNeeded)?;
                    self.state = State::Login;
                    Ok(Step::Say(login.duplicate()))
                }
                Some(_) if self.login.is_none() => Err(ProxyError::SocksLoginNeeded),
                Some(_) => Err(ProxyError::NoCommonMethod {
                    offered: "neither none nor user name and password".to_owned(),
                }),
            },
            State::Login => match self.take_two(LOGIN_VERSION)? {
                None => Ok(Step::Listen),
                Some(0) => Ok(self.ask()),
                Some(_) => Err(ProxyError::SocksLoginRefused),
            },
            State::Reply => self.reply(),
        }
    }

    fn ask(&mut self) -> Step {
        self.state = State::Reply;
        Step::Say(SecretBytes::new(self.request.clone()))
    }

    /// The second byte of an answer of two. Anything behind it would be an answer to what was not asked yet.
    fn take_two(&mut self, version: u8) -> Result<Option<u8>, ProxyError> {
        match *self.heard {
            [] => Ok(None),
            [first, ..] if first != version => Err(ProxyError::Malformed("not SOCKS version 5")),
            [_] => Ok(None),
            [_, second] => {
                self.heard.clear();
                Ok(Some(second))
            }
            [_, _, ..] => Err(ProxyError::Malformed("it answers more than was asked")),
        }
    }

    fn reply(&mut self) -> Result<Step, ProxyError> {
        let [version, code, _, kind, rest @ ..] = self.heard.as_slice() else {
            return match *self.heard {
                // Some proxies send no more than this when they refuse.
                [VERSION, code, ..] if code != 0 => Err(ProxyError::RefusedSocks(code)),
                _ => Ok(Step::Listen),
            };
        };
        if *version != VERSION {
            return Err(ProxyError::Malformed("not SOCKS version 5"));
        }
        if *code != 0 {
            return Err(ProxyError::RefusedSocks(*code));
        }
        let (address, length) = match (*kind, rest) {
            (IPV4, _) => (rest.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)), 4),
            (IPV6, _) => (
                rest.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
                16,
            ),
            // A name is no place to send datagrams to; for a connection it does not matter.
            (NAME, [length, ..]) => (None, 1 + usize::from(*length)),
            (NAME, []) => return Ok(Step::Listen),
            _ => return Err(ProxyError::Malformed("a kind of address that is none")),
        };
        let Some((port, rest)) = rest.get(length..).and_then(<[u8]>::split_first_chunk::<2>) else {
            return Ok(Step::Listen);
        };
        let port = u16::from_be_bytes(*port);
        Ok(Step::Open(Opened {
            relay: address.map(|address| SocketAddr::new(address, port)),
            rest: rest.to_vec(),
        }))
    }
}

fn request(requested: Wish<'_>) -> Result<Vec<u8>, ProxyError> {
    let (command, address, port) = match requested {
        Wish::Associate => (ASSOCIATE, vec![IPV4, 0, 0, 0, 0], 0),
        Wish::Connect(host, port) => (CONNECT, typed(host)?, port),
    };
    Ok([
        [VERSION, command, 0].as_slice(),
        &address,
        &port.to_be_bytes(),
    ]
    .concat())
}

fn typed(host: &str) -> Result<Vec<u8>, ProxyError> {
    Ok(match host.parse() {
        Ok(IpAddr::V4(address)) => [[IPV4].as_slice(), &address.octets()].concat(),
        Ok(IpAddr::V6(address)) => [[IPV6].as_slice(), &address.octets()].concat(),
        Err(_) => {
            let length = u8::try_from(host.len()).map_err(|_| {
                ProxyError::Unusable("the server's name is too long for a SOCKS proxy")
            })?;
            [[NAME, length].as_slice(), host.as_bytes()].concat()
        }
    })
}

/// The message of RFC 1929.
fn login_message((username, password): (&str, &str)) -> Result<SecretBytes, ProxyError> {
    let length = |text: &str| {
        u8::try_from(text.len()).map_err(|_| {
            ProxyError::Unusable(
                "user name and password for a SOCKS proxy have at most 255 bytes each",
            )
        })
    };
    let lengths = (length(username)?, length(password)?);
    let mut message = Vec::with_capacity(3 + username.len() + password.len());
    message.extend_from_slice(&[LOGIN_VERSION, lengths.0]);
    message.extend_from_slice(username.as_bytes());
    message.push(lengths.1);
    message.extend_from_slice(password.as_bytes());
    Ok(SecretBytes::new(message))
}

const VERSION: u8 = 5;
const LOGIN_VERSION: u8 = 1;
const NO_LOGIN: u8 = 0;
const USER_PASSWORD: u8 = 2;
const CONNECT: u8 = 1;
const ASSOCIATE: u8 = 3;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::login;
    use super::*;

    fn said(step: Result<Step, ProxyError>) -> Vec<u8> {
        match step {
            Ok(Step::Say(bytes)) => bytes.expose().to_vec(),
            other => panic!("it said nothing: {other:?}"),
        }
    }

    fn opened(step: Result<Step, ProxyError>) -> Opened {
        match step {
            Ok(Step::Open(opened)) => opened,
            other => panic!("it is not open: {other:?}"),
        }
    }

    fn connect() -> Client {
        Client::new(Wish::Connect("vpn.example", 1194), None).unwrap()
    }

    #[test]
    fn a_connection_is_asked_for_by_name_and_what_follows_is_the_servers() {
        let mut client = connect();
        assert_eq!(client.begin().expose(), [5, 1, 0]);
        let request = said(client.hear(&[5, 0]));
        assert_eq!(request, b"\x05\x01\x00\x03\x0bvpn.example\x04\xaa");
        assert!(matches!(
            client.hear(&[5, 0, 0, 1, 192, 0]),
            Ok(Step::Listen)
        ));
        let opened = opened(client.hear(b"\x02\x01\x04\xaahello"));
        assert_eq!(opened.rest, b"hello");
    }

    #[test]
    fn an_address_is_asked_for_as_an_address() {
        let mut client = Client::new(Wish::Connect("2001:db8::1", 443), None).unwrap();
        client.begin();
        let request = said(client.hear(&[5, 0]));
        assert_eq!(request[..6], [5, 1, 0, 4, 0x20, 0x01]);
        assert_eq!(request.len(), 22);
    }

    #[test]
    fn a_relay_is_told_with_either_kind_of_address() {
        let mut client = Client::new(Wish::Associate, None).unwrap();
        client.begin();
        assert_eq!(said(client.hear(&[5, 0])), [5, 3, 0, 1, 0, 0, 0, 0, 0, 0]);
        let v4 = opened(client.hear(&[5, 0, 0, 1, 192, 0, 2, 9, 0x10, 0]));
        assert_eq!(v4.relay, Some(SocketAddr::from(([192, 0, 2, 9], 4096))));
        client.begin();
        client.hear(&[5, 0]).unwrap();
        let reply = [&[5, 0, 0, 4], [0; 15].as_slice(), &[1, 0x10, 0]].concat();
        let v6 = opened(client.hear(&reply));
        assert_eq!(v6.relay, Some("[::1]:4096".parse().unwrap()));
    }

    #[test]
    fn a_login_is_said_where_it_is_wanted() {
        let mut client = Client::new(Wish::Associate, Some(&login("alice", "secret"))).unwrap();
        assert_eq!(client.begin().expose(), [5, 2, 0, 2]);
        assert_eq!(said(client.hear(&[5, 2])), b"\x01\x05alice\x06secret");
        assert_eq!(said(client.hear(&[1, 0]))[..2], [5, 3]);
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        let after_greeting = |bytes: &[u8], login: Option<&Login>| {
            let mut client = Client::new(Wish::Associate, login).unwrap();
            client.begin();
            client.hear(bytes).unwrap_err()
        };
        let alice = login("alice", "secret");
        assert_eq!(
            after_greeting(&[5, 0xff], None),
            ProxyError::SocksLoginNeeded
        );
        assert_eq!(after_greeting(&[5, 2], None), ProxyError::SocksLoginNeeded);
        assert!(matches!(
            after_greeting(&[5, 0xff], Some(&alice)),
            ProxyError::NoCommonMethod { .. }
        ));
        assert!(matches!(
            after_greeting(b"HTTP", None),
            ProxyError::Malformed(_)
        ));
        let mut client = Client::new(Wish::Associate, Some(&alice)).unwrap();
        client.begin();
        client.hear(&[5, 2]).unwrap();
        assert_eq!(
            client.hear(&[1, 1]).unwrap_err(),
            ProxyError::SocksLoginRefused
        );
        let mut client = connect();
        client.begin();
        client.hear(&[5, 0]).unwrap();
        assert_eq!(
            client.hear(&[5, 5]).unwrap_err(),
            ProxyError::RefusedSocks(5)
        );
    }

    #[test]
    fn what_is_too_long_for_the_protocol_is_refused_before_anything_is_said() {
        let long = "x".repeat(256);
        assert!(Client::new(Wish::Connect(&long, 1), None).is_err());
        assert!(Client::new(Wish::Associate, Some(&login(&long, "x"))).is_err());
        assert!(Client::new(Wish::Associate, Some(&login("x", &long))).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            heard in proptest::collection::vec(proptest::collection::vec(0_u8..8, 0..12), 0..6)
        ) {
            let mut client = Client::new(Wish::Associate, Some(&login("a", "b"))).unwrap();
            client.begin();
            for bytes in heard {
                if client.hear(&bytes).is_err() {
                    break;
                }
            }
        }
    }
}
