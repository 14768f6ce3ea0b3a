//! Directives to `Profile`; the only place that knows both.

mod ahead;
mod check;
mod login;
mod proxy;
mod remote;
mod session;
mod setenv;
mod tls;

use std::collections::BTreeSet;
use std::sync::Arc;

use self::ahead::Ahead;
use self::remote::{Draft, Entry};
use self::tls::TlsDraft;
use super::error::{Note, Place, ProfileError};
use super::lexer::{Directive, Origin, lex, lex_block};
use super::model::{Material, Profile};
use super::table::{self, Scope, Treatment};
use super::tunnel::{Applied, Author};
use super::value::{BadValue, word};
use crate::secret::SecretBytes;
use crate::settings::Transport;

/// Reads a file that the profile names.
pub type Load<'a> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'a;

impl Profile {
    /// Understands the text of a profile. `name` is what it is called in messages; `load` reads the files it names.
    ///
    /// # Errors
    ///
    /// All that is wrong with the profile, in the order of its lines.
    pub fn parse(
        name: &str,
        text: &str,
        load: &mut Load<'_>,
    ) -> Result<(Self, Vec<Note>), Vec<ProfileError>> {
        let examined = Self::examine(name, text, load);
        if examined.errors.is_empty() {
            Ok((examined.profile, examined.notes))
        } else {
            Err(examined.errors)
        }
    }

    /// The same, with all that can be understood of a profile that has errors.
    pub fn examine(name: &str, text: &str, load: &mut Load<'_>) -> Examined {
        let lexed = lex(name, text);
        let mut interpreter = Interpreter::new(name, load);
        interpreter.errors = lexed.errors;
        interpreter.foresee(&lexed.directives);
        for directive in &lexed.directives {
            interpreter.directive(directive);
        }
        interpreter.finish()
    }
}

/// What there is to say about a profile's text.
#[derive(Debug)]
pub struct Examined {
    /// What could be understood; not to be used if there are errors.
    pub profile: Profile,
    /// What works differently from what one might expect.
    pub notes: Vec<Note>,
    /// All that is wrong, in the order of the lines.
    pub errors: Vec<ProfileError>,
}

/// The profile while it is being understood.
struct Interpreter<'a, 'l> {
    file: &'a str,
    load: &'a mut Load<'l>,
    profile: Profile,
    errors: Vec<ProfileError>,
    notes: Vec<Note>,
    /// What the lines after one have for it.
    ahead: Ahead,
    /// `ignore-unknown-option`.
    ignorable: BTreeSet<String>,
    /// `setenv FORWARD_COMPATIBLE 1`: nothing unknown is an error.
    forward_compatible: bool,
    /// The remotes and blocks in the order of the profile.
    entries: Vec<Entry>,
    /// What holds for all remotes.
    common: Draft,
    tls: TlsDraft,
    role: Role,
    /// `proto-force`.
    forced: Option<Transport>,
}

/// Whether the profile is a client's.
#[derive(Debug, Default)]
struct Role {
    pull: bool,
    tls_client: bool,
}

impl<'a, 'l> Interpreter<'a, 'l> {
    fn new(file: &'a str, load: &'a mut Load<'l>) -> Self {
        Self {
            file,
            load,
            profile: Profile::empty(file),
            errors: Vec::new(),
            notes: Vec::new(),
            ahead: Ahead::default(),
            ignorable: BTreeSet::new(),
            forward_compatible: false,
            entries: Vec::new(),
            common: Draft::default(),
            tls: TlsDraft::default(),
            role: Role::default(),
            forced: None,
        }
    }

    /// What has to be known before the first directive is judged.
    fn foresee(&mut self, directives: &[Directive]) {
        self.ahead.add(directives);
        for directive in directives {
            let args = texts(directive);
            match (directive.name.as_str(), args.as_slice()) {
                ("ignore-unknown-option", names) => {
                    self.ignorable
                        .extend(names.iter().map(|name| (*name).to_owned()));
                }
                ("setenv", ["FORWARD_COMPATIBLE", "1"]) => self.forward_compatible = true,
                _ => {}
            }
        }
    }

    fn directive(&mut self, directive: &Directive) {
        if directive.origin == Origin::Meta {
            return self.meta(directive);
        }
        if self.permitted(directive, Scope::PROFILE) {
            let outcome = self.apply(directive, &texts(directive));
            self.settle(directive, outcome);
        }
    }

