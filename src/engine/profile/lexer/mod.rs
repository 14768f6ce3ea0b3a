//! Text to directives: comments, inline blocks, positions, limits. Knows no option.

mod token;

use zeroize::Zeroizing;

use super::error::{Place, ProfileError};
use crate::secret::SecretText;

pub use token::{Argument, tokenise};

/// The longest profile, in bytes.
pub const MAX_PROFILE: usize = 262_144;
/// The longest line outside of inline blocks, in bytes.
pub const MAX_LINE: usize = 4096;
/// The longest name of a directive, in bytes.
pub const MAX_NAME: usize = 64;

/// What the comments that Access Server understands begin with.
const META_PREFIX: &str = "OVPN_ACCESS_SERVER_";

/// One directive with all that belongs to it.
#[derive(Debug)]
pub struct Directive {
    /// The name, without leading `--`.
    pub name: String,
    /// The arguments, unquoted.
    pub args: Vec<Argument>,
    /// The content of an inline block; its lines end in `\n`.
    pub content: Option<SecretText>,
    /// The line, from 1; of an inline block the one that opens it.
    pub line: usize,
    /// The column of the name, from 1.
    pub column: usize,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a directive comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A comment of Access Server (`# OVPN_ACCESS_SERVER_...`).
    Meta,
    /// `setenv opt ...`: it may be unknown.
    Optional,
    /// An ordinary line.
    Plain,
}

/// All that a text holds, good and bad.
#[derive(Debug, Default)]
pub struct Lexed {
    /// The directives in the order of the text.
    pub directives: Vec<Directive>,
    /// What could not be read.
    pub errors: Vec<ProfileError>,
}

/// Takes a profile apart. `file` is its name for the error messages.
#[must_use]
pub fn lex(file: &str, text: &str) -> Lexed {
    if text.len() > MAX_PROFILE {
        let place = Place {
            file: file.to_owned(),
            ..Place::default()
        };
        return Lexed {
            directives: Vec::new(),
            errors: vec![ProfileError {
                place,
                directive: String::new(),
                reason: format!("the profile has {} bytes", text.len()),
                right: format!("at most {MAX_PROFILE} bytes"),
            }],
        };
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Programs in C leave the end of their text behind.
    let text = text.trim_end_matches('\0');
    if text.contains('\r') && !text.contains('\n') {
        // Line ends of the old Macintosh. The copy is erased: there may be keys in it.
        return lex_block(file, &Zeroizing::new(text.replace('\r', "\n")), 1);
    }
    lex_block(file, text, 1)
}

/// Takes the content of a `<connection>` block apart, whose first line is `first_line` of the profile.
#[must_use]
pub fn lex_block(file: &str, text: &str, first_line: usize) -> Lexed {
    let mut lexer = Lexer {
        file,
        lines: text.lines().enumerate().peekable(),
        first_line,
        out: Lexed::default(),
    };
    while let Some((index, line)) = lexer.lines.next() {
        lexer.line(first_line + index, line);
    }
    lexer.out
}

struct Lexer<'a> {
    file: &'a str,
    lines: std::iter::Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
    first_line: usize,
    out: Lexed,
}

