//! The app control channel (`ACC`): messages in fragments, as text or base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::profile::pushed::CustomControl;

/// Why a message cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CannotSend {
    /// The server did not announce the protocol.
    #[error("the server does not speak this app control protocol")]
    Protocol,
    /// The server's longest message has no room for a payload, or it reads no encoding that fits.
    #[error("the server accepts no such app control message")]
    Encoding,
}

/// A fragment that breaks the format. The message it belongs to is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("malformed app control message")]
pub struct BadFragment;

/// Cuts `payload` into the control messages that carry it.
///
/// # Errors
///
/// [`CannotSend`] if the server reads no such message.
pub fn encode(
    server: &CustomControl,
    protocol: &str,
    payload: &[u8],
) -> Result<Vec<String>, CannotSend> {
    if !server.protocols.iter().any(|known| known == protocol) {
        return Err(CannotSend::Protocol);
    }
    let room = server
        .max_len
        .checked_sub(HEADER + protocol.len())
        .ok_or(CannotSend::Encoding)?;
    let text = std::str::from_utf8(payload)
        .ok()
        .filter(|text| server.text && !text.chars().any(char::is_control));
    let (flag, pieces) = match text {
        Some(text) => ('A', cut_text(text, room)),
        None if server.base64 => ('6', cut_base64(payload, room)),
        None => return Err(CannotSend::Encoding),
    };
    let pieces = pieces.ok_or(CannotSend::Encoding)?;
    let last = pieces.len().saturating_sub(1);
    let message = |(index, piece): (usize, String)| {
        let more = if index == last { "" } else { "F" };
        format!("ACC,{protocol},{},{flag}{more},{piece}", piece.len())
    };
    Ok(pieces.into_iter().enumerate().map(message).collect())
}

fn cut_text(text: &str, room: usize) -> Option<Vec<String>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while rest.len() > room {
        let end = (1..=room).rev().find(|end| rest.is_char_boundary(*end))?;
        let (piece, tail) = rest.split_at(end);
        pieces.push(piece.to_owned());
        rest = tail;
    }
    pieces.push(rest.to_owned());
    Some(pieces)
}

fn cut_base64(payload: &[u8], room: usize) -> Option<Vec<String>> {
    let room = (room * 6 / 8).checked_sub(1).filter(|room| *room > 0)?;
    if payload.is_empty() {
        return Some(vec![String::new()]);
    }
    Some(
        payload
            .chunks(room)
            .map(|piece| STANDARD.encode(piece))
            .collect(),
    )
}

/// Joins the fragments that the server sends.
#[derive(Debug, Default)]
pub struct Joiner {
    protocol: String,
    payload: Vec<u8>,
}

impl Joiner {
    /// Takes what follows `ACC,`. The answer is protocol and payload once the last fragment is there.
    ///
    /// # Errors
    ///
    /// [`BadFragment`]; fragments collected so far are gone then.
    pub fn join(&mut self, fragment: &str) -> Result<Option<(String, Vec<u8>)>, BadFragment> {
        let mut collected = std::mem::take(self);
        let parsed = Fragment::parse(fragment).ok_or(BadFragment)?;
        let fresh = collected.payload.is_empty();
        if !fresh && collected.protocol != parsed.protocol {
            return Err(BadFragment);
        }
        if collected.payload.len() + parsed.payload.len() > LONGEST {
            return Err(BadFragment);
        }
        collected.protocol = parsed.protocol;
        collected.payload.extend_from_slice(&parsed.payload);
        if parsed.more {
            *self = collected;
            return Ok(None);
        }
        Ok(Some((collected.protocol, collected.payload)))
    }
}

struct Fragment {
    protocol: String,
    payload: Vec<u8>,
    more: bool,
}

