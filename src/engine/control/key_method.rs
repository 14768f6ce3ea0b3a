//! The key-method-2 message, both directions.

use crate::secret::{Secret, SecretBytes, SecretText};

/// Our random share of the keys.
#[derive(Debug)]
pub struct ClientSource {
    /// The secret that both sides derive from.
    pub pre_master: Secret<48>,
    /// Mixed into the master secret.
    pub random1: Secret<32>,
    /// Mixed into the key block.
    pub random2: Secret<32>,
}

/// The server's random share of the keys.
#[derive(Debug)]
pub struct ServerSource {
    /// Mixed into the master secret.
    pub random1: Secret<32>,
    /// Mixed into the key block.
    pub random2: Secret<32>,
}

/// The texts of a message. Empty means absent.
#[derive(Debug, PartialEq, Eq)]
pub struct Texts {
    /// The options string.
    pub options: String,
    /// The user name.
    pub username: String,
    /// The password, or what stands in for it.
    pub password: SecretText,
    /// The lines of peer info.
    pub peer_info: String,
}

/// The server's whole message.
#[derive(Debug)]
pub struct ServerMessage {
    /// Its random share.
    pub source: ServerSource,
    /// Its options string.
    pub options: String,
}

/// The client's whole message, as a server reads it.
#[cfg(test)]
#[derive(Debug)]
pub struct ClientMessage {
    /// Its random share.
    pub source: ClientSource,
    /// What it says.
    pub texts: Texts,
}

/// The message breaks the format; the reason names the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKeyMessage(pub &'static str);

/// What we send: head, our random share, the texts.
#[must_use]
pub fn encode_client(source: &ClientSource, texts: &Texts) -> SecretBytes {
    let strings = [
        texts.options.as_str(),
        texts.username.as_str(),
        texts.password.expose(),
        texts.peer_info.as_str(),
    ];
    let len = HEAD.len() + 48 + 64 + strings.iter().map(|text| text.len() + 3).sum::<usize>();
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&HEAD);
    out.extend_from_slice(source.pre_master.expose());
    out.extend_from_slice(source.random1.expose());
    out.extend_from_slice(source.random2.expose());
    for text in strings {
        put_string(&mut out, text);
    }
    SecretBytes::new(out)
}

/// What a server sends. `peer_info` of `None`: it stops after the options string, as old servers do.
#[cfg(test)]
#[must_use]
pub fn encode_server(source: &ServerSource, options: &str, peer_info: Option<&str>) -> SecretBytes {
    let len = HEAD.len() + 64 + options.len() + peer_info.map_or(0, str::len) + 12;
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(&HEAD);
    out.extend_from_slice(source.random1.expose());
    out.extend_from_slice(source.random2.expose());
    put_string(&mut out, options);
    if let Some(peer_info) = peer_info {
        put_string(&mut out, "");
        put_string(&mut out, "");
        put_string(&mut out, peer_info);
    }
    SecretBytes::new(out)
}

/// Reads the server's message from the front of `plaintext`; the answer has the bytes it took. `None`: more is needed.
///
/// What follows the options string is optional: it is taken if it is there, and not waited for. A control message
/// behind it is told apart by its first byte, a letter.
///
/// # Errors
///
/// [`BadKeyMessage`] if the bytes can't become a message.
pub fn decode_server(plaintext: &[u8]) -> Result<Option<(ServerMessage, usize)>, BadKeyMessage> {
    let mut cursor = Cursor { rest: plaintext };
    if !cursor.head()? {
        return Ok(None);
    }
    let (Some(random1), Some(random2)) = (cursor.secret(), cursor.secret()) else {
        return Ok(None);
    };
    let Some(options) = cursor.string(LONGEST_OPTIONS, "the options string is too long")? else {
        return Ok(None);
    };
    let options = text(options, "the options string is not text")?;
    // Parts of it are shown.
    let options: String = options.chars().filter(|c| !c.is_control()).collect();
    for _name_password_and_peer_info in 0..3 {
        let follows = cursor.rest.first().is_some_and(|byte| *byte < b' ');
        if !follows
            || cursor
                .string(LONGEST_STRING, "a trailing string is too long")?
                .is_none()
        {
            break;
        }
    }
    let used = plaintext.len() - cursor.rest.len();
    let source = ServerSource { random1, random2 };
    Ok(Some((ServerMessage { source, options }, used)))
}

