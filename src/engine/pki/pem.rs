//! PEM: the labelled base64 blocks in a text, whatever stands around them.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::PkiError;

/// One block: `-----BEGIN label-----` to `-----END label-----`.
#[derive(Debug)]
pub struct PemBlock<'a> {
    /// What stands after `BEGIN`.
    pub label: &'a str,
    /// The header lines, if any (`Proc-Type`, `DEK-Info`), name and value.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The base64 text, lines and all.
    body: Zeroizing<String>,
}

impl PemBlock<'_> {
    /// The bytes inside.
    ///
    /// # Errors
    ///
    /// [`PkiError::Malformed`] if the text is not base64.
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, PkiError> {
        decode_base64(&self.body)
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| *value)
    }
}

/// Decodes base64 with any white space in it, with or without padding.
///
/// # Errors
///
/// [`PkiError::Malformed`] if it is not base64.
pub fn decode_base64(text: &str) -> Result<Zeroizing<Vec<u8>>, PkiError> {
    let mut compact = Zeroizing::new(String::with_capacity(text.len()));
    compact.extend(text.chars().filter(|letter| !letter.is_whitespace()));
    BASE64
        .decode(compact.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| PkiError::Malformed("base64 text"))
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// All complete blocks of a text, in order. Text around and between them is passed over, and so is a block without end.
#[must_use]
pub fn blocks(text: &str) -> Vec<PemBlock<'_>> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(label) = marked(line, "-----BEGIN ") {
            found.extend(read_block(label, &mut lines));
        }
    }
    found
}

fn read_block<'a>(
    label: &'a str,
    lines: &mut impl Iterator<Item = &'a str>,
) -> Option<PemBlock<'a>> {
    let mut label = label;
    let mut headers = Vec::new();
    let mut body = Zeroizing::new(String::with_capacity(LONGEST_USUAL_BODY));
    for line in lines {
        if let Some(end) = marked(line, "-----END ") {
            return (end == label).then_some(PemBlock {
                label,
                headers,
                body,
            });
        }
        if let Some(restarted) = marked(line, "-----BEGIN ") {
            // The block before was cut off.
            label = restarted;
            headers.clear();
            body.clear();
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim(), value.trim()));
        } else {
            body.push_str(line);
        }
    }
    None
}

fn marked<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    Some(line.strip_prefix(mark)?.strip_suffix("-----")?.trim())
}

/// A key of 8192 bits and some; longer ones only leave a copy behind when the text grows.
const LONGEST_USUAL_BODY: usize = 8192;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Identity, certificates, private_key};
    use super::*;
    use crate::secret::SecretText;

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(
            label in "(RSA |EC |ENCRYPTED )?PRIVATE KEY|CERTIFICATE",
            header in "(Proc-Type: 4,ENCRYPTED\\nDEK-Info: (AES-128-CBC|DES-CBC|x),[0-9A-F]{0,40}\\n\\n)?",
            body in "M[A-Za-z0-9+/]{0,80}",
        ) {
            let text = format!("-----BEGIN {label}-----\n{header}{body}\n-----END {label}-----");
            let passphrase = SecretText::from("x");
            drop(private_key::from_pem(&text, Some(&passphrase)));
            drop(certificates(&text));
            drop(Identity::from_pem(&text, &text, Some(&passphrase), Some(&text)));
        }
    }

    #[test]
    fn blocks_are_found_among_any_text() {
        let text = "Certificate:\r\n  Data: x\r\n-----BEGIN CERTIFICATE-----\r\nAQID\r\n\
                    -----END CERTIFICATE-----\r\nmore\n  -----BEGIN X509 CRL-----  \n BAUG \n-----END X509 CRL-----";
        let blocks = blocks(text);
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].label, "CERTIFICATE");
        assert_eq!(*blocks[0].decode().unwrap(), [1, 2, 3]);
        assert_eq!(blocks[1].label, "X509 CRL");
        assert_eq!(*blocks[1].decode().unwrap(), [4, 5, 6]);
    }

    #[test]
    fn headers_are_kept_apart_from_the_base64() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES-EDE3-CBC,0011\n\nAQ==\n-----END RSA PRIVATE KEY-----\n";
        let blocks = blocks(text);
        assert_eq!(blocks[0].header("Proc-Type"), Some("4,ENCRYPTED"));
        assert_eq!(blocks[0].header("DEK-Info"), Some("DES-EDE3-CBC,0011"));
        assert_eq!(*blocks[0].decode().unwrap(), [1]);
    }

    #[test]
    fn a_block_that_is_cut_off_does_not_swallow_the_next() {
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----BEGIN CERTIFICATE-----\nAQID\n-----END CERTIFICATE-----\n-----BEGIN A-----\n";
        let blocks = blocks(text);
        assert_eq!(blocks.len(), 1);
        assert_eq!(*blocks[0].decode().unwrap(), [1, 2, 3]);
    }
}
