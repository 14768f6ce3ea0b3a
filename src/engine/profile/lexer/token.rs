//! One line to tokens: quotes, escapes and comments, as OpenVPN 2.x and 3 together have them.

use thiserror::Error;
use zeroize::Zeroizing;

/// One token of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The text, without quotes and escapes.
    pub text: String,
    /// Where it begins, from 1, in characters.
    pub column: usize,
}

/// A line that cannot be taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadLine {
    /// A quote without its partner.
    #[error("the quotation mark {mark} has no partner on its line")]
    Unbalanced {
        /// The mark.
        mark: char,
        /// Where it stands, from 1.
        column: usize,
    },
}

impl BadLine {
    /// Where on the line, from 1, in characters.
    #[must_use]
    pub const fn column(self) -> usize {
        match self {
            Self::Unbalanced { column, .. } => column,
        }
    }
}

/// Takes one line apart.
///
/// * White space separates; `#` and `;` begin a comment where a token could begin.
/// * Within double quotes all but the backslash is literal, within single quotes everything.
/// * A quote inside of a token quotes too if it has a partner on the line; else it is an ordinary character.
/// * A backslash before a letter or digit is literal (paths of Windows); before anything else it takes the meaning
///   away from it.
///
/// # Errors
///
/// [`BadLine::Unbalanced`] if a token begins with a quote that is never closed.
pub fn tokenise(line: &str) -> Result<Vec<Argument>, BadLine> {
    let mut scan = Scan {
        chars: Zeroizing::new(line.chars().collect()),
        at: 0,
    };
    let mut tokens = Vec::new();
    loop {
        while scan.peek().is_some_and(char::is_whitespace) {
            scan.at += 1;
        }
        match scan.peek() {
            None | Some('#' | ';') => return Ok(tokens),
            Some(_) => tokens.push(scan.token()?),
        }
    }
}

struct Scan {
    chars: Zeroizing<Vec<char>>,
    at: usize,
}

impl Scan {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    fn token(&mut self) -> Result<Argument, BadLine> {
        let start = self.at;
        // A pushed session token is a token too, and must not leave shorter copies behind while it grows.
        let ahead = self.chars.iter().skip(self.at);
        let bytes = ahead
            .take_while(|c| !c.is_whitespace())
            .map(|c| c.len_utf8());
        let mut text = String::with_capacity(bytes.sum());
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace()) {
            self.at += 1;
            match c {
                '"' | '\'' if self.has_partner(c) => self.quoted(c, &mut text),
                '"' | '\'' if self.at == start + 1 => {
                    return Err(BadLine::Unbalanced {
                        mark: c,
                        column: start + 1,
                    });
                }
                '\\' => self.escaped(&mut text),
                _ => text.push(c),
            }
        }
        Ok(Argument {
            text,
            column: start + 1,
        })
    }

    /// Whether the quote just read is closed later on the line.
    fn has_partner(&self, mark: char) -> bool {
        let mut rest = self.chars.get(self.at..).unwrap_or_default().iter();
        while let Some(&c) = rest.next() {
            if c == mark {
                return true;
            }
            if c == '\\' && mark == '"' {
                rest.next();
            }
        }
        false
    }

    fn quoted(&mut self, mark: char, text: &mut String) {
        while let Some(c) = self.next() {
            if c == mark {
                return;
            }
            if c == '\\' && mark == '"' {
                self.escaped(text);
            } else {
                text.push(c);
            }
        }
    }

    /// The character after a backslash.
    fn escaped(&mut self, text: &mut String) {
        match self.peek() {
            Some(c) if !c.is_alphanumeric() => {
                self.at += 1;
                text.push(c);
            }
            Some(_) | None => text.push('\\'),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(line: &str) -> Vec<String> {
        tokenise(line)
            .unwrap()
            .into_iter()
            .map(|token| token.text)
            .collect()
    }

    #[test]
    fn quotes_work_as_in_openvpn_2() {
        assert_eq!(
            texts(r#"--some-opt 'first parm' "second' 'parm""#),
            ["--some-opt", "first parm", "second' 'parm"]
        );
        assert_eq!(
            texts(r#""some opt" 'first" "parm' "second\" \"parm""#),
            ["some opt", "first\" \"parm", "second\" \"parm"]
        );
        assert_eq!(
            texts(r"some\\opt C:\\directory\\file"),
            [r"some\opt", r"C:\directory\file"]
        );
    }

    #[test]
    fn quotes_inside_of_a_token_work_as_in_openvpn_3() {
        assert_eq!(texts(r#"a"b c"d"#), ["ab cd"]);
        assert_eq!(texts(r#"say it"s"#), ["say", "it\"s"]);
    }

    #[test]
    fn a_comment_begins_where_a_token_could() {
        assert_eq!(
            texts("some-opt firstparm; second#parm"),
            ["some-opt", "firstparm;", "second#parm"]
        );
        assert_eq!(
            texts("some-opt firstparm # second"),
            ["some-opt", "firstparm"]
        );
        assert_eq!(
            texts("some-opt firstparm ; second"),
            ["some-opt", "firstparm"]
        );
        assert_eq!(texts("  # nothing"), [""; 0]);
    }

    #[test]
    fn an_unbalanced_quote_is_an_error_with_its_column() {
        assert_eq!(
            tokenise("some-opt 'first"),
            Err(BadLine::Unbalanced {
                mark: '\'',
                column: 10
            })
        );
        assert!(tokenise(r#"opt "a\""#).is_err());
    }

    #[test]
    fn a_path_of_windows_survives() {
        assert_eq!(
            texts(r#"ca C:\Users\me\ca.crt "D:\my files\x""#),
            ["ca", r"C:\Users\me\ca.crt", r"D:\my files\x"]
        );
        assert_eq!(texts(r"a\ b c\"), ["a b", r"c\"]);
    }

    #[test]
    fn an_empty_token_can_be_written() {
        assert_eq!(texts(r#"setenv X """#), ["setenv", "X", ""]);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*") {
            let _ = tokenise(&line);
        }

        #[test]
        fn a_quoted_token_comes_back(text in "[^\\p{Cc}]{0,40}") {
            let quoted: String = text
                .chars()
                .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
                .collect();
            prop_assert_eq!(texts(&format!("x \"{quoted}\"")), vec!["x".to_owned(), text]);
        }
    }
}
