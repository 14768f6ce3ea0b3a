//! `setenv`, and what Access Server writes into comments.

use super::{Interpreter, switch};
use crate::profile::lexer::Directive;
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, word};
use crate::secret::SecretText;

impl Interpreter<'_, '_> {
    pub(super) fn setenv(&mut self, args: &[&str]) -> Result<Applied, BadValue> {
        let name = word(args, 0)?;
        let value = args.get(1..).unwrap_or_default().join(" ");
        let meta = &mut self.profile.meta;
        match name {
            "PUSH_PEER_INFO" => self.profile.peer_info.push = true,
            "CLIENT_CERT" => self.profile.tls.no_certificate = !switch(args, 1)?,
            "USERNAME" => meta.username = Some(value),
            "FRIENDLY_NAME" => meta.friendly_name = Some(value),
            "SERVER" => meta.servers.push(value),
            "ALLOW_PASSWORD_SAVE" => meta.allow_password_save = Some(switch(args, 1)?),
            "GENERIC_CONFIG" => {
                let reason = "this profile is locked to a server and holds no server of its own";
                return Err(BadValue::because(
                    0,
                    reason,
                    "a profile from the server for one user",
                ));
            }
            "FORWARD_COMPATIBLE" => {}
            "IV_GUI_VER" => self.profile.peer_info.gui_version = Some(printable(&value)?),
            "IV_SSO" => self.profile.peer_info.sso = Some(printable(&value)?),
            _ if name.starts_with("UV_") => {
                let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !name.chars().all(is_word) {
                    return Err(BadValue::new(0, name, "letters, digits and _ after UV_"));
                }
                let variable = (name.to_owned(), printable(&value)?);
                self.profile.peer_info.user_variables.push(variable);
            }
            "opt" => {
                return Err(BadValue::because(
                    0,
                    "no option follows",
                    "setenv opt OPTION ...",
                ));
            }
            _ => {
                return Ok(Applied::Ignored(
                    "this client runs no scripts that could see it".into(),
                ));
            }
        }
        Ok(Applied::Done)
    }

    pub(super) fn meta(&mut self, directive: &Directive) {
        let value = directive.args.first().map_or("", |arg| arg.text.as_str());
        let meta = &mut self.profile.meta;
        match directive.name.as_str() {
            "AUTOLOGIN" => meta.autologin = matches!(value, "1" | "true"),
            "EXTERNAL_PKI" => meta.external_pki = matches!(value, "1" | "true"),
            "PROFILE" => {
                meta.profile_name = value.split('/').next().map(str::to_owned);
            }
            "FRIENDLY_NAME" => meta.friendly_name = Some(value.to_owned()),
            "USERNAME" => meta.username = Some(value.to_owned()),
            "HOST_LIST" => {
                let list = directive.content.as_ref().map_or(value, SecretText::expose);
                meta.servers
                    .extend(super::words_in(list).map(str::to_owned));
            }
            _ => {}
        }
    }
}

fn printable(text: &str) -> Result<String, BadValue> {
    if text.chars().any(char::is_control) {
        return Err(BadValue::because(
            1,
            "the value has control characters",
            "printable text",
        ));
    }
    Ok(text.to_owned())
}