    /// Whether the table lets the directive stand here, with these arguments, and it is to be honoured.
    fn permitted(&mut self, directive: &Directive, scope: Scope) -> bool {
        let Some(row) = table::find(&directive.name) else {
            self.unknown(directive);
            return false;
        };
        if !row.scope.holds(scope) {
            let (reason, right) = if scope == Scope::CONNECTION {
                (
                    "it may not stand within <connection>",
                    "on a line of its own outside of the block",
                )
            } else {
                ("only a server may say this, by pushing it", "leave it out")
            };
            self.error(directive, 0, reason, right);
            return false;
        }
        match row.treatment {
            Treatment::Honour => {}
            Treatment::Implied(_) => return false,
            Treatment::Ignore(why) => {
                let text = format!("it has no effect: {why}");
                if SCRIPTS.contains(&directive.name.as_str()) {
                    self.note(directive, text);
                } else {
                    self.minor_note(directive, text);
                }
                return false;
            }
            Treatment::Refuse(why) if directive.origin == Origin::Optional => {
                self.minor_note(directive, format!("it has no effect: {why}"));
                return false;
            }
            Treatment::Refuse(why) => {
                self.error(directive, 0, why, "");
                return false;
            }
        }
        if directive.content.is_some() {
            if !row.inline {
                self.error(
                    directive,
                    0,
                    "it cannot be written as a block",
                    "on one line",
                );
            }
            return row.inline;
        }
        let given = directive.args.len();
        if row.args.contains(&given) {
            return true;
        }
        let column = directive
            .args
            .get(*row.args.end())
            .map_or(0, |extra| extra.column);
        self.error(
            directive,
            column,
            &format!("it has {}", arguments(given)),
            &arity(row),
        );
        false
    }

    fn unknown(&mut self, directive: &Directive) {
        let excused = directive.origin == Origin::Optional
            || self.forward_compatible
            || self.ignorable.contains(&directive.name);
        if excused {
            return self.minor_note(directive, "this client does not know it".to_owned());
        }
        // Nobody reads hundreds of guesses, and a hostile profile could ask for a hundred thousand.
        let few = self.errors.len() < 100;
        let guess = few.then(|| table::closest(&directive.name)).flatten();
        let right = guess.map_or_else(String::new, |name| format!("perhaps {name}"));
        self.error(directive, 0, "there is no such option", &right);
    }

