//! `Proxy-Authenticate`: how a proxy wants to be logged in to (RFC 7235, section 2.1).

/// One way of logging in that a proxy offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Challenge {
    /// The method, in lower case.
    pub(super) scheme: String,
    /// What stands behind the method without a name.
    pub(super) token: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads all challenges of one header; one header may hold several.
    pub(super) fn parse(header: &str) -> Vec<Self> {
        let mut rest = header;
        let mut challenges: Vec<Self> = Vec::new();
        loop {
            let trimmed = rest.trim_start_matches([' ', '\t', ',']);
            let after_comma =
                rest.len() > trimmed.len() && rest[..rest.len() - trimmed.len()].contains(',');
            let (word, behind) = word(trimmed);
            if word.is_empty() {
                // Nothing more, or a sign that begins nothing.
                let mut signs = trimmed.chars();
                if signs.next().is_none() {
                    return challenges;
                }
                rest = signs.as_str();
                continue;
            }
            match (challenges.last_mut(), value(behind)) {
                (Some(challenge), Some((value, behind))) => {
                    let name = word.to_ascii_lowercase();
                    challenge.parameters.push((name, value));
                    rest = behind;
                }
                (Some(challenge), None) if !after_comma && challenge.is_bare() => {
                    let padding = behind.len() - behind.trim_start_matches('=').len();
                    challenge.token = trimmed.get(..word.len() + padding).map(str::to_owned);
                    rest = behind.trim_start_matches('=');
                }
                _ => {
                    challenges.push(Self {
                        scheme: word.to_ascii_lowercase(),
                        ..Self::default()
                    });
                    rest = behind;
                }
            }
        }
    }

    /// The value of a parameter, whose name is in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut all = self.parameters.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    fn is_bare(&self) -> bool {
        self.token.is_none() && self.parameters.is_empty()
    }
}

/// What stands before the next space, comma, equals sign or quote; and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find([' ', '\t', ',', '=', '"']).unwrap_or(text.len());
    text.split_at(end)
}

/// The value behind a name's equals sign; and what follows it. `None`: there is no value.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches([' ', '\t']).strip_prefix('=')?;
    let text = text.trim_start_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = word(text);
        return (!value.is_empty()).then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut signs = quoted.chars();
    loop {
        match signs.next() {
            None | Some('"') => return Some((value, signs.as_str())),
            Some('\\') => value.extend(signs.next()),
            Some(sign) => value.push(sign),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_header_may_hold_several_challenges() {
        let header = r#"Negotiate, NTLM TlRM+/=, Digest realm="a \"b\", c", nonce=xyz,qop="auth,auth-int" , Basic realm = "r""#;
        let challenges = Challenge::parse(header);
        let schemes: Vec<_> = challenges.iter().map(|c| c.scheme.as_str()).collect();
        assert_eq!(schemes, ["negotiate", "ntlm", "digest", "basic"]);
        assert_eq!(challenges[1].token.as_deref(), Some("TlRM+/="));
        assert_eq!(challenges[2].parameter("realm"), Some("a \"b\", c"));
        assert_eq!(challenges[2].parameter("nonce"), Some("xyz"));
        assert_eq!(challenges[2].parameter("qop"), Some("auth,auth-int"));
        assert_eq!(challenges[3].parameter("realm"), Some("r"));
        assert_eq!(challenges[3].parameter("nonce"), None);
    }

    #[test]
    fn a_token_may_end_in_two_equals_signs() {
        let challenges = Challenge::parse("NTLM AAAA==");
        assert_eq!(challenges[0].token.as_deref(), Some("AAAA=="));
        assert_eq!(challenges.len(), 1);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_turn_forever(header in "[a-c=\", \\\\é]{0,60}") {
            prop_assert!(Challenge::parse(&header).len() <= header.len());
        }
    }
}
