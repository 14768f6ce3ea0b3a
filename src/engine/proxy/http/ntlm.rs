//! NTLM, version 2: the three messages, of which two are ours ([MS-NLMP]).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use md4::{Digest as _, Md4};
use md5::Md5;
use zeroize::Zeroizing;

/// What the proxy asks in its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    challenge: [u8; 8],
    target_info: Vec<u8>,
}

/// What makes an answer unlike any other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh {
    pub(super) nonce: [u8; 8],
    /// Seconds since 1970.
    pub(super) unix_seconds: u64,
}

impl Question {
    /// Reads the proxy's message, in base64. `None`: it is none.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let message = STANDARD.decode(token).ok()?;
        let kind = u32::from_le_bytes(at(&message, 8)?);
        if !message.starts_with(SIGNATURE) || kind != 2 {
            return None;
        }
        let target_info = if message.get(0x16)? & HAS_TARGET_INFO == 0 {
            Vec::new()
        } else {
            let length = usize::from(u16::from_le_bytes(at(&message, 0x28)?));
            let offset = usize::try_from(u32::from_le_bytes(at(&message, 0x2c)?)).ok()?;
            message.get(offset..offset.checked_add(length)?)?.to_vec()
        };
        Some(Self {
            challenge: at(&message, 0x18)?,
            target_info,
        })
    }

    /// Our answer, in base64. A user name may have its domain in front: `DOMAIN\user`.
    pub(super) fn answer(&self, (username, password): (&str, &str), fresh: Fresh) -> String {
        let (domain, user) = username.split_once('\\').unwrap_or(("", username));
        let blob = self.blob(fresh);
        let key = Zeroizing::new(response_key(domain, user, password));
        let proof = hmac_md5(&*key, &[&self.challenge, &blob]);
        let response = [proof.as_slice(), &blob].concat();
        STANDARD.encode(message(&response, user, domain))
    }

    fn blob(&self, fresh: Fresh) -> Vec<u8> {
        let time = self
            .time()
            .unwrap_or_else(|| file_time(fresh.unix_seconds).to_le_bytes());
        [
            [1, 1, 0, 0, 0, 0, 0, 0].as_slice(),
            &time,
            &fresh.nonce,
            &[0; 4],
            &self.target_info,
            &[0; 4],
        ]
        .concat()
    }

    /// The server's own time, if it tells: then our clock does not matter.
    fn time(&self) -> Option<[u8; 8]> {
        let mut rest = self.target_info.as_slice();
        loop {
            let id = u16::from_le_bytes(at(rest, 0)?);
            let length = usize::from(u16::from_le_bytes(at(rest, 2)?));
            match id {
                END_OF_LIST => return None,
                TIMESTAMP if length == 8 => return at(rest, 4),
                _ => rest = rest.get(4 + length..)?,
            }
        }
    }
}

/// The key of the proof: a hash of the password, then one of who we are.
fn response_key(domain: &str, user: &str, password: &str) -> [u8; 16] {
    let password = Zeroizing::new(utf16(password));
    let hash: Zeroizing<[u8; 16]> = Zeroizing::new(Md4::digest(&*password).into());
    let who = utf16(&(user.to_uppercase() + domain));
    hmac_md5(&*hash, &[&who])
}