impl Fragment {
    /// Reads `protocol,len,flags,payload`.
    fn parse(fragment: &str) -> Option<Self> {
        let mut fields = fragment.splitn(4, ',');
        let protocol = fields.next().filter(|name| !name.is_empty())?.to_owned();
        let len: usize = fields.next()?.parse().ok()?;
        let flags = fields.next()?;
        let payload = fields.next().filter(|payload| payload.len() == len)?;
        let mut encoding = None;
        let mut more = false;
        for flag in flags.chars() {
            match flag {
                'A' | '6' if encoding.is_none() => encoding = Some(flag),
                'F' => more = true,
                _ => return None,
            }
        }
        let payload = match encoding? {
            'A' => payload.as_bytes().to_vec(),
            _ => STANDARD.decode(payload).ok()?,
        };
        Some(Self {
            protocol,
            payload,
            more,
        })
    }
}

/// `ACC,` and the separators, the length's digits and the flags.
const HEADER: usize = 4 + 2 + 4 + 5;
/// The longest message that is joined, in bytes.
const LONGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn server(max_len: usize, text: bool) -> CustomControl {
        CustomControl {
            max_len,
            base64: true,
            text,
            protocols: vec!["fortune".to_owned()],
        }
    }

    fn payload_of(fragment: &str) -> Result<Vec<u8>, BadFragment> {
        Joiner::default()
            .join(fragment)
            .map(|message| message.map(|(_, payload)| payload).unwrap_or_default())
    }

    #[test]
    fn a_short_text_is_one_message() {
        assert_eq!(
            encode(&server(2048, true), "fortune", b"I want a cookie!"),
            Ok(vec!["ACC,fortune,16,A,I want a cookie!".to_owned()])
        );
        assert_eq!(
            encode(&server(2048, true), "other", b""),
            Err(CannotSend::Protocol)
        );
        assert_eq!(
            encode(&server(10, true), "fortune", b"x"),
            Err(CannotSend::Encoding)
        );
    }

    #[test]
    fn base64_is_read_and_its_length_checked() {
        let body = "InsgIm1lIjogImZyb2ciLCAAeGZm/SJtc2ciOiAiSSBhbSAAS2VybWl0IiB9Ig==";
        assert_eq!(
            payload_of(&format!("fortune,64,6,{body}")).unwrap().len(),
            46
        );
        for bad in [
            format!("fortune,62,6,{body}"),
            format!("fortune,67,6,ABC{body}"),
            format!("fortune,64,Q,{body}"),
            "fortune,64,6".to_owned(),
            format!("fortune,64,F,{body}"),
            format!("fortune,64,A6,{body}"),
        ] {
            assert_eq!(payload_of(&bad), Err(BadFragment), "{bad}");
        }
    }

    #[test]
    fn fragments_of_two_protocols_do_not_mix() {
        let mut joiner = Joiner::default();
        assert_eq!(joiner.join("one,1,AF,x"), Ok(None));
        assert_eq!(joiner.join("two,1,A,y"), Err(BadFragment));
        assert_eq!(
            joiner.join("two,1,A,y"),
            Ok(Some(("two".to_owned(), b"y".to_vec())))
        );
    }

    proptest! {
        #[test]
        fn any_payload_arrives_whole_in_messages_of_bounded_length(
            payload in proptest::collection::vec(any::<u8>(), 0..600),
            words in "[a-z\u{e4}\u{20ac} ]{0,300}", max_len in 30..300_usize, text: bool,
        ) {
            for payload in [payload.as_slice(), words.as_bytes()] {
                let messages = encode(&server(max_len, text), "fortune", payload).unwrap();
                let mut joiner = Joiner::default();
                let mut joined = None;
                for message in messages {
                    prop_assert!(message.len() <= max_len);
                    prop_assert!(joined.is_none());
                    joined = joiner.join(message.strip_prefix("ACC,").unwrap()).unwrap();
                }
                prop_assert_eq!(joined, Some(("fortune".to_owned(), payload.to_vec())));
            }
        }

        #[test]
        fn no_fragment_makes_it_panic(fragment in ".*") {
            let _ = payload_of(&fragment);
        }
    }
}
