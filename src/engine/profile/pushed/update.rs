//! `PUSH_UPDATE`: which of the options in force are replaced or removed.

use std::collections::BTreeSet;

use super::filter::{Verdict, judge};
use super::{PushError, PushedOption, PushedOptions, note, tokens};
use crate::profile::error::Note;
use crate::profile::table::{self, Scope, Treatment};
use crate::settings::PullRules;

/// One item: `[-][?]option [args]`.
struct Item<'a> {
    remove: bool,
    optional: bool,
    text: &'a str,
}

impl<'a> Item<'a> {
    fn parse(item: &'a str) -> Result<Self, PushError> {
        let text = item.trim();
        let (remove, text) = text
            .strip_prefix('-')
            .map_or((false, text), |rest| (true, rest));
        let (optional, text) = text
            .strip_prefix('?')
            .map_or((false, text), |rest| (true, rest));
        let no_name = |c: char| matches!(c, '-' | '?') || c.is_whitespace();
        if text.starts_with(no_name) || text.is_empty() {
            return Err(PushError::Malformed(format!(
                "\"{item}\" is no item of an update"
            )));
        }
        Ok(Self {
            remove,
            optional,
            text,
        })
    }
}

impl PushedOptions {
    /// The options as they are after a complete `PUSH_UPDATE` sequence, all of its parts joined. The first item of a
    /// name takes away what was in force by that name; what is not named stays.
    ///
    /// # Errors
    ///
    /// [`PushError`] if the sequence is malformed, or demands what cannot be changed in a running session.
    pub fn updated(
        &self,
        items: &[String],
        rules: &PullRules,
    ) -> Result<(Self, Vec<Note>), PushError> {
        let mut notes = Vec::new();
        let mut list = self.list.clone();
        let mut replaced = BTreeSet::new();
        for item in items.iter().filter(|item| !item.trim().is_empty()) {
            let item = Item::parse(item)?;
            let Some(option) = allowed(&item, rules, &mut notes)? else {
                continue;
            };
            if replaced.insert(group(&option.name).to_owned()) {
                list.retain(|old| group(&old.name) != group(&option.name));
            }
            if !item.remove {
                list.push(option);
            }
        }
        let (mut options, more) = Self::from_list(list, rules)?;
        notes.extend(more);
        options.auth_token.clone_from(&self.auth_token);
        options.auth_token_user.clone_from(&self.auth_token_user);
        Ok((options, notes))
    }
}

/// The option of an item, if it may change; `None` if it is to be passed over.
fn allowed(
    item: &Item<'_>,
    rules: &PullRules,
    notes: &mut Vec<Note>,
) -> Result<Option<PushedOption>, PushError> {
    let unbalanced = || PushError::Malformed("a quotation mark has no partner".to_owned());
    let option = tokens(item.text).ok_or_else(unbalanced)?;
    if let Verdict::Out(why) = judge(rules, &option)? {
        notes.push(note(&option.name, why));
        return Ok(None);
    }
    let row = table::find(&option.name);
    let updatable =
        row.is_some_and(|row| row.scope.holds(Scope::UPDATE) && row.treatment == Treatment::Honour);
    if !updatable {
        if !item.optional {
            return Err(PushError::UpdateUnsupported(option.name));
        }
        notes.push(note(
            &option.name,
            "it cannot be changed while the tunnel is up",
        ));
        return Ok(None);
    }
    if item.remove && !option.args.is_empty() {
        let reason = format!("{} is to be removed, and has arguments", option.name);
        return Err(PushError::Malformed(reason));
    }
    if option.name == "push-continuation" {
        return Ok(None);
    }
    Ok(Some(option))
}

/// Names that are replaced together.
fn group(name: &str) -> &str {
    match name {
        "redirect-private" => "redirect-gateway",
        other => other,
    }
}
