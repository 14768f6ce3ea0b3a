//! The head of an HTTP answer: its status, and its header lines.

use super::super::ProxyError;

/// The head of an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// What the proxy says to the status, printable.
    pub(super) reason: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// Reads a head. The answer is how long it is too; `None`: there is more to come.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, ProxyError> {
        if !bytes.iter().zip(b"HTTP/").all(|(is, must)| is == must) {
            return Err(ProxyError::Malformed("it does not speak HTTP"));
        }
        let Some(length) = head_length(bytes) else {
            return if bytes.len() >= LONGEST {
                Err(ProxyError::Malformed("its header does not end"))
            } else {
                Ok(None)
            };
        };
        let head = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
        let mut lines = head.lines();
        let (status, reason) = lines
            .next()
            .and_then(status_line)
            .ok_or(ProxyError::Malformed("its first line holds no status"))?;
        let headers = lines
            .take(MOST_LINES)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, content)| (name.trim().to_ascii_lowercase(), content.trim().to_owned()))
            .collect();
        let answer = Self {
            status,
            reason,
            headers,
        };
        Ok(Some((answer, length)))
    }

    /// The contents of every header of this name, which is in lower case.
    pub(super) fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, content)| content.as_str())
    }

    /// How long the body is that follows.
    pub(super) fn body_length(&self) -> Result<usize, ProxyError> {
        if self.headers("transfer-encoding").next().is_some() {
            return Err(ProxyError::Malformed("its answer to NTLM has no length"));
        }
        match self.headers("content-length").next() {
            None => Ok(0),
            Some(length) => length
                .parse()
                .map_err(|_| ProxyError::Malformed("its answer has a length that is no number")),
        }
    }
}

/// The status line's number and words.
fn status_line(line: &str) -> Option<(u16, String)> {
    let (_version, rest) = line.split_once(' ')?;
    let rest = rest.trim_start();
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status
        .parse()
        .ok()
        .filter(|code| (100..1000).contains(code))?;
    let printable = |c: &char| !c.is_control();
    let reason = reason.chars().filter(printable).take(LONGEST_REASON);
    Some((status, reason.collect::<String>().trim().to_owned()))
}

/// The length of a head up to the empty line that ends it, that line included.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut after = 0;
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        after += line.len();
        if after > LONGEST {
            return None;
        }
        if matches!(line, b"\n" | b"\r\n") {
            return Some(after);
        }
    }
    None
}

/// The longest head, in bytes.
const LONGEST: usize = 65_536;
/// How many lines are looked at.
const MOST_LINES: usize = 1024;
/// How many letters of the reason are kept.
const LONGEST_REASON: usize = 200;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<Option<(Answer, usize)>, ProxyError> {
        Answer::parse(text.as_bytes())
    }

    #[test]
    fn a_head_ends_at_the_empty_line_with_either_line_end() {
        for end in ["\r\n", "\n"] {
            let text = [
                "HTTP/1.1 200 Connection established",
                "Via: x",
                "",
                "tunnel",
            ]
            .join(end);
            let (answer, length) = parse(&text).unwrap().unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(answer.reason, "Connection established");
            assert_eq!(&text[length..], "tunnel");
        }
    }

    #[test]
    fn names_of_headers_have_no_case_and_may_come_again() {
        let text = "HTTP/1.0 407 x\r\nPROXY-authenticate: Basic\r\nProxy-Authenticate:NTLM\r\n\r\n";
        let (answer, _) = parse(text).unwrap().unwrap();
        let found: Vec<_> = answer.headers("proxy-authenticate").collect();
        assert_eq!(found, ["Basic", "NTLM"]);
    }

    #[test]
    fn an_unfinished_head_waits_and_an_endless_one_does_not() {
        assert_eq!(parse("HT"), Ok(None));
        assert_eq!(parse("HTTP/1.0 200 OK\r\nVia"), Ok(None));
        let endless = format!("HTTP/1.0 200 OK\r\n{}", "a: b\r\n".repeat(12_000));
        assert!(parse(&endless).is_err());
    }

    #[test]
    fn what_is_no_http_is_refused_at_its_first_bytes() {
        for text in [
            "SSH-2.0",
            "HTTP/1.0 OK\r\n\r\n",
            "HTTP/1.0\r\n\r\n",
            "HTTP/1.0 99 x\n\n",
        ] {
            assert!(
                matches!(parse(text), Err(ProxyError::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_reason_is_printable() {
        let (answer, _) = parse("HTTP/1.0 403 No\x1b[31m way\r\n\r\n")
            .unwrap()
            .unwrap();
        assert_eq!(answer.reason, "No[31m way");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [b"HTTP/1.", bytes.as_slice()].concat();
            if let Ok(Some((answer, length))) = Answer::parse(&bytes) {
                prop_assert!(length <= bytes.len());
                let _ = answer.body_length();
            }
        }
    }
}