impl Lexer<'_> {
    fn line(&mut self, number: usize, line: &str) {
        let line = line.trim_end_matches('\r');
        let trimmed = line.trim_start();
        if let Some(comment) = trimmed.strip_prefix(['#', ';']) {
            return self.comment(number, comment);
        }
        if let Some(at) = line.find('\0') {
            return self.error(number, at + 1, "", "a NUL byte", "a text file");
        }
        if trimmed.starts_with("-----BEGIN ") {
            return self.homeless(number);
        }
        if line.len() > MAX_LINE {
            let right =
                format!("at most {MAX_LINE} bytes; key material goes between <tag> and </tag>");
            return self.error(number, 0, "", "the line is too long", &right);
        }
        match tokenise(line) {
            Ok(tokens) => self.tokens(number, tokens),
            Err(bad) => self.error(number, bad.column(), "", &bad.to_string(), ""),
        }
    }

    fn tokens(&mut self, number: usize, tokens: Vec<Argument>) {
        let mut tokens = tokens.into_iter();
        let Some(first) = tokens.next() else { return };
        let args: Vec<Argument> = tokens.collect();
        if let Some(tag) = block_tag(&first.text) {
            return self.block(number, first.column, tag.to_owned(), &args);
        }
        let name = first.text.trim_start_matches("--").to_owned();
        let (name, column, args, origin) = unwrap_optional(name, first.column, args);
        if name.is_empty() || name.len() > MAX_NAME {
            let right = format!("a name of 1 to {MAX_NAME} bytes");
            return self.error(
                number,
                column,
                "",
                "this is not the name of an option",
                &right,
            );
        }
        if name.starts_with("</") {
            let reason = "the end of a block that was not begun";
            return self.error(number, column, &name, reason, "");
        }
        self.out.directives.push(Directive {
            name,
            args,
            content: None,
            line: number,
            column,
            origin,
        });
    }

    fn block(&mut self, number: usize, column: usize, tag: String, args: &[Argument]) {
        if let Some(extra) = args.first() {
            let right = "nothing but a comment after <tag>";
            self.error(
                number,
                extra.column,
                &tag,
                "more text after the begin of a block",
                right,
            );
        }
        let close = format!("</{tag}>");
        let mut content = String::new();
        loop {
            let Some((_, line)) = self.lines.next() else {
                let reason = format!("the block <{tag}> has no end");
                return self.error(number, column, &tag, &reason, &format!("a line {close}"));
            };
            if line.trim_start().starts_with(&close) {
                break;
            }
            content.push_str(line.trim_end_matches('\r'));
            content.push('\n');
        }
        let content = Some(SecretText::new(content));
        let origin = Origin::Plain;
        self.out.directives.push(Directive {
            name: tag,
            args: Vec::new(),
            content,
            line: number,
            column,
            origin,
        });
    }

    /// A key or certificate that stands in no block is passed over as one thing, and nothing of it is shown.
    fn homeless(&mut self, number: usize) {
        while let Some((_, line)) = self.lines.next_if(|(_, line)| !is_tag(line)) {
            if line.trim_start().starts_with("-----END ") {
                break;
            }
        }
        let right =
            "it stands between <tag> and </tag>, such as <ca>, <cert>, <key> or <tls-crypt>";
        let reason = "a certificate or a key outside of a block";
        self.error(number, 1, "", reason, right);
    }

    /// A comment means something if Access Server wrote it.
    fn comment(&mut self, number: usize, comment: &str) {
        let Some(meta) = comment.trim().strip_prefix(META_PREFIX) else {
            return;
        };
        let (name, text, content) = if let Some(name) = meta.strip_suffix("_START") {
            (name, None, Some(SecretText::new(self.meta_lines(name))))
        } else if let Some((name, value)) = meta.split_once('=') {
            (name, Some(value.trim().to_owned()), None)
        } else {
            return;
        };
        let args = text
            .map(|text| Argument { text, column: 1 })
            .into_iter()
            .collect();
        let name = name.to_owned();
        let origin = Origin::Meta;
        self.out.directives.push(Directive {
            name,
            args,
            content,
            line: number,
            column: 1,
            origin,
        });
    }

    /// The lines up to `_STOP`, or as far as there are comments.
    fn meta_lines(&mut self, name: &str) -> String {
        let stop = format!("{META_PREFIX}{name}_STOP");
        let mut content = String::new();
        while let Some(line) = self
            .lines
            .peek()
            .and_then(|(_, line)| line.trim().strip_prefix('#'))
        {
            self.lines.next();
            let line = line.trim();
            if line == stop {
                break;
            }
            content.push_str(line);
            content.push('\n');
        }
        content
    }

    fn error(&mut self, line: usize, column: usize, directive: &str, reason: &str, right: &str) {
        debug_assert!(line >= self.first_line, "lines count from the first");
        self.out.errors.push(ProfileError {
            place: Place {
                file: self.file.to_owned(),
                line,
                column,
            },
            directive: directive.to_owned(),
            reason: reason.to_owned(),
            right: right.to_owned(),
        });
    }
}

fn is_tag(line: &str) -> bool {
    line.trim_start().starts_with('<')
}

/// `<tag>` to `tag`.
fn block_tag(token: &str) -> Option<&str> {
    let tag = token.strip_prefix('<')?.strip_suffix('>')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!tag.is_empty() && tag.len() <= MAX_NAME && tag.chars().all(is_name)).then_some(tag)
}

/// `setenv opt X ...` is `X ...`, which may be unknown.
fn unwrap_optional(
    name: String,
    column: usize,
    mut args: Vec<Argument>,
) -> (String, usize, Vec<Argument>, Origin) {
    if name != "setenv" || args.len() < 2 || args.first().is_none_or(|first| first.text != "opt") {
        return (name, column, args, Origin::Plain);
    }
    let rest = args.split_off(2);
    let (name, column) = args.pop().map_or((name, column), |arg| {
        (arg.text.trim_start_matches("--").to_owned(), arg.column)
    });
    (name, column, rest, Origin::Optional)
}

#[cfg(test)]
mod tests;
