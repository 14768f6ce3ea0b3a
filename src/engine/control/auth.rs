//! Credentials, challenges, tokens, pending authentication.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::Credentials;
use crate::error::{Advance, ConnectionError, DynamicChallenge};
use crate::event::AuthToken;
use crate::secret::SecretText;

/// What is sent as user name and password, at first and at each renegotiation.
#[derive(Debug)]
pub struct Login {
    credentials: Option<Arc<Credentials>>,
    token: Option<Arc<AuthToken>>,
}

impl Login {
    /// Credentials of the user, and the token of an earlier attempt that stands in for the password.
    #[must_use]
    pub const fn new(credentials: Option<Arc<Credentials>>, token: Option<Arc<AuthToken>>) -> Self {
        Self { credentials, token }
    }

    /// The user name to send. A token may bring its own.
    #[must_use]
    pub fn username(&self) -> &str {
        let of_token = self
            .token
            .as_ref()
            .and_then(|token| token.username.as_deref());
        let of_user = self.credentials.as_ref().map(|one| one.username.as_str());
        of_token.or(of_user).unwrap_or_default()
    }

    /// The password to send.
    #[must_use]
    pub fn password(&self) -> SecretText {
        match (&self.token, &self.credentials) {
            (Some(token), _) => token.token.duplicate(),
            (None, Some(credentials)) => credentials.password.duplicate(),
            (None, None) => SecretText::from(""),
        }
    }

    /// Whether a token stands in for the password.
    #[must_use]
    pub const fn uses_token(&self) -> bool {
        self.token.is_some()
    }

    /// Takes a pushed token. `None`: it is the one in use already, or cannot be one.
    pub fn accept_token(
        &mut self,
        username: Option<String>,
        token: &SecretText,
    ) -> Option<AuthToken> {
        if token.is_empty() || token.expose().len() > LONGEST_TOKEN {
            return None;
        }
        let username =
            username.or_else(|| self.token.as_ref().and_then(|known| known.username.clone()));
        let fresh = AuthToken {
            username,
            token: token.duplicate(),
        };
        if self.token.as_deref() == Some(&fresh) {
            return None;
        }
        let told = AuthToken {
            username: fresh.username.clone(),
            token: fresh.token.duplicate(),
        };
        self.token = Some(Arc::new(fresh));
        Some(told)
    }

    /// What the server's `AUTH_FAILED,reason` means.
    #[must_use]
    pub fn refused(&self, reason: &str) -> ConnectionError {
        if let Some(challenge) = parse_crv1(reason) {
            return ConnectionError::DynamicChallenge(challenge);
        }
        if let Some(rest) = reason.trim_start().strip_prefix("TEMP") {
            if let Some(error) = temporary(rest) {
                return error;
            }
        }
        // Servers have no other way to say this.
        if reason.starts_with(NO_SHARED_CIPHER) {
            return ConnectionError::PeerIncompatible(format!(
                "it has none of the ciphers of data-ciphers (it said: {})",
                printable(reason.trim())
            ));
        }
        let reason = printable(reason.strip_prefix("SESSION:").unwrap_or(reason).trim());
        if self.uses_token() {
            ConnectionError::TokenExpired { reason }
        } else {
            ConnectionError::AuthFailed { reason }
        }
    }
}

/// How OpenVPN 2.4 and later begin the refusal of a client without a common data cipher.
const NO_SHARED_CIPHER: &str = "Data channel cipher negotiation failed";

/// What follows `TEMP`: nothing, `:text`, or `[flags]` with or without `:text`.
fn temporary(rest: &str) -> Option<ConnectionError> {
    let (flags, text) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let text = match text.strip_prefix(':') {
        Some(text) => text,
        None if text.is_empty() => "",
        None => return None,
    };
    let mut backoff = Duration::ZERO;
    let mut advance = Advance::Address;
    for flag in flags.split(',') {
        let mut words = flag.split_whitespace();
        match (words.next(), words.next()) {
            (Some("backoff"), Some(seconds)) => {
                let seconds = seconds.parse::<u32>().unwrap_or_default();
                backoff = Duration::from_secs(u64::from(seconds)).min(LONGEST_BACKOFF);
            }
            (Some("advance"), Some("addr")) => advance = Advance::Address,
            (Some("advance"), Some("no")) => advance = Advance::No,
            (Some("advance"), Some("remote")) => advance = Advance::Remote,
            _ => {}
        }
    }
    Some(ConnectionError::AuthFailedTemporarily {
        reason: printable(text.trim_start()),
        backoff,
        advance,
    })
}

