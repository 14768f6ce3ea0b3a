//! A cursor that only moves forward and cannot panic; `Malformed`.

use thiserror::Error;

/// The bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A field has a value that it cannot have.
    #[error("the {0} is out of range")]
    OutOfRange(&'static str),
    /// The bytes end within a field.
    #[error("the packet ends before its {0}")]
    TooShort(&'static str),
    /// Something follows the last field.
    #[error("something follows the {0}")]
    Trailing(&'static str),
}

/// A cursor that can only move forward and never panics. Every read names its field, for the error.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the first of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next `N` bytes; `what` names the field.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooShort`] if fewer than `N` bytes are left; nothing is consumed then.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (head, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(Malformed::TooShort(what))?;
        self.rest = rest;
        Ok(*head)
    }

    /// Takes the next byte.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooShort`] if nothing is left.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// Takes the next two bytes, the higher one first.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooShort`] if fewer are left; nothing is consumed then.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Takes the next four bytes, the highest one first.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooShort`] if fewer are left; nothing is consumed then.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Takes the next `len` bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed::TooShort`] if fewer are left; nothing is consumed then.
    pub fn bytes(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (head, rest) = self
            .rest
            .split_at_checked(len)
            .ok_or(Malformed::TooShort(what))?;
        self.rest = rest;
        Ok(head)
    }

    /// Takes all that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading; `what` names the last field.
    ///
    /// # Errors
    ///
    /// [`Malformed::Trailing`] if something is left.
    pub const fn finish(self, what: &'static str) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing(what))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_order_until_the_end() {
        let mut reader = Reader::new(&[1, 0, 2, 0, 0, 0, 3, 4, 5]);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16("b"), Ok(2));
        assert_eq!(reader.u32("c"), Ok(3));
        assert_eq!(reader.finish("c"), Err(Malformed::Trailing("c")));
        assert_eq!(reader.bytes(1, "d"), Ok(&[4][..]));
        assert_eq!(reader.rest(), [5]);
        assert_eq!(reader.finish("e"), Ok(()));
    }

    #[test]
    fn a_read_beyond_the_end_names_its_field_and_consumes_nothing() {
        let mut reader = Reader::new(&[1, 2]);
        assert_eq!(reader.u32("time"), Err(Malformed::TooShort("time")));
        assert_eq!(reader.bytes(3, "text"), Err(Malformed::TooShort("text")));
        assert_eq!(reader.u16("length"), Ok(0x0102));
        assert!(reader.is_empty());
    }
}
