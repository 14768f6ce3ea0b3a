//! A cursor over DER, for the few structures that private keys and PKCS#12 bundles need.

use std::borrow::Cow;

use x509_parser::der_parser::oid::Oid;
use zeroize::Zeroizing;

use super::PkiError;

/// What is left of the contents of one constructed value. Each read names what it wants, for the error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Der<'a> {
    rest: &'a [u8],
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed: an explicit tag.
pub(super) const CONTEXT_0: u8 = 0xa0;
/// `[0]`, primitive: an implicit tag.
pub(super) const CONTEXT_0_PRIMITIVE: u8 = 0x80;

impl<'a> Der<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    pub(super) const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The tag of the next value.
    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value, whatever it is: its tag and its contents.
    pub(super) fn any(&mut self, what: &'static str) -> Result<(u8, &'a [u8]), PkiError> {
        let (tag, length, header) = head(self.rest).ok_or(PkiError::Malformed(what))?;
        let length = length.ok_or(PkiError::Malformed(what))?;
        let end = header
            .checked_add(length)
            .ok_or(PkiError::Malformed(what))?;
        let contents = self
            .rest
            .get(header..end)
            .ok_or(PkiError::Malformed(what))?;
        self.rest = &self.rest[end..];
        Ok((tag, contents))
    }

    /// The next value as it stands there, tag and length before its contents.
    pub(super) fn whole(&mut self, what: &'static str) -> Result<&'a [u8], PkiError> {
        let before = self.rest;
        self.any(what)?;
        Ok(&before[..before.len() - self.rest.len()])
    }

    /// The contents of the next value, which has this tag.
    pub(super) fn value(&mut self, tag: u8, what: &'static str) -> Result<&'a [u8], PkiError> {
        match self.any(what)? {
            (found, contents) if found == tag => Ok(contents),
            _ => Err(PkiError::Malformed(what)),
        }
    }

    /// The contents of the next value if it has this tag; nothing is consumed otherwise.
    pub(super) fn optional(
        &mut self,
        tag: u8,
        what: &'static str,
    ) -> Result<Option<&'a [u8]>, PkiError> {
        if self.peek() == Some(tag) {
            self.value(tag, what).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn sequence(&mut self, what: &'static str) -> Result<Self, PkiError> {
        self.value(SEQUENCE, what).map(Self::new)
    }

    /// An integer that fits 32 bits and is not negative.
    pub(super) fn number(&mut self, what: &'static str) -> Result<u32, PkiError> {
        let bytes = self.value(INTEGER, what)?;
        let significant = match bytes {
            [0, rest @ ..] => rest,
            bytes => bytes,
        };
        if bytes.is_empty() || bytes[0] >= 0x80 || significant.len() > 4 {
            return Err(PkiError::Malformed(what));
        }
        Ok(significant
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// An object identifier in dotted form.
    pub(super) fn oid(&mut self, what: &'static str) -> Result<String, PkiError> {
        let bytes = self.value(OBJECT_IDENTIFIER, what)?;
        Ok(Oid::new(Cow::Borrowed(bytes)).to_id_string())
    }

    /// An `AlgorithmIdentifier`: the algorithm in dotted form, and its parameters.
    pub(super) fn algorithm(&mut self, what: &'static str) -> Result<(String, Self), PkiError> {
        let mut inside = self.sequence(what)?;
        let name = inside.oid(what)?;
        Ok((name, inside))
    }
}

/// Rewrites BER with indefinite lengths and strings in pieces, as some programs export bundles, into definite lengths
/// and whole strings.
pub(super) fn from_ber(ber: &[u8]) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let mut out = Zeroizing::new(Vec::with_capacity(ber.len() + 64));
    let mut rest = ber;
    rewrite(&mut rest, &mut out, 0)?;
    Ok(out)
}

fn rewrite(rest: &mut &[u8], out: &mut Vec<u8>, depth: usize) -> Result<(), PkiError> {
    const WHAT: PkiError = PkiError::Malformed("a PKCS#12 bundle");
    if depth > DEEPEST {
        return Err(WHAT);
    }
    let (tag, length, header) = head(rest).ok_or(WHAT)?;
    let contents = &rest[header..];
    let is_constructed = tag & 0x20 != 0;
    let mut inner = match length {
        Some(length) => contents.get(..length).ok_or(WHAT)?,
        None if is_constructed => contents,
        None => return Err(WHAT),
    };
    let after = inner.len();
    let mut body = Zeroizing::new(Vec::new());
    if is_constructed {
        while !(inner.is_empty() || length.is_none() && inner.starts_with(&[0, 0])) {
            rewrite(&mut inner, &mut body, depth + 1)?;
        }
    } else {
        body.extend_from_slice(inner);
    }
    *rest = match length {
        Some(_) => &contents[after..],
        None => inner.get(2..).ok_or(WHAT)?,
    };
    if tag == OCTET_STRING | 0x20 {
        let whole = join_pieces(&body)?;
        write(OCTET_STRING, &whole, out);
    } else {
        write(tag, &body, out);
    }
    Ok(())
}

/// The contents of a row of octet strings, as one.
pub(super) fn join_pieces(body: &[u8]) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let mut pieces = Der::new(body);
    let mut whole = Zeroizing::new(Vec::with_capacity(body.len()));
    while !pieces.is_empty() {
        whole.extend_from_slice(pieces.value(OCTET_STRING, "an octet string")?);
    }
    Ok(whole)
}

fn write(tag: u8, body: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    if body.len() < 0x80 {
        out.extend(u8::try_from(body.len()));
    } else {
        let length = body.len().to_be_bytes();
        let zeros = length.iter().take_while(|byte| **byte == 0).count();
        let digits = &length[zeros..];
        out.extend(u8::try_from(digits.len()).map(|count| 0x80 | count));
        out.extend_from_slice(digits);
    }
    out.extend_from_slice(body);
}

/// Tag, length (`None`: indefinite), and how long these two are themselves.
fn head(bytes: &[u8]) -> Option<(u8, Option<usize>, usize)> {
    let (tag, rest) = bytes.split_first()?;
    if tag & 0x1f == 0x1f {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    match first {
        0..0x80 => Some((*tag, Some(usize::from(*first)), 2)),
        0x80 => Some((*tag, None, 2)),
        _ => {
            let count = usize::from(first & 0x7f);
            if count > 4 {
                return None;
            }
            let digits = rest.get(..count)?;
            let length = digits
                .iter()
                .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
            Some((*tag, Some(length), 2 + count))
        }
    }
}

/// No structure that is read here is nested deeper.
const DEEPEST: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn indefinite_lengths_and_pieces_become_definite_and_whole() {
        let ber = [
            0x30, 0x80, 0x24, 0x80, 0x04, 0x02, 1, 2, 0x04, 0x01, 3, 0, 0, 0x02, 0x01, 5, 0, 0,
        ];
        let der = from_ber(&ber).unwrap();
        assert_eq!(*der, [0x30, 0x08, 0x04, 0x03, 1, 2, 3, 0x02, 0x01, 5]);
    }

    #[test]
    fn numbers_are_read_up_to_32_bits() {
        assert_eq!(Der::new(&[2, 2, 8, 0]).number("n"), Ok(2048));
        assert_eq!(
            Der::new(&[2, 5, 0, 0xff, 0xff, 0xff, 0xff]).number("n"),
            Ok(u32::MAX)
        );
        assert!(Der::new(&[2, 1, 0x80]).number("n").is_err());
        assert!(Der::new(&[2, 5, 1, 0, 0, 0, 0]).number("n").is_err());
        assert!(Der::new(&[2, 0]).number("n").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut der = Der::new(&bytes);
            while der.any("x").is_ok() {}
            drop(from_ber(&bytes));
        }

        #[test]
        fn der_stays_as_it_is(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut inner = Vec::new();
            write(OCTET_STRING, &body, &mut inner);
            let mut der = Vec::new();
            write(SEQUENCE, &inner, &mut der);
            prop_assert_eq!(&*from_ber(&der).unwrap(), &der);
        }
    }
}