    fn apply(&mut self, directive: &Directive, args: &[&str]) -> Result<Applied, BadValue> {
        if directive.name == "connection" {
            self.connection(directive);
            return Ok(Applied::Done);
        }
        let mut applied = self.apply_common_remote(directive, args)?;
        if applied == Applied::NotMine {
            applied = self
                .profile
                .tunnel
                .apply(&directive.name, args, Author::User)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_tls(directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_login(directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_session(directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_timing(directive, args)?;
        }
        Ok(applied)
    }

    /// A `<connection>` block: a profile of its own for one remote.
    fn connection(&mut self, block: &Directive) {
        let Some(content) = &block.content else {
            return self.error(block, 0, "it is a block", "<connection> ... </connection>");
        };
        let lexed = lex_block(self.file, content.expose(), block.line + 1);
        self.errors.extend(lexed.errors);
        let mut draft = Draft::default();
        let mut remotes = Vec::new();
        let outside = self.ahead.clone();
        self.ahead.add(&lexed.directives);
        for directive in &lexed.directives {
            if !self.permitted(directive, Scope::CONNECTION) {
                continue;
            }
            let args = texts(directive);
            let outcome = if directive.name == "remote" {
                remote::remote(directive, &args).map(|remote| {
                    remotes.push(remote);
                    Applied::Done
                })
            } else {
                self.apply_to_remote(&mut draft, directive, &args)
            };
            self.settle(directive, outcome);
        }
        self.ahead = outside;
        if let Some(second) = lexed
            .directives
            .iter()
            .filter(|one| one.name == "remote")
            .nth(1)
        {
            let text = "other clients take one remote for each block; here all of them are tried";
            self.note(second, text.to_owned());
        }
        if remotes.is_empty() {
            self.error(
                block,
                0,
                "the block has no remote",
                "remote HOST [PORT [PROTO]]",
            );
        }
        self.entries.push(Entry {
            remotes,
            draft: Some(draft),
        });
    }

    fn settle(&mut self, directive: &Directive, outcome: Result<Applied, BadValue>) {
        match outcome {
            Ok(Applied::Done) => {}
            Ok(Applied::Ignored(why))
                if matches!(directive.name.as_str(), "setenv" | "tls-version-min") =>
            {
                self.minor_note(directive, format!("it has no effect: {why}"));
            }
            Ok(Applied::Ignored(why)) => self.note(directive, format!("it has no effect: {why}")),
            Ok(Applied::NotMine) => {
                self.error(directive, 0, "it may not stand here", "leave it out");
            }
            // A route that cannot be is a loss, but no reason to have no tunnel.
            Err(bad) if matches!(directive.name.as_str(), "route" | "route-ipv6") => {
                self.note(directive, format!("it is left out: {bad}"));
            }
            Err(bad) if directive.origin == Origin::Optional => {
                self.note(directive, format!("it is left out: {bad}"));
            }
            Err(bad) => {
                let column = directive.args.get(bad.argument).map_or(0, |arg| arg.column);
                self.error(directive, column, &bad.reason, &bad.right);
            }
        }
    }

    /// The content of a block, or of the file that an argument names; `None` for the old `[inline]`, whose block comes
    /// on its own.
    fn material(&mut self, directive: &Directive) -> Result<Option<Material>, BadValue> {
        if self.ahead.supersedes(directive) {
            let text = "it is not read: what follows takes its place";
            self.note(directive, text.to_owned());
            return Ok(None);
        }
        let place = self.place(directive.line, directive.column);
        if let Some(content) = &directive.content {
            let bytes = content.expose().as_bytes().to_vec();
            let content = Arc::new(SecretBytes::new(bytes));
            return Ok(Some(Material {
                place,
                file: None,
                content,
            }));
        }
        let file = directive.args.first().map_or("", |arg| arg.text.as_str());
        if file == INLINE {
            return self.ahead.block_of(directive).map(|()| None);
        }
        let content = Arc::new(SecretBytes::new(self.file_content(file)?));
        Ok(Some(Material {
            place,
            file: Some(file.to_owned()),
            content,
        }))
    }

    fn file_content(&mut self, file: &str) -> Result<Vec<u8>, BadValue> {
        (self.load)(file).map_err(|why| {
            let right = "a file beside the profile, or the content between <tag> and </tag>";
            BadValue::because(0, format!("the file {file} cannot be read: {why}"), right)
        })
    }

    fn place(&self, line: usize, column: usize) -> Place {
        Place {
            file: self.file.to_owned(),
            line,
            column,
        }
    }

    fn error(&mut self, directive: &Directive, column: usize, reason: &str, right: &str) {
        let column = if column == 0 {
            directive.column
        } else {
            column
        };
        self.errors.push(ProfileError {
            place: self.place(directive.line, column),
            directive: directive.name.clone(),
            reason: reason.to_owned(),
            right: right.to_owned(),
        });
    }

    fn note(&mut self, directive: &Directive, text: String) {
        let place = self.place(directive.line, directive.column);
        self.notes.push(Note {
            place,
            directive: directive.name.clone(),
            text,
            minor: false,
        });
    }

    /// A note that nobody needs to act on.
    fn minor_note(&mut self, directive: &Directive, text: String) {
        self.note(directive, text);
        if let Some(note) = self.notes.last_mut() {
            note.minor = true;
        }
    }
}

/// What would have run a program that the profile's author counts on.
const SCRIPTS: &[&str] = &[
    "dns-updown",
    "down",
    "down-pre",
    "ipchange",
    "plugin",
    "route-pre-down",
    "route-up",
    "tls-verify",
    "up",
];

/// What stands in a file's place where a block of the same name has the content.
const INLINE: &str = "[inline]";

fn texts(directive: &Directive) -> Vec<&str> {
    directive.args.iter().map(|arg| arg.text.as_str()).collect()
}

/// The lines of an inline block or of a small file, without those that say nothing.
fn words_in(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

fn arguments(n: usize) -> String {
    match n {
        0 => "no argument".to_owned(),
        1 => "1 argument".to_owned(),
        n => format!("{n} arguments"),
    }
}

fn arity(row: &table::OptionRow) -> String {
    let (least, most) = (*row.args.start(), *row.args.end());
    let number = if least == most {
        arguments(least)
    } else if most == usize::MAX {
        format!("at least {}", arguments(least))
    } else {
        format!("{least} to {}", arguments(most))
    };
    format!("{number}. {}", row.help.trim_end_matches('.'))
}

/// 0 or 1.
fn switch(args: &[&str], index: usize) -> Result<bool, BadValue> {
    match word(args, index)? {
        "0" => Ok(false),
        "1" => Ok(true),
        other => Err(BadValue::new(index, other, "0 or 1")),
    }
}

#[cfg(test)]
mod tests;
