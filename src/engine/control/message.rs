//! Control strings: `PUSH_REPLY`, `AUTH_FAILED`, `INFO_PRE`, `EXIT` and the rest.

use std::fmt;

use zeroize::Zeroize;

use crate::error::Advance;
use crate::secret::{SecretBytes, SecretText};

/// What the server can say once keys are exchanged.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// `ACC,…`: a fragment of the app control channel; what follows the comma.
    AppControl(String),
    /// `AUTH_FAILED[,reason]`.
    AuthFailed {
        /// What follows the comma; empty if there is none.
        reason: String,
    },
    /// `AUTH_PENDING[,timeout N]`.
    AuthPending {
        /// How long the server allows, in seconds, if it says so.
        timeout_seconds: Option<u32>,
    },
    /// `EXIT`.
    Exit,
    /// `HALT[,[flags]text]`.
    Halt {
        /// The text for the user.
        reason: String,
    },
    /// `INFO,…` or `INFO_PRE,…`.
    Info(Notice),
    /// `PUSH_REPLY[,options]`, whole. It may hold a session token.
    PushReply(SecretText),
    /// `PUSH_UPDATE,items`, whole.
    PushUpdate(SecretText),
    /// `RESTART[,[flags]text]`.
    Restart {
        /// The text for the user.
        reason: String,
        /// Credentials and token stay valid (`P`).
        keep_credentials: bool,
        /// The next remote is to be taken (`N`), or the same one.
        advance: Advance,
    },
    /// Anything else.
    Unknown,
}

/// What `INFO` and `INFO_PRE` carry.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// `ACC:`: which app control protocols the server speaks; the arguments of `custom-control`.
    AppControl(String),
    /// `CR_TEXT:flags:text`: a question to be answered by `CR_RESPONSE`.
    Challenge {
        /// Whether the answer may be shown while it is typed (`E`).
        echo: bool,
        /// Whether an answer is needed (`R`).
        response_required: bool,
        /// The question.
        text: String,
    },
    /// `WEB_AUTH:flags:url` or `OPEN_URL:url`, of the schemes https and http.
    OpenUrl(String),
    /// The same with another scheme, which a browser could take as a command or as a file.
    RefusedUrl,
    /// Words for the user.
    Text(String),
}

impl Message {
    /// Sorts one command, as [`Inbox`] gives it. Unknown commands are a variant, not an error.
    #[must_use]
    pub fn parse(command: &str) -> Self {
        // Whatever follows the word, a refusal is one: servers' scripts write other marks than the comma too.
        if let Some(rest) = command.strip_prefix("AUTH_FAILED") {
            let mut reason = rest.chars();
            reason.next();
            return Self::AuthFailed {
                reason: reason.as_str().trim().to_owned(),
            };
        }
        let (word, rest) = command.split_once(',').unwrap_or((command, ""));
        match word {
            "ACC" => Self::AppControl(rest.to_owned()),
            "AUTH_PENDING" => Self::AuthPending {
                timeout_seconds: pending_timeout(rest),
            },
            "EXIT" => Self::Exit,
            "HALT" => Self::Halt {
                reason: split_flags(rest).1.to_owned(),
            },
            "INFO" | "INFO_PRE" => Self::Info(Notice::parse(rest)),
            "PUSH_REPLY" => Self::PushReply(SecretText::from(command)),
            "PUSH_UPDATE" => Self::PushUpdate(SecretText::from(command)),
            "RESTART" => restart(rest),
            _ => Self::Unknown,
        }
    }
}

impl Notice {
    /// Sorts what follows `INFO,` or `INFO_PRE,`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Some(arguments) = text.strip_prefix("ACC:") {
            return Self::AppControl(arguments.to_owned());
        }
        let web_auth = || {
            let (_flags, url) = text.strip_prefix("WEB_AUTH:")?.split_once(':')?;
            Some(url)
        };
        if let Some(url) = text.strip_prefix("OPEN_URL:").or_else(web_auth) {
            return if is_web_address(url) {
                Self::OpenUrl(url.to_owned())
            } else {
                Self::RefusedUrl
            };
        }
        if let Some((flags, question)) = text
            .strip_prefix("CR_TEXT:")
            .and_then(|rest| rest.split_once(':'))
        {
            let has = |flag| flags.split(',').any(|one| one.trim() == flag);
            return Self::Challenge {
                echo: has("E"),
                response_required: has("R"),
                text: question.to_owned(),
            };
        }
        Self::Text(text.to_owned())
    }
}

