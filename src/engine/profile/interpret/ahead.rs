//! What must be known of the lines that follow: which files are not read, and which blocks there are.

use std::collections::{BTreeMap, BTreeSet};

use super::super::lexer::Directive;
use super::super::value::BadValue;
use super::INLINE;

/// The options whose content is a file or a block, and of which the last one counts.
const MATERIALS: &[&str] = &[
    "askpass",
    "auth-user-pass",
    "ca",
    "cert",
    "crl-verify",
    "extra-certs",
    "http-proxy-user-pass",
    "key",
    "pkcs12",
    "tls-auth",
    "tls-crypt",
    "tls-crypt-v2",
];

/// What the lines of a profile or of a `<connection>` block have for those before them.
#[derive(Debug, Clone, Default)]
pub(super) struct Ahead {
    /// The lines whose file or block is not used, since a later one of the same name takes its place.
    superseded: BTreeSet<usize>,
    /// The names of all blocks.
    blocks: BTreeSet<String>,
}

impl Ahead {
    /// Looks at all lines of a profile or of a block.
    pub(super) fn add(&mut self, directives: &[Directive]) {
        let mut last: BTreeMap<&str, &Directive> = BTreeMap::new();
        for directive in directives {
            if directive.content.is_some() {
                self.blocks.insert(directive.name.clone());
            }
            if MATERIALS.contains(&directive.name.as_str()) && has_content(directive) {
                last.insert(&directive.name, directive);
            }
        }
        for directive in directives {
            let Some(last) = last.get(directive.name.as_str()) else {
                continue;
            };
            // Several blocks of the same name are all used; a file stands for all that it takes the place of.
            let both_blocks = directive.content.is_some() && last.content.is_some();
            if has_content(directive) && directive.line < last.line && !both_blocks {
                self.superseded.insert(directive.line);
            }
        }
    }

    /// Whether a later line takes the directive's place.
    pub(super) fn supersedes(&self, directive: &Directive) -> bool {
        self.superseded.contains(&directive.line)
    }

    /// The block that an old `NAME [inline]` promises.
    pub(super) fn block_of(&self, directive: &Directive) -> Result<(), BadValue> {
        let name = &directive.name;
        if self.blocks.contains(name) {
            return Ok(());
        }
        let reason = format!("the block <{name}> is missing");
        let right = format!("the content between <{name}> and </{name}>, or a file");
        Err(BadValue::because(0, reason, right))
    }
}

/// Whether a directive names a file or is a block.
fn has_content(directive: &Directive) -> bool {
    let names_file = |argument: &str| !matches!(argument, INLINE | "username-only");
    directive.content.is_some()
        || directive
            .args
            .first()
            .is_some_and(|first| names_file(&first.text))
}