/// Message 3.
fn message(response: &[u8], user: &str, domain: &str) -> Vec<u8> {
    let (user, domain) = (eight_bits(user), eight_bits(domain));
    let mut header = Vec::with_capacity(HEADER + response.len() + user.len() + domain.len());
    header.extend_from_slice(SIGNATURE);
    header.extend_from_slice(&3_u32.to_le_bytes());
    let user_at = HEADER + response.len();
    let domain_at = user_at + user.len();
    let end = domain_at + domain.len();
    for (length, offset) in [
        (0, end),
        (response.len(), HEADER),
        (domain.len(), domain_at),
        (user.len(), user_at),
        (0, end),
        (0, end),
    ] {
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes();
        let offset = u32::try_from(offset).unwrap_or(u32::MAX).to_le_bytes();
        header.extend_from_slice(&[length, length].concat());
        header.extend_from_slice(&offset);
    }
    header.extend_from_slice(&FLAGS.to_le_bytes());
    [header.as_slice(), response, &user, &domain].concat()
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn utf16(text: &str) -> Vec<u8> {
    // Room for the longest form, so that no secret is left behind by a vector that grew.
    let mut bytes = Vec::with_capacity(2 * text.len());
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    bytes
}

/// Text as it travels: what has no byte of its own becomes a question mark.
fn eight_bits(text: &str) -> Vec<u8> {
    text.chars()
        .map(|sign| u8::try_from(sign).unwrap_or(b'?'))
        .collect()
}

/// Tenths of microseconds since 1601.
const fn file_time(unix_seconds: u64) -> u64 {
    unix_seconds
        .saturating_add(11_644_473_600)
        .saturating_mul(10_000_000)
}

fn at<const N: usize>(bytes: &[u8], position: usize) -> Option<[u8; N]> {
    bytes.get(position..)?.first_chunk().copied()
}

/// Message 1, in base64.
pub(super) const GREETING: &str = "TlRMTVNTUAABAAAAAgIAAA==";
const SIGNATURE: &[u8] = b"NTLMSSP\0";
/// Length of message 3 without what it holds.
const HEADER: usize = 0x40;
/// Eight-bit text, NTLM.
const FLAGS: u32 = 0x0202;
const HAS_TARGET_INFO: u8 = 0x80;
const END_OF_LIST: u16 = 0;
const TIMESTAMP: u16 = 7;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{hex, hex_array};

    /// The target information of the specification's example, [MS-NLMP] 4.2.4.
    const TARGET_INFO: &str =
        "02000c0044006f006d00610069006e0001000c005300650072007600650072000000 0000";
    const FRESH: Fresh = Fresh {
        nonce: [0xaa; 8],
        unix_seconds: 0,
    };

    fn question(target_info: &[u8]) -> Question {
        Question {
            challenge: hex_array("0123456789abcdef"),
            target_info: target_info.to_vec(),
        }
    }

    #[test]
    fn the_key_is_that_of_the_specification() {
        assert_eq!(
            response_key("Domain", "User", "Password"),
            hex_array("0c868a403bfd7a93a3001ef22ef02e3f")
        );
    }

    #[test]
    fn the_proof_is_that_of_the_specification() {
        // The example's time is zero, which the list of the server can say.
        let mut question = question(&hex(TARGET_INFO));
        let blob = question.blob(FRESH);
        let key = response_key("Domain", "User", "Password");
        let mut example = blob.clone();
        example[8..16].copy_from_slice(&[0; 8]);
        let proof = hmac_md5(&key, &[&question.challenge, &example]);
        assert_eq!(proof, hex_array("68cd0ab851e51c96aabc927bebef6a1c"));
        // Our own time is the epoch of Unix.
        assert_eq!(blob[8..16], 116_444_736_000_000_000_u64.to_le_bytes());
        question.target_info = [&hex("07000800"), [9; 8].as_slice(), &[0; 4]].concat();
        assert_eq!(question.blob(FRESH)[8..16], [9; 8]);
    }

    #[test]
    fn the_third_message_says_where_everything_is() {
        let text = question(b"").answer(("Domain\\User", "Password"), FRESH);
        let message = STANDARD.decode(text).unwrap();
        assert_eq!(message[..12], *b"NTLMSSP\0\x03\0\0\0");
        let field = |position: usize| {
            let length = usize::from(u16::from_le_bytes(at(&message, position).unwrap()));
            let offset = u32::from_le_bytes(at(&message, position + 4).unwrap()) as usize;
            &message[offset..offset + length]
        };
        assert_eq!(field(0x0c), b"");
        assert_eq!(field(0x14).len(), 16 + 32);
        assert_eq!(field(0x1c), b"Domain");
        assert_eq!(field(0x24), b"User");
        assert_eq!(message[0x3c..0x40], [2, 2, 0, 0]);
    }

    #[test]
    fn a_question_is_read_and_what_is_none_is_not() {
        let info = hex(TARGET_INFO);
        let length = u16::try_from(info.len()).unwrap().to_le_bytes();
        let message = [
            SIGNATURE,
            &[2, 0, 0, 0],
            &[0; 8],
            &[0x01, 0x02, 0x81, 0x00],
            &hex("0123456789abcdef"),
            &[0; 8],
            &length,
            &length,
            &[0x30, 0, 0, 0],
            &info,
        ]
        .concat();
        let parsed = Question::parse(&STANDARD.encode(&message)).unwrap();
        assert_eq!(parsed, question(&info));
        for cut in 0..message.len() {
            assert_eq!(Question::parse(&STANDARD.encode(&message[..cut])), None);
        }
        assert_eq!(Question::parse(GREETING), None);
        assert_eq!(Question::parse("?"), None);
    }

    #[test]
    fn the_greeting_is_the_known_one() {
        let bytes = STANDARD.decode(GREETING).unwrap();
        assert_eq!(bytes, hex("4e544c4d5353500001000000 02020000"));
    }

    proptest! {
        #[test]
        fn no_question_makes_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..80)) {
            let message = [SIGNATURE, &[2, 0, 0, 0], &tail].concat();
            if let Some(question) = Question::parse(&STANDARD.encode(message)) {
                question.answer(("d\\ü", "p"), FRESH);
            }
        }
    }
}
