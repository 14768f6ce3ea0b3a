//! User name, password, passphrase and second factor.

use std::sync::Arc;

use super::{Interpreter, switch};
use crate::profile::lexer::Directive;
use crate::profile::model::{AuthRetry, Login, StaticChallenge};
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, choice, number, word};
use crate::secret::SecretText;

impl Interpreter<'_, '_> {
    pub(super) fn apply_login(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        match directive.name.as_str() {
            "auth-user-pass" => self.auth_user_pass(directive, args)?,
            "askpass" => {
                if !args.is_empty() || directive.content.is_some() {
                    let Some(material) = self.material(directive)? else {
                        return Ok(Applied::Done);
                    };
                    let first = text_of(material.content.expose())?
                        .lines()
                        .next()
                        .unwrap_or("");
                    self.profile.tls.key_passphrase = Some(Arc::new(SecretText::from(first)));
                }
            }
            "auth-nocache" => self.profile.auth_nocache = true,
            "auth-retry" => {
                const WORDS: &[(&str, AuthRetry)] = &[
                    ("none", AuthRetry::None),
                    ("interact", AuthRetry::Interact),
                    ("nointeract", AuthRetry::NoInteract),
                ];
                self.profile.auth_retry = choice(args, 0, WORDS)?;
            }
            "static-challenge" => {
                let concat = match args.get(2) {
                    None => false,
                    Some(_) => choice(args, 2, &[("scrv1", false), ("concat", true)])?,
                };
                let text = word(args, 0)?.to_owned();
                // Any number but zero shows the answer, as in OpenVPN.
                let echo = number::<u32>(args, 1, 0..=u32::MAX)? != 0;
                self.profile.static_challenge = Some(StaticChallenge { text, echo, concat });
            }
            "allow-password-save" => {
                self.profile.meta.allow_password_save = Some(switch(args, 0)?);
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    /// `auth-user-pass [file] [username-only]`.
    fn auth_user_pass(&mut self, directive: &Directive, args: &[&str]) -> Result<(), BadValue> {
        let username_only = args.contains(&"username-only");
        let names_file = args.first().is_some_and(|first| *first != "username-only");
        let known = if names_file || directive.content.is_some() {
            match self.material(directive)? {
                Some(material) => two_lines(material.content.expose())?,
                None => return Ok(()),
            }
        } else {
            Login::default()
        };
        let before = self.profile.login.take().unwrap_or_default();
        self.profile.login = Some(Login {
            username: known.username.or(before.username),
            password: known.password.or(before.password),
            username_only: username_only || before.username_only,
        });
        Ok(())
    }
}

/// User name on the first line, password on the second; either may be missing.
pub(super) fn two_lines(content: &[u8]) -> Result<Login, BadValue> {
    let text = text_of(content)?;
    let mut lines = text.lines().map(|line| line.trim_end_matches('\r'));
    let username = lines
        .next()
        .filter(|line| !line.is_empty())
        .map(str::to_owned);
    let password = lines
        .next()
        .filter(|line| !line.is_empty())
        .map(SecretText::from)
        .map(Arc::new);
    Ok(Login {
        username,
        password,
        username_only: false,
    })
}

fn text_of(content: &[u8]) -> Result<&str, BadValue> {
    let text = std::str::from_utf8(content)
        .map_err(|_| BadValue::because(0, "the content is not text", "lines in UTF-8"))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
