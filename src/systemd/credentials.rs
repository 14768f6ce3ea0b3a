//! Secrets from `LoadCredential=` and its kin.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroize;

use openvpn_engine::secret::SecretText;

/// The credentials that the service manager gave to this process.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    directory: Option<PathBuf>,
}

/// The user name.
pub const USERNAME: &str = "openvpn3.username";
/// The password.
pub const PASSWORD: &str = "openvpn3.password";
/// The passphrase of the private key.
pub const PASSPHRASE: &str = "openvpn3.passphrase";
/// The seed of one-time passwords, in base 32.
pub const OTP_SEED: &str = "openvpn3.otp-seed";
/// The user name for the proxy.
pub const PROXY_USERNAME: &str = "openvpn3.proxy-username";
/// The password for the proxy.
pub const PROXY_PASSWORD: &str = "openvpn3.proxy-password";
/// A token in place of the password.
pub const AUTH_TOKEN: &str = "openvpn3.auth-token";
/// The client's private key, in PEM.
pub const PRIVATE_KEY: &str = "openvpn3.key";
/// The client's certificate, in PEM.
pub const CERTIFICATE: &str = "openvpn3.cert";

/// The credentials that a session reads, and what each is for.
pub const ANSWERS: &[(&str, &str)] = &[
    (USERNAME, "The user name."),
    (PASSWORD, "The password."),
    (
        OTP_SEED,
        "The seed of one-time passwords (TOTP), in base 32 or as an otpauth: address; answers challenges.",
    ),
    (PASSPHRASE, "The passphrase of the private key."),
    (
        PRIVATE_KEY,
        "The private key in PEM, if the profile has none.",
    ),
    (
        CERTIFICATE,
        "The certificate in PEM, if the profile has none.",
    ),
    (
        AUTH_TOKEN,
        "A token of the server in place of the password, sent with the user name until the server refuses it.",
    ),
    (PROXY_USERNAME, "The user name for the proxy."),
    (PROXY_PASSWORD, "The password for the proxy."),
];

impl Credentials {
    /// Those of this process; none outside of a unit that has some.
    #[must_use]
    pub fn from_environment() -> Self {
        Self {
            directory: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
        }
    }

    /// Those in a directory.
    #[cfg(test)]
    pub const fn in_directory(directory: PathBuf) -> Self {
        Self {
            directory: Some(directory),
        }
    }

    /// Those that the service manager keeps for the unit, where it does not hand them to this process itself.
    #[must_use]
    pub fn or_of_unit(self, unit: &str) -> Self {
        let directory = self.directory.or_else(|| {
            let kept = Path::new("/run/credentials").join(unit);
            kept.exists().then_some(kept)
        });
        Self { directory }
    }

    /// One credential, as text without the line end that editors leave.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read, is no text or is larger than a credential may be. The error does not show it.
    pub fn text(&self, name: &str) -> io::Result<Option<SecretText>> {
        let Some(directory) = &self.directory else {
            return Ok(None);
        };
        let file = match File::open(directory.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(described(name, error.kind())),
        };
        // The buffer has its final size: growing it would leave copies behind.
        let mut bytes = Vec::with_capacity(LARGEST);
        let limit = LARGEST as u64;
        let read = file.take(limit).read_to_end(&mut bytes);
        if let Err(error) = read {
            bytes.zeroize();
            return Err(described(name, error.kind()));
        }
        if bytes.len() == LARGEST {
            bytes.zeroize();
            return Err(described(name, io::ErrorKind::InvalidData));
        }
        while bytes.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
            bytes.pop();
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(SecretText::new(text))),
            Err(error) => {
                error.into_bytes().zeroize();
                Err(described(name, io::ErrorKind::InvalidData))
            }
        }
    }
}

fn described(name: &str, kind: io::ErrorKind) -> io::Error {
    io::Error::new(
        kind,
        format!("the credential {name} cannot be used: {kind}"),
    )
}

/// systemd allows one megabyte for all of them.
const LARGEST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn with(name: &str, content: &[u8]) -> (PathBuf, Credentials) {
        let directory = std::env::temp_dir().join(format!("cred-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(name), content).unwrap();
        let credentials = Credentials {
            directory: Some(directory.clone()),
        };
        (directory, credentials)
    }

    #[test]
    fn a_credential_is_read_without_its_line_end() {
        let (directory, credentials) = with(PASSWORD, b"hunter2 \n");
        let password = credentials.text(PASSWORD).unwrap().unwrap();
        assert_eq!(password.expose(), "hunter2 ");
        assert!(credentials.text(USERNAME).unwrap().is_none());
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_no_text_is_refused_without_being_shown() {
        let (directory, credentials) = with(OTP_SEED, b"\xff\xfesecret");
        let error = credentials.text(OTP_SEED).unwrap_err();
        assert!(error.to_string().contains(OTP_SEED));
        assert!(!error.to_string().contains("secret"));
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn outside_of_a_unit_there_are_none() {
        assert!(Credentials::default().text(PASSWORD).unwrap().is_none());
    }
}
