//! Everything that can be said about a profile without connecting.

use crate::daemon::profile_file::{ProfileFile, Read, ReadError};
use openvpn_engine::config::{ConnectionTemplate, TemplateError, build};
use openvpn_engine::config::{Endpoint, Environment, PeerInfo};
use openvpn_engine::pki::Certificate;
use openvpn_engine::pki::KeyKind;
use openvpn_engine::pki::{PkiError, Trust};
use openvpn_engine::profile::{Profile, Remote};
use openvpn_engine::tls::{TlsFactory, TlsSetupError};

/// What has been found out about a profile.
#[derive(Debug)]
pub struct CheckReport {
    /// One line for each thing to say: `error: ...` and `note: ...`, each with file, line and column where it has them.
    pub lines: Vec<String>,
    /// The profile, if its text could be understood.
    #[cfg(test)]
    pub profile: Option<Profile>,
}

impl CheckReport {
    /// Reads a profile and all that it names, and opens its keys and certificates.
    #[must_use]
    pub fn of(file: &ProfileFile, environment: &Environment) -> Self {
        match file.read() {
            Ok(Read { profile, notes }) => {
                let mut lines: Vec<String> =
                    notes.iter().map(|note| format!("note: {note}")).collect();
                lines.extend(deeper(&profile, environment));
                Self {
                    lines,
                    #[cfg(test)]
                    profile: Some(profile),
                }
            }
            Err(ReadError::Profile { errors }) => Self::refused(errors),
            Err(error @ (ReadError::File { .. } | ReadError::Override(_))) => {
                Self::refused([error])
            }
        }
    }

    fn refused<E: ToString>(errors: impl IntoIterator<Item = E>) -> Self {
        let error = |error: E| format!("{ERROR}{}", error.to_string());
        Self {
            lines: errors.into_iter().map(error).collect(),
            #[cfg(test)]
            profile: None,
        }
    }

    /// Whether the profile can be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.errors().is_empty()
    }

    /// Why it cannot be used.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        let errors = self
            .lines
            .iter()
            .filter_map(|line| line.strip_prefix(ERROR));
        errors.map(ToOwned::to_owned).collect()
    }
}

/// What only shows when keys and certificates are opened.
fn deeper(profile: &Profile, environment: &Environment) -> Vec<String> {
    let problems = build::problems(profile, None);
    if problems.is_empty() {
        return handshake(profile, environment);
    }
    let line = |problem: TemplateError| match problem {
        TemplateError::PassphraseNeeded | TemplateError::PassphraseWrong => {
            format!("note: {problem}")
        }
        TemplateError::Unusable(why) => format!("error: {why}"),
    };
    problems.into_iter().map(line).collect()
}

/// What only shows when a TLS session is prepared.
fn handshake(profile: &Profile, environment: &Environment) -> Vec<String> {
    let template = match ConnectionTemplate::new(profile, None, &PeerInfo::default(), environment) {
        Ok(template) => template,
        Err(TemplateError::Unusable(why)) => return vec![format!("error: {why}")],
        Err(TemplateError::PassphraseNeeded | TemplateError::PassphraseWrong) => {
            return Vec::new();
        }
    };
    let Some(first) = profile.remotes.first() else {
        return Vec::new();
    };
    let attempt = template
        .remote(0)
        .map(|remote| remote.attempt(endpoint(first), None, None));
    let Some(config) = attempt else {
        return Vec::new();
    };
    let mut lines = authorities(profile, &config.tls.trust);
    match TlsFactory::new(&config.tls, environment) {
        Ok(factory) if factory.ignored().is_empty() => {}
        Ok(factory) => lines.push(format!(
            "note: {}: names of TLS suites and groups that mean nothing here: {}",
            profile.name,
            factory.ignored().join(", ")
        )),
        Err(error) => lines.push(format!("error: {}: {error}", blamed(profile, &error))),
    }
    lines
}

/// Authorities whose signatures there is no cryptography for; nobody can be let in where there are no others.
fn authorities(profile: &Profile, trust: &Trust) -> Vec<String> {
    let parsed: Vec<Certificate<'_>> = trust
        .anchors
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .collect();
    let unusable: Vec<(String, String)> = parsed
        .iter()
        .filter_map(|certificate| match KeyKind::of(certificate.key()) {
            KeyKind::Other(kind) => Some((certificate.subject(), kind)),
            KeyKind::Ed25519 | KeyKind::P256 | KeyKind::P384 | KeyKind::Rsa { .. } => None,
        })
        .collect();
    let word = if unusable.len() == parsed.len() {
        "error"
    } else {
        "note"
    };
    let place = profile.tls.ca.first().map(|ca| format!("{}: ", ca.place));
    let place = place.unwrap_or_default();
    unusable
        .into_iter()
        .map(|(subject, kind)| {
            format!(
                "{word}: {place}ca: what {subject} has signed cannot be verified: its key is {kind}"
            )
        })
        .collect()
}

/// What of the profile an error of TLS is about.
fn blamed(profile: &Profile, error: &TlsSetupError) -> String {
    let key = profile.tls.key.as_ref().or(profile.tls.pkcs12.as_ref());
    match (error, key) {
        (TlsSetupError::Key(PkiError::Mismatch | PkiError::Unsupported(_)), Some(key)) => {
            format!("{}: key", key.place)
        }
        _ => profile.name.clone(),
    }
}

fn endpoint(remote: &Remote) -> Endpoint {
    Endpoint {
        host: remote.host.clone(),
        address: ([0, 0, 0, 0], remote.port).into(),
        transport: remote.transport,
    }
}

/// What the line of an error begins with.
const ERROR: &str = "error: ";