/// Reads `CRV1:flags:state:user:text`. `None`: it is something else.
#[must_use]
pub fn parse_crv1(reason: &str) -> Option<DynamicChallenge> {
    let mut fields = reason.strip_prefix("CRV1:")?.splitn(4, ':');
    let flags = fields.next()?;
    let state_id = fields.next()?.to_owned();
    let username = STANDARD.decode(fields.next()?).ok()?;
    let text = printable(fields.next()?);
    let has = |flag| flags.split(',').any(|one| one.trim() == flag);
    Some(DynamicChallenge {
        echo: has("E"),
        response_required: has("R"),
        state_id,
        username: String::from_utf8(username).ok()?,
        text,
    })
}

/// The control message that answers a `CR_TEXT` question.
#[must_use]
pub fn encode_cr_response(response: &SecretText) -> SecretText {
    let encoded = SecretText::new(STANDARD.encode(response.expose()));
    SecretText::new(format!("CR_RESPONSE,{}", encoded.expose()))
}

/// A peer's words without control characters, and of bounded length.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST_REASON)
        .collect()
}

/// Longer ones no server can read back.
const LONGEST_TOKEN: usize = 4095;
/// What we show of a server's words, in characters.
const LONGEST_REASON: usize = 512;
/// No server can keep us away for longer.
const LONGEST_BACKOFF: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login() -> Login {
        let credentials = Credentials {
            username: "user".to_owned(),
            password: SecretText::from("secret"),
        };
        Login::new(Some(Arc::new(credentials)), None)
    }

    fn temporarily(reason: &str, seconds: u64, advance: Advance) -> ConnectionError {
        ConnectionError::AuthFailedTemporarily {
            reason: reason.to_owned(),
            backoff: Duration::from_secs(seconds),
            advance,
        }
    }

    #[test]
    fn temporary_failures_carry_their_flags() {
        let refused = |reason| login().refused(reason);
        assert_eq!(
            refused("TEMP:There are no flags here [really not]"),
            temporarily("There are no flags here [really not]", 0, Advance::Address)
        );
        assert_eq!(
            refused("TEMP[backoff 42,advance no]"),
            temporarily("", 42, Advance::No)
        );
        assert_eq!(
            refused("TEMP[advance remote,backoff 77]:go round and round"),
            temporarily("go round and round", 77, Advance::Remote)
        );
        assert_eq!(
            refused("  TEMP[ backoff   7 ,  advance  no ]:  later"),
            temporarily("later", 7, Advance::No)
        );
        assert_eq!(refused("TEMP"), temporarily("", 0, Advance::Address));
        assert_eq!(
            refused("TEMPERATURE too high"),
            ConnectionError::AuthFailed {
                reason: "TEMPERATURE too high".to_owned()
            }
        );
    }

    #[test]
    fn a_dynamic_challenge_is_read() {
        let reason = "CRV1:R,E:Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l:Y3Ix:Please enter token PIN: now";
        let challenge = parse_crv1(reason).unwrap();
        assert!(challenge.echo && challenge.response_required);
        assert_eq!(challenge.username, "cr1");
        assert_eq!(challenge.text, "Please enter token PIN: now");
        assert_eq!(
            login().refused(reason),
            ConnectionError::DynamicChallenge(challenge)
        );
    }

    #[test]
    fn a_text_challenge_is_answered_in_base64() {
        assert_eq!(
            encode_cr_response(&SecretText::from("8675309")).expose(),
            "CR_RESPONSE,ODY3NTMwOQ=="
        );
    }

    #[test]
    fn a_token_stands_in_for_the_password_and_may_bring_its_user() {
        let mut login = login();
        assert!(login.accept_token(None, &SecretText::from("")).is_none());
        assert!(login.accept_token(None, &SecretText::from("T1")).is_some());
        assert_eq!(
            (login.username(), login.password().expose()),
            ("user", "T1")
        );
        assert!(
            login
                .accept_token(Some("other".to_owned()), &SecretText::from("T2"))
                .is_some()
        );
        assert!(
            login.accept_token(None, &SecretText::from("T2")).is_none(),
            "nothing changed"
        );
        assert_eq!(
            (login.username(), login.password().expose()),
            ("other", "T2")
        );
    }

    #[test]
    fn a_refused_token_is_not_a_wrong_password() {
        let mut login = login();
        assert!(matches!(
            login.refused("no"),
            ConnectionError::AuthFailed { .. }
        ));
        let refused = login.refused("SESSION: expired\n");
        assert!(
            matches!(&refused, ConnectionError::AuthFailed { reason } if reason == "expired"),
            "without a token there is none to be suspected: {refused:?}"
        );
        login.accept_token(None, &SecretText::from("T"));
        assert!(matches!(
            login.refused("SESSION:expired"),
            ConnectionError::TokenExpired { .. }
        ));
        assert!(matches!(
            login.refused(""),
            ConnectionError::TokenExpired { .. }
        ));
    }

    proptest! {
        #[test]
        fn no_reason_makes_it_panic(reason in ".*") {
            let login = login();
            let _ = login.refused(&reason);
            let _ = login.refused(&format!("TEMP[{reason}"));
            let _ = login.refused(&format!("CRV1:{reason}"));
        }
    }
}