/// Reads a client's message from the front of `plaintext`; the answer has the bytes it took. `None`: more is needed.
///
/// # Errors
///
/// [`BadKeyMessage`] if the bytes can't become a message.
#[cfg(test)]
pub fn decode_client(plaintext: &[u8]) -> Result<Option<(ClientMessage, usize)>, BadKeyMessage> {
    let mut cursor = Cursor { rest: plaintext };
    if !cursor.head()? {
        return Ok(None);
    }
    let (Some(pre_master), Some(random1), Some(random2)) =
        (cursor.secret(), cursor.secret(), cursor.secret())
    else {
        return Ok(None);
    };
    let mut strings = [""; 4];
    for slot in &mut strings {
        let Some(value) = cursor.string(LONGEST_STRING, "a string is too long")? else {
            return Ok(None);
        };
        *slot = text(value, "a string is not text")?;
    }
    let [options, username, password, peer_info] = strings;
    let used = plaintext.len() - cursor.rest.len();
    let source = ClientSource {
        pre_master,
        random1,
        random2,
    };
    let texts = Texts {
        options: options.to_owned(),
        username: username.to_owned(),
        password: SecretText::from(password),
        peer_info: peer_info.to_owned(),
    };
    Ok(Some((ClientMessage { source, texts }, used)))
}

fn put_string(out: &mut Vec<u8>, text: &str) {
    // The callers' texts are bounded far below; a longer one is cut rather than breaking the format.
    let mut end = text.len().min(LONGEST_STRING - 1);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    let len = if kept.is_empty() { 0 } else { kept.len() + 1 };
    out.extend_from_slice(&u16::try_from(len).unwrap_or_default().to_be_bytes());
    if !kept.is_empty() {
        out.extend_from_slice(kept.as_bytes());
        out.push(0);
    }
}

fn text<'a>(bytes: &'a [u8], why: &'static str) -> Result<&'a str, BadKeyMessage> {
    std::str::from_utf8(bytes).map_err(|_| BadKeyMessage(why))
}

/// Moves forward over plaintext of which the end may still be missing.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Checks the five bytes of the head; `false`: not all are there.
    fn head(&mut self) -> Result<bool, BadKeyMessage> {
        let Some((head, rest)) = self.rest.split_first_chunk::<5>() else {
            return Ok(false);
        };
        self.rest = rest;
        if head[4] & 0x0f == 2 {
            Ok(true)
        } else {
            Err(BadKeyMessage("the key method is not 2"))
        }
    }

    fn secret<const N: usize>(&mut self) -> Option<Secret<N>> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(Secret::new(*bytes))
    }

    /// The next string without its NUL; `None`: not all of it is there, and nothing was taken.
    fn string(
        &mut self,
        limit: usize,
        why: &'static str,
    ) -> Result<Option<&'a [u8]>, BadKeyMessage> {
        let Some((len, rest)) = self.rest.split_first_chunk::<2>() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes(*len));
        if len > limit {
            return Err(BadKeyMessage(why));
        }
        let Some((value, rest)) = rest.split_at_checked(len) else {
            return Ok(None);
        };
        self.rest = rest;
        Ok(Some(value.strip_suffix(b"\0").unwrap_or(value)))
    }
}