/// Whether a browser takes the text as the address of a web page, and as nothing else.
fn is_web_address(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    is_web && !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn restart(rest: &str) -> Message {
    let (flags, reason) = split_flags(rest);
    Message::Restart {
        reason: reason.to_owned(),
        keep_credentials: flags.contains('P'),
        advance: if flags.contains('N') {
            Advance::Remote
        } else {
            Advance::No
        },
    }
}

/// `[flags]text` or `[flags]:text` to flags and text.
fn split_flags(text: &str) -> (&str, &str) {
    let Some((flags, rest)) = text
        .strip_prefix('[')
        .and_then(|inner| inner.split_once(']'))
    else {
        return ("", text);
    };
    (flags, rest.strip_prefix(':').unwrap_or(rest))
}

fn pending_timeout(keywords: &str) -> Option<u32> {
    keywords
        .split(',')
        .filter_map(|keyword| keyword.trim().strip_prefix("timeout "))
        .find_map(|value| value.trim().parse().ok())
}

/// Joins the plaintext of TLS into commands that end with a NUL, across records.
#[derive(Default)]
pub struct Inbox {
    pending: Vec<u8>,
    skipping: bool,
}

/// A command that cannot be one: control characters inside, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCommand;

impl Inbox {
    /// Takes plaintext in the order in which TLS gives it.
    pub fn push(&mut self, mut plaintext: &[u8]) {
        if self.skipping {
            let Some(end) = plaintext.iter().position(|byte| *byte == 0) else {
                return;
            };
            self.skipping = false;
            plaintext = plaintext.get(end..).unwrap_or_default();
        }
        self.pending.extend_from_slice(plaintext);
    }

    fn refuse_endless(&mut self) -> Option<Result<SecretText, BadCommand>> {
        if self.pending.len() <= LONGEST_COMMAND {
            return None;
        }
        self.pending.zeroize();
        self.skipping = true;
        Some(Err(BadCommand))
    }
}

impl Iterator for Inbox {
    type Item = Result<SecretText, BadCommand>;

    /// The next whole command; empty ones are passed over. `None`: nothing whole is there. A bad command is gone, and
    /// the next call goes on behind it.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(end) = self.pending.iter().position(|byte| *byte == 0) else {
                return self.refuse_endless();
            };
            let command = SecretBytes::new(self.pending.drain(..=end).collect());
            match tidy(command.expose()) {
                Ok("") => {}
                Ok(text) => return Some(Ok(SecretText::from(text))),
                Err(bad) => return Some(Err(bad)),
            }
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} bytes)", self.pending.len())
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.pending.zeroize();
    }
}

/// Strips the NUL and trailing line ends; refuses control characters within.
fn tidy(command: &[u8]) -> Result<&str, BadCommand> {
    let text = std::str::from_utf8(command).map_err(|_| BadCommand)?;
    let text = text.trim_end_matches(['\0', '\r', '\n']);
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(BadCommand);
    }
    Ok(text)
}

/// A command as it goes into one TLS record: text and NUL.
#[must_use]
pub fn encode(command: &str) -> SecretBytes {
    let mut bytes = Vec::with_capacity(command.len() + 1);
    bytes.extend_from_slice(command.as_bytes());
    bytes.push(0);
    SecretBytes::new(bytes)
}

