//! One-time passwords by time: RFC 6238 over RFC 4226, as authenticator apps compute them.

use ring::hmac;
use thiserror::Error;

use crate::secret::SecretBytes;

/// The seed of one-time passwords: SHA-1, six digits, a new one every 30 seconds.
#[derive(Debug)]
pub struct Seed(SecretBytes);

/// The seed cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a one-time-password seed is base 32 (A to Z, 2 to 7), or an otpauth:// address with such a secret"
)]
pub struct BadSeed;

impl Seed {
    /// Reads base 32, in any case, with or without blanks, dashes and padding; or the `otpauth://` address that an
    /// enrolment code holds.
    ///
    /// # Errors
    ///
    /// [`BadSeed`]
    pub fn parse(text: &str) -> Result<Self, BadSeed> {
        let text = text.trim();
        let secret = if text.starts_with("otpauth://") {
            let (_, query) = text.split_once('?').ok_or(BadSeed)?;
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix("secret="))
                .ok_or(BadSeed)?
        } else {
            text
        };
        let mut bytes = Vec::with_capacity(secret.len());
        let (mut bits, mut count) = (0_u32, 0);
        for letter in secret.bytes().filter(|b| !b" -=".contains(b)) {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a',
                b'2'..=b'7' => letter - b'2' + 26,
                _ => return Err(BadSeed),
            };
            bits = ((bits << 5) | u32::from(value)) & 0xfff;
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(((bits >> count) & 0xff) as u8);
            }
        }
        if bytes.is_empty() {
            return Err(BadSeed);
        }
        Ok(Self(SecretBytes::new(bytes)))
    }

    /// The password at a time, in seconds since 1970.
    #[must_use]
    pub fn password(&self, unix_seconds: u64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose());
        let tag = hmac::sign(&key, &(unix_seconds / STEP_SECONDS).to_be_bytes());
        let offset = usize::from(tag.as_ref().last().copied().unwrap_or(0) & 0xf);
        let chosen = tag
            .as_ref()
            .get(offset..)
            .and_then(|rest| rest.first_chunk::<4>());
        let number = chosen.map_or(0, |bytes| u32::from_be_bytes(*bytes)) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// How long one password holds.
const STEP_SECONDS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_those_of_rfc_6238() {
        // The RFC's seed is the text 12345678901234567890; its passwords have eight digits, of which these are the last.
        let seed = Seed::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        let expected = [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ];
        for (time, password) in expected {
            assert_eq!(seed.password(time), password);
        }
    }

    #[test]
    fn a_seed_may_come_as_people_have_it() {
        let plain = Seed::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")
            .unwrap()
            .password(59);
        for text in [
            "gezd gnbv gy3t qojq gezd gnbv gy3t qojq\n",
            "GEZD-GNBV-GY3T-QOJQ-GEZD-GNBV-GY3T-QOJQ====",
            "otpauth://totp/office:me?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=office",
        ] {
            assert_eq!(Seed::parse(text).unwrap().password(59), plain, "{text}");
        }
    }

    #[test]
    fn what_is_no_seed_is_refused() {
        for text in [
            "",
            "0189",
            "otpauth://totp/office?issuer=x",
            "otpauth://totp/office",
        ] {
            assert_eq!(Seed::parse(text).err(), Some(BadSeed), "{text}");
        }
    }
}