/// Four zero bytes and the key method.
const HEAD: [u8; 5] = [0, 0, 0, 0, 2];
/// What we accept of a server's options string; OpenVPN's own limit is 512.
const LONGEST_OPTIONS: usize = 2048;
/// What we accept of any other string. It stays below what the first byte of a control message would mean.
const LONGEST_STRING: usize = 8191;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server_source() -> ServerSource {
        ServerSource {
            random1: Secret::new([3; 32]),
            random2: Secret::new([4; 32]),
        }
    }

    fn client_source() -> ClientSource {
        ClientSource {
            pre_master: Secret::new([0; 48]),
            random1: Secret::new([1; 32]),
            random2: Secret::new([2; 32]),
        }
    }

    #[test]
    fn an_old_server_stops_after_the_options_and_its_next_message_is_left_alone() {
        let mut bytes = encode_server(&server_source(), "V4,tls-server", None)
            .expose()
            .to_vec();
        let message_len = bytes.len();
        bytes.extend_from_slice(b"PUSH_REPLY\0");
        let (message, used) = decode_server(&bytes).unwrap().unwrap();
        assert_eq!(used, message_len);
        assert_eq!(message.options, "V4,tls-server");
        assert_eq!(message.source.random2.expose(), &[4; 32]);
    }

    #[test]
    fn a_newer_server_sends_its_peer_info_too() {
        let mut bytes = encode_server(&server_source(), "V4", Some("IV_VER=2.6\n"))
            .expose()
            .to_vec();
        let message_len = bytes.len();
        bytes.extend_from_slice(b"AUTH_PENDING\0");
        let (message, used) = decode_server(&bytes).unwrap().unwrap();
        assert_eq!(used, message_len, "it is skipped");
        assert_eq!(message.options, "V4");
    }

    #[test]
    fn an_empty_string_may_be_a_single_nul() {
        let mut bytes = encode_server(&server_source(), "V4", None)
            .expose()
            .to_vec();
        bytes.extend_from_slice(&[0, 1, 0, 0, 1, 0, 0, 3, b'a', b'b', 0]);
        let (_, used) = decode_server(&bytes).unwrap().unwrap();
        assert_eq!(used, bytes.len());
    }

    #[test]
    fn an_options_string_that_would_steer_a_terminal_cannot() {
        let bytes = encode_server(&server_source(), "V4,cipher \u{1b}[31mX\n", None);
        let (message, _) = decode_server(bytes.expose()).unwrap().unwrap();
        assert_eq!(message.options, "V4,cipher [31mX");
    }

    #[test]
    fn a_text_beyond_all_limits_is_cut_between_characters() {
        let texts = Texts {
            options: String::new(),
            username: "\u{e9}".repeat(5000),
            password: SecretText::from("secret"),
            peer_info: String::new(),
        };
        let bytes = encode_client(&client_source(), &texts);
        let (message, used) = decode_client(bytes.expose()).unwrap().unwrap();
        assert_eq!(used, bytes.expose().len());
        assert_eq!(message.texts.username.len(), 8190);
        assert_eq!(message.texts.password, texts.password);
    }

    #[test]
    fn another_key_method_is_refused() {
        assert!(decode_server(&[0, 0, 0, 0, 1]).is_err());
    }

    #[test]
    fn an_endless_options_string_is_refused_at_once() {
        let mut bytes = HEAD.to_vec();
        bytes.extend_from_slice(&[0; 64]);
        bytes.extend_from_slice(&[0xff, 0xff]);
        assert!(decode_server(&bytes).is_err());
    }

    proptest! {
        #[test]
        fn a_client_message_survives_a_round_trip(
            options in "[ -~]{0,200}", username in "[^\\x00]{0,60}",
            password in "[^\\x00]{0,60}", peer_info in "[ -~\n]{0,200}", tail in "[A-Z]{0,9}",
        ) {
            let texts = Texts { options, username, password: SecretText::new(password), peer_info };
            let mut bytes = encode_client(&client_source(), &texts).expose().to_vec();
            let whole = bytes.len();
            for cut in [0, 5, 60, whole - 1] {
                prop_assert!(decode_client(&bytes[..cut]).unwrap().is_none());
            }
            bytes.extend_from_slice(tail.as_bytes());
            let (message, used) = decode_client(&bytes).unwrap().unwrap();
            prop_assert_eq!(used, whole);
            prop_assert_eq!(message.texts, texts);
            prop_assert_eq!(message.source.random1.expose(), &[1; 32]);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut framed = HEAD.to_vec();
            framed.extend_from_slice(&bytes);
            for candidate in [&bytes, &framed] {
                if let Ok(Some((_, used))) = decode_server(candidate) {
                    prop_assert!(used <= candidate.len());
                }
                let _ = decode_client(candidate);
            }
        }
    }
}