/// What we let a server send without a NUL.
const LONGEST_COMMAND: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drain(inbox: &mut Inbox) -> Vec<Result<SecretText, BadCommand>> {
        inbox.collect()
    }

    #[test]
    fn commands_are_cut_at_nul_and_bad_ones_fall_alone() {
        let mut inbox = Inbox::default();
        inbox.push(b"valid control message\r\n\0\0Invalid\r\none\0valid one again\0");
        assert_eq!(
            drain(&mut inbox),
            [
                Ok("valid control message".into()),
                Err(BadCommand),
                Ok("valid one again".into())
            ]
        );
    }

    #[test]
    fn a_command_may_span_records() {
        let mut inbox = Inbox::default();
        inbox.push(b"PUSH_RE");
        assert_eq!(inbox.next(), None);
        inbox.push(b"PLY,ping 1\0EX");
        assert_eq!(drain(&mut inbox), [Ok("PUSH_REPLY,ping 1".into())]);
        inbox.push(b"IT\0");
        assert_eq!(drain(&mut inbox), [Ok("EXIT".into())]);
    }

    #[test]
    fn a_command_without_end_is_dropped_and_the_next_one_is_found() {
        let mut inbox = Inbox::default();
        for _ in 0..70 {
            inbox.push(&[b'A'; 1024]);
            let _ = inbox.next();
            assert!(inbox.pending.len() <= LONGEST_COMMAND + 1024);
        }
        inbox.push(b"tail\0EXIT\0");
        assert_eq!(drain(&mut inbox), [Ok("EXIT".into())]);
    }

    #[test]
    fn a_bare_push_reply_is_one_too() {
        for command in ["PUSH_REPLY", "PUSH_REPLY,a,b"] {
            assert_eq!(
                Message::parse(command),
                Message::PushReply(SecretText::from(command))
            );
        }
    }

    #[test]
    fn restart_reads_its_flags() {
        let restart = |reason: &str, keep_credentials, advance| Message::Restart {
            reason: reason.to_owned(),
            keep_credentials,
            advance,
        };
        assert_eq!(Message::parse("RESTART"), restart("", false, Advance::No));
        assert_eq!(
            Message::parse("RESTART,[N]"),
            restart("", false, Advance::Remote)
        );
        assert_eq!(
            Message::parse("RESTART,[P]:later"),
            restart("later", true, Advance::No)
        );
        assert_eq!(
            Message::parse("RESTART,[PN]x"),
            restart("x", true, Advance::Remote)
        );
        assert_eq!(
            Message::parse("RESTART,plain"),
            restart("plain", false, Advance::No)
        );
    }

    #[test]
    fn a_refusal_is_one_whatever_follows_the_word() {
        let refused = |command: &str| {
            if let Message::AuthFailed { reason } = Message::parse(command) {
                Some(reason)
            } else {
                None
            }
        };
        for command in [
            "AUTH_FAILED,no such user",
            "AUTH_FAILED: no such user",
            "AUTH_FAILED,  no such user \n",
        ] {
            assert_eq!(refused(command).as_deref(), Some("no such user"));
        }
        assert_eq!(refused("AUTH_FAILED").as_deref(), Some(""));
        let temporarily = refused("AUTH_FAILED, TEMP[backoff 9]:busy");
        assert_eq!(temporarily.as_deref(), Some("TEMP[backoff 9]:busy"));
    }

    #[test]
    fn only_web_addresses_are_opened() {
        for url in [
            "https://a.example/x:y?z",
            "http://a.example",
            "HTTPS://a.example/",
        ] {
            let opened = Notice::OpenUrl(url.to_owned());
            assert_eq!(Notice::parse(&format!("OPEN_URL:{url}")), opened);
            assert_eq!(Notice::parse(&format!("WEB_AUTH:hidden:{url}")), opened);
        }
        for url in [
            "javascript:alert(1)//https://",
            "file:///etc/passwd",
            "data:text/html,x",
            "ftp://a.example",
            "https:a.example",
            "https://",
            " https://a.example",
            "https://a.example x",
            "",
        ] {
            assert_eq!(
                Notice::parse(&format!("OPEN_URL:{url}")),
                Notice::RefusedUrl
            );
            assert_eq!(
                Notice::parse(&format!("WEB_AUTH::{url}")),
                Notice::RefusedUrl
            );
        }
    }

    #[test]
    fn pending_and_notices_are_read() {
        assert_eq!(
            Message::parse("AUTH_PENDING,timeout 180"),
            Message::AuthPending {
                timeout_seconds: Some(180)
            }
        );
        assert_eq!(
            Message::parse("AUTH_PENDING"),
            Message::AuthPending {
                timeout_seconds: None
            }
        );
        assert_eq!(
            Message::parse("INFO_PRE,WEB_AUTH:external,hidden:https://a.example/x:y"),
            Message::Info(Notice::OpenUrl("https://a.example/x:y".to_owned()))
        );
        assert_eq!(
            Message::parse("INFO_PRE,CR_TEXT:R,E:Code: now"),
            Message::Info(Notice::Challenge {
                echo: true,
                response_required: true,
                text: "Code: now".to_owned()
            })
        );
        assert_eq!(
            Message::parse("INFO,hello"),
            Message::Info(Notice::Text("hello".to_owned()))
        );
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        for command in ["PUSH_UPDATEx", "PUSH", "exit", "", "EXITS"] {
            assert_eq!(Message::parse(command), Message::Unknown, "{command}");
        }
    }

    proptest! {
        #[test]
        fn cutting_the_stream_anywhere_gives_the_same_commands(
            stream in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>(), 32..127_u8], 0..300),
            cut in 0..300_usize,
        ) {
            let mut whole = Inbox::default();
            whole.push(&stream);
            let expected = drain(&mut whole);
            let mut parts = Inbox::default();
            let (head, tail) = stream.split_at(cut.min(stream.len()));
            parts.push(head);
            let mut found = drain(&mut parts);
            parts.push(tail);
            found.extend(drain(&mut parts));
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_command_makes_the_parser_panic(command in ".*") {
            let _ = Message::parse(&command);
            for word in ["RESTART,[", "INFO_PRE,CR_TEXT:", "INFO_PRE,WEB_AUTH:", "AUTH_PENDING,timeout "] {
                let _ = Message::parse(&format!("{word}{command}"));
            }
        }
    }
}
