//! Arguments to numbers, times and addresses, and what is said when one is wrong.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// Whether an option's text may do what only the user may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The server. `host_names`: its routes may name hosts.
    Server {
        /// `allow-pull-fqdn`.
        host_names: bool,
    },
    /// The profile.
    User,
}

/// An argument that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{reason} (right: {right})")]
pub struct BadValue {
    /// Which argument, from 0.
    pub argument: usize,
    /// What is wrong with it.
    pub reason: String,
    /// What would be right.
    pub right: String,
}

impl BadValue {
    /// Says that `text` is wrong.
    pub(crate) fn new(argument: usize, text: &str, right: impl Into<String>) -> Self {
        Self {
            argument,
            reason: format!("\"{text}\" does not fit"),
            right: right.into(),
        }
    }

    /// Says why in full.
    pub(crate) fn because(
        argument: usize,
        reason: impl Into<String>,
        right: impl Into<String>,
    ) -> Self {
        Self {
            argument,
            reason: reason.into(),
            right: right.into(),
        }
    }
}

/// The argument at `index`, which the table guarantees or which is then missing.
pub(crate) fn word<'a>(args: &[&'a str], index: usize) -> Result<&'a str, BadValue> {
    args.get(index)
        .copied()
        .ok_or_else(|| BadValue::because(index, "an argument is missing", "one more argument"))
}

/// A number within `range`.
pub(crate) fn number<T>(
    args: &[&str],
    index: usize,
    range: RangeInclusive<T>,
) -> Result<T, BadValue>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let text = word(args, index)?;
    text.parse()
        .ok()
        .filter(|n| range.contains(n))
        .ok_or_else(|| {
            BadValue::new(
                index,
                text,
                format!("a number from {} to {}", range.start(), range.end()),
            )
        })
}

/// A number of seconds.
pub(crate) fn seconds(args: &[&str], index: usize) -> Result<Duration, BadValue> {
    number(args, index, 0..=u32::MAX).map(|n: u32| Duration::from_secs(n.into()))
}

/// A time that must not be zero, in seconds.
pub(crate) fn at_least_a_second(args: &[&str], index: usize) -> Result<Duration, BadValue> {
    number(args, index, 1..=u32::MAX).map(|n: u32| Duration::from_secs(n.into()))
}

/// The size of a socket's buffer; zero leaves it as it is.
pub(crate) fn buffer(args: &[&str]) -> Result<Option<u32>, BadValue> {
    number(args, 0, 0..=u32::MAX).map(|size| Some(size).filter(|size| *size > 0))
}

/// One of several words.
pub(crate) fn choice<T: Copy>(
    args: &[&str],
    index: usize,
    words: &[(&str, T)],
) -> Result<T, BadValue> {
    let text = word(args, index)?;
    words
        .iter()
        .find(|(word, _)| *word == text)
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let right = match words.as_slice() {
                [only] => (*only).to_owned(),
                several => format!("one of: {}", several.join(", ")),
            };
            BadValue::new(index, text, right)
        })
}

/// Anything with a text form; `right` describes it.
pub(crate) fn parsed<T: FromStr>(args: &[&str], index: usize, right: &str) -> Result<T, BadValue> {
    let text = word(args, index)?;
    text.parse().map_err(|_| BadValue::new(index, text, right))
}

/// A netmask to its prefix length.
pub(crate) fn netmask(args: &[&str], index: usize) -> Result<u8, BadValue> {
    let mask: Ipv4Addr = parsed(args, index, "a netmask like 255.255.255.0")?;
    prefix_of(mask).ok_or_else(|| {
        BadValue::new(
            index,
            &mask.to_string(),
            "a netmask whose ones stand in front",
        )
    })
}

/// The prefix length of a netmask whose ones stand in front.
pub(crate) fn prefix_of(mask: Ipv4Addr) -> Option<u8> {
    ipnet::ip_mask_to_prefix(mask.into()).ok()
}

/// A host: an address (with or without brackets) or a name.
pub(crate) fn host(args: &[&str], index: usize) -> Result<String, BadValue> {
    let text = word(args, index)?;
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if bare.parse::<std::net::IpAddr>().is_ok() || is_host_name(bare) {
        return Ok(bare.to_owned());
    }
    let right = if text.contains("://") {
        "the name of the host alone, without :// and what stands around it"
    } else if bare.contains(':') && !bare.contains("::") {
        "a host name or an IP address; the port follows after a blank"
    } else {
        "a host name or an IP address"
    };
    Err(BadValue::new(index, text, right))
}

/// Whether a text could be a host name or a DNS domain.
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty() && text.len() <= 255 && text.chars().all(label)
}

/// Bytes written in hexadecimal, with or without colons.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(hex_digit)
        .collect::<Option<_>>()?;
    if digits.len() % 2 != 0 {
        return None;
    }
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect(),
    )
}

fn hex_digit(c: char) -> Option<u8> {
    c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// A port.
///
/// # Errors
///
/// [`BadValue`] if it is none.
pub fn port(args: &[&str], index: usize) -> Result<u16, BadValue> {
    number(args, index, 1..=u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_out_of_range_says_what_would_be_right() {
        assert_eq!(
            number(&["70000"], 0, 1..=65535_u32)
                .unwrap_err()
                .to_string(),
            "\"70000\" does not fit (right: a number from 1 to 65535)"
        );
        assert_eq!(number(&["5"], 0, 1..=9_u8), Ok(5));
    }

    #[test]
    fn a_netmask_must_be_contiguous() {
        assert_eq!(netmask(&["255.255.254.0"], 0), Ok(23));
        assert!(netmask(&["255.0.255.0"], 0).is_err());
    }

    #[test]
    fn hexadecimal_is_read_with_and_without_colons() {
        assert_eq!(hex("AA:0b"), Some(vec![0xaa, 0x0b]));
        assert_eq!(hex("aa0B"), Some(vec![0xaa, 0x0b]));
        assert_eq!(hex("aa0"), None);
        assert_eq!(hex("xy"), None);
    }

    #[test]
    fn brackets_around_an_address_are_dropped() {
        assert_eq!(host(&["[2001:db8::1]"], 0), Ok("2001:db8::1".into()));
        assert!(host(&["a b"], 0).is_err());
    }
}
