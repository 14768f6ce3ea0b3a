//! A push message to its options: commas, quotes, escapes, continuation.

use super::PushError;

/// All parts of a push together, in bytes.
pub const MAX_PUSH: usize = 786_432;

/// Takes the text behind `prefix` (`PUSH_REPLY`, `PUSH_UPDATE`) apart at its commas. A comma within quotes or after a
/// backslash belongs to the option. Options keep their quotes.
///
/// # Errors
///
/// [`PushError::Malformed`] if the message does not begin with `prefix` and a comma (or its end), or is too long.
pub fn split(message: &str, prefix: &str) -> Result<Vec<String>, PushError> {
    if message.len() > MAX_PUSH {
        return Err(PushError::Malformed(format!(
            "{} bytes are too many",
            message.len()
        )));
    }
    let malformed = || PushError::Malformed(format!("no comma after {prefix}"));
    let rest = message.strip_prefix(prefix).ok_or_else(malformed)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    let rest = rest.strip_prefix(',').ok_or_else(malformed)?;
    if rest.is_empty() {
        return Ok(Vec::new());
    }
    Ok(items(rest))
}

/// Whether more parts follow (`push-continuation 2`) or this is the last of several (1); `None` if the message stands
/// alone.
#[must_use]
pub fn continuation(items: &[String]) -> Option<u8> {
    items
        .iter()
        .rev()
        .find_map(|item| item.trim().strip_prefix("push-continuation "))
        .and_then(|number| number.trim().parse().ok())
}

/// Each as long as it is from the beginning: a token among them leaves no shorter copies behind.
fn items(text: &str) -> Vec<String> {
    let item = |from, to| text.get(from..to).unwrap_or_default().to_owned();
    let mut items = Vec::new();
    let mut start = 0;
    let mut quoted = None;
    let mut before = ',';
    let last_double = last_quote(text);
    let last_single = text.rfind('\'');
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        let opens = match c {
            // A quote that nothing closes is an ordinary character.
            '"' => last_double.is_some_and(|last| at < last),
            // So is an apostrophe within a word.
            '\'' => last_single.is_some_and(|last| at < last) && begins_word(before),
            _ => false,
        };
        match c {
            _ if quoted == Some(c) => quoted = None,
            '\\' if quoted != Some('\'') => {
                chars.next();
            }
            _ if quoted.is_some() => {}
            ',' => {
                items.push(item(start, at));
                start = at + 1;
            }
            _ if opens => quoted = Some(c),
            _ => {}
        }
        before = c;
    }
    items.push(item(start, text.len()));
    items
}

fn begins_word(before: char) -> bool {
    before == ',' || before.is_whitespace()
}

/// Where the last double quote stands that no backslash makes an ordinary character.
fn last_quote(text: &str) -> Option<usize> {
    let mut last = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '"' => last = Some(at),
            _ => {}
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_and_escapes_protect_commas() {
        let message = r#"PUSH_UPDATE,echo "one,two,three",,route 1.2.3.4,echo \",echo "foo",echo \,,echo fin,"#;
        assert_eq!(
            split(message, "PUSH_UPDATE").unwrap(),
            [
                r#"echo "one,two,three""#,
                "",
                "route 1.2.3.4",
                r#"echo \""#,
                r#"echo "foo""#,
                r"echo \,",
                "echo fin",
                ""
            ]
        );
    }

    #[test]
    fn a_push_of_nothing_is_legal() {
        assert_eq!(split("PUSH_UPDATE,", "PUSH_UPDATE"), Ok(vec![]));
        assert_eq!(split("PUSH_REPLY", "PUSH_REPLY"), Ok(vec![]));
    }

    #[test]
    fn another_word_is_not_a_push() {
        assert!(split("PUSH_FOO,route 1.2.3.4", "PUSH_REPLY").is_err());
        assert!(split("PUSH_REPLYX", "PUSH_REPLY").is_err());
        assert!(split("PUSH_UPDATE ,", "PUSH_UPDATE").is_err());
    }

    #[test]
    fn a_quote_that_nothing_closes_swallows_nothing() {
        assert_eq!(
            split("P,echo 5\",route 1.2.3.4", "P").unwrap(),
            ["echo 5\"", "route 1.2.3.4"]
        );
        assert_eq!(
            split("P,echo '5,route 1.2.3.4", "P").unwrap(),
            ["echo '5", "route 1.2.3.4"]
        );
    }

    #[test]
    fn single_quotes_protect_commas_and_apostrophes_do_not() {
        assert_eq!(
            split("P,echo 'abc,def',route 1.2.3.4", "P").unwrap(),
            ["echo 'abc,def'", "route 1.2.3.4"]
        );
        assert_eq!(
            split("P,echo it's here,route 1.2.3.4,echo that's all", "P").unwrap(),
            ["echo it's here", "route 1.2.3.4", "echo that's all"]
        );
        assert_eq!(
            split(r#"P,echo 'a"b,c\',echo "d',e""#, "P").unwrap(),
            [r#"echo 'a"b,c\'"#, r#"echo "d',e""#]
        );
    }

    #[test]
    fn the_continuation_is_found() {
        let items = |text: &str| split(text, "P").unwrap();
        assert_eq!(
            continuation(&items("P,route 1.2.3.4,push-continuation 2")),
            Some(2)
        );
        assert_eq!(continuation(&items("P,push-continuation 1")), Some(1));
        assert_eq!(continuation(&items("P,route 1.2.3.4")), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_the_commas(text in "([a-z \\\\\",]|\\PC)*") {
            let message = format!("P,x{text}");
            prop_assert_eq!(split(&message, "P").unwrap().join(","), &message[2..]);
        }
    }
}
