//! Everything that can be said about a profile without connecting.

use crate::daemon::findings::{Finding, Severity};
use crate::daemon::profile_file::ProfileFile;
use openvpn_engine::config::ConnectionTemplate;
use openvpn_engine::config::Endpoint;
use openvpn_engine::config::Environment;
use openvpn_engine::config::PeerInfo;
use openvpn_engine::config::TemplateError;
use openvpn_engine::config::TlsConfig;
use openvpn_engine::config::build;
use openvpn_engine::pki::Certificate;
use openvpn_engine::pki::KeyKind;
use openvpn_engine::pki::PkiError;
use openvpn_engine::pki::Trust;
use openvpn_engine::pki::validity;
use openvpn_engine::profile::Examined;
use openvpn_engine::profile::Profile;
use openvpn_engine::profile::Remote;
use openvpn_engine::tls::TlsFactory;
use openvpn_engine::tls::TlsSetupError;

/// What has been found out about a profile.
#[derive(Debug)]
pub struct CheckReport {
    /// Each thing to say.
    pub findings: Vec<Finding>,
    /// The profile, if its text could be understood.
    #[cfg(test)]
    pub profile: Option<Profile>,
}

impl CheckReport {
    /// Reads a profile and all that it names, and opens its keys and certificates.
    #[must_use]
    pub fn of(file: &ProfileFile, environment: &Environment) -> Self {
        let Examined {
            profile,
            notes,
            errors,
        } = match file.examine() {
            Ok(examined) => examined,
            Err(error) => {
                return Self {
                    findings: vec![Finding::new(Severity::Error, error.to_string())],
                    #[cfg(test)]
                    profile: None,
                };
            }
        };
        let mut findings: Vec<Finding> = errors.iter().map(Finding::from).collect();
        findings.extend(notes.iter().map(Finding::from));
        if errors.is_empty() {
            findings.extend(deeper(&profile, environment));
            findings.extend(asked_for(&profile));
        } else {
            let problems = build::material_problems(&profile, None);
            findings.extend(problems.into_iter().map(of_material));
        }
        Self {
            findings,
            #[cfg(test)]
            profile: errors.is_empty().then_some(profile),
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
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error);
        errors.map(|finding| finding.line().to_owned()).collect()
    }
}

/// What only shows when keys and certificates are opened.
fn deeper(profile: &Profile, environment: &Environment) -> Vec<Finding> {
    let problems = build::problems(profile, None);
    if problems.is_empty() {
        return handshake(profile, environment);
    }
    problems.into_iter().map(of_material).collect()
}

fn of_material(problem: TemplateError) -> Finding {
    match problem {
        TemplateError::PassphraseNeeded | TemplateError::PassphraseWrong => {
            note(problem.to_string())
        }
        TemplateError::Unusable(why) => error(why),
    }
}

/// What a person or a credential must answer; a unit that nobody sits at cannot connect otherwise.
fn asked_for(profile: &Profile) -> Option<Finding> {
    let login = profile.login.as_ref()?;
    let name = login.username.is_none();
    let password = login.password.is_none() && !login.username_only;
    let what = match (name, password) {
        (true, true) => "user name and password are",
        (true, false) => "the user name is",
        (false, true) => "the password is",
        (false, false) => return None,
    };
    Some(note(format!(
        "{}: {what} asked for at the start; where nobody can answer, a credential of the unit can \
         (openvpn3-backend@.service(8))",
        profile.name
    )))
}

fn error(text: impl Into<String>) -> Finding {
    Finding::new(Severity::Error, text)
}

fn note(text: impl Into<String>) -> Finding {
    Finding::new(Severity::Note, text)
}

/// What only shows when a TLS session is prepared.
fn handshake(profile: &Profile, environment: &Environment) -> Vec<Finding> {
    let template = match ConnectionTemplate::new(profile, None, &PeerInfo::default(), environment) {
        Ok(template) => template,
        Err(TemplateError::Unusable(why)) => return vec![error(why)],
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
    let mut findings = authorities(profile, &config.tls.trust);
    findings.extend(dates(profile, &config.tls, environment));
    match TlsFactory::new(&config.tls, environment) {
        Ok(factory) if factory.ignored().is_empty() => {}
        Ok(factory) => findings.push(note(format!(
            "{}: names of TLS suites and groups that mean nothing here: {}",
            profile.name,
            factory.ignored().join(", ")
        ))),
        Err(why) => findings.push(error(format!("{}: {why}", blamed(profile, &why)))),
    }
    findings
}

/// Certificates of the profile that are out of date, or will be soon.
fn dates(profile: &Profile, tls: &TlsConfig, environment: &Environment) -> Vec<Finding> {
    let Some(now) = environment.wall_clock.current_time() else {
        return Vec::new();
    };
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let own = tls
        .identity
        .iter()
        .flat_map(|own| validity::of_identity(own, now));
    own.chain(validity::of_trust(&tls.trust, now))
        .map(|found| note(format!("{}: {found}", profile.name)))
        .collect()
}

/// Authorities whose signatures there is no cryptography for; nobody can be let in where there are no others.
fn authorities(profile: &Profile, trust: &Trust) -> Vec<Finding> {
    let parsed: Vec<Certificate<'_>> = trust
        .anchors
        .iter()
        .filter_map(|der| Certificate::parse(der).ok())
        .collect();
    let unusable: Vec<(String, String)> = parsed
        .iter()
        .filter_map(|certificate| match KeyKind::of(certificate.key()) {
            KeyKind::Other(kind) => Some((certificate.subject(), kind)),
            KeyKind::Ed25519
            | KeyKind::P256
            | KeyKind::P384
            | KeyKind::P521
            | KeyKind::Rsa { .. } => None,
        })
        .collect();
    let severity = if unusable.len() == parsed.len() {
        Severity::Error
    } else {
        Severity::Note
    };
    let place = profile.tls.ca.first().map(|ca| format!("{}: ", ca.place));
    let place = place.unwrap_or_default();
    unusable
        .into_iter()
        .map(|(subject, kind)| {
            let text = format!(
                "{place}ca: what {subject} has signed cannot be verified: its key is {kind}"
            );
            Finding::new(severity, text)
        })
        .collect()
}

/// What of the profile an error of TLS is about.
fn blamed(profile: &Profile, error: &TlsSetupError) -> String {
    let key = profile.tls.key.as_ref().or(profile.tls.pkcs12.as_ref());
    match (error, key) {
        (
            TlsSetupError::Key(
                PkiError::Damaged(_) | PkiError::Mismatch | PkiError::Unsupported(_),
            ),
            Some(key),
        ) => {
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use rustls::pki_types::UnixTime;
    use rustls::time_provider::TimeProvider;

    use super::*;

    /// A clock that stands.
    #[derive(Debug)]
    struct At(u64);

    impl TimeProvider for At {
        fn current_time(&self) -> Option<UnixTime> {
            Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                self.0,
            )))
        }
    }

    /// What is said about dates in a profile whose certificates are valid from 2025 to 2124.
    fn said_at(seconds: u64) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/profiles/corpus");
        let file = ProfileFile::new(folder.join("plain.ovpn"), Vec::new());
        let environment = Environment {
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            wall_clock: Arc::new(At(seconds)),
            clock_trust: None,
        };
        let judgement = CheckReport::of(&file, &environment);
        assert!(judgement.is_usable());
        let lines = judgement.findings.iter().map(|finding| finding.line());
        lines
            .filter(|line| line.contains("certificate"))
            .map(ToOwned::to_owned)
            .collect()
    }

    #[test]
    fn certificates_out_of_date_or_soon_to_be_are_said() {
        let (in_2020, in_2030, late_in_2124, in_2200) =
            (1_577_836_800, 1_893_456_000, 4_890_758_400, 7_258_118_400);
        assert_eq!(said_at(in_2030), [""; 0]);
        for (when, what) in [
            (in_2020, "is not valid before"),
            (late_in_2124, "expires on "),
            (in_2200, "expired on"),
        ] {
            let said = said_at(when);
            assert_eq!(said.len(), 2, "own and authority: {said:?}");
            assert!(said.iter().all(|line| line.contains(what)), "{said:?}");
        }
    }

    #[test]
    fn a_broken_certificate_shows_beside_an_unknown_option() {
        let folder = std::env::temp_dir().join(format!("check-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let path = folder.join("p.ovpn");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let text = format!(
            "client\nremote a.example\nno-such-option\nauth-user-pass\n<ca>\n{broken}</ca>\n"
        );
        std::fs::write(&path, text).expect("a file can be written");
        let judgement = CheckReport::of(
            &ProfileFile::new(path, Vec::new()),
            &crate::daemon::environment(),
        );
        std::fs::remove_dir_all(&folder).expect("it can be removed");
        let errors = judgement.errors();
        assert_eq!(errors.len(), 2, "{errors:?}");
        assert!(
            errors[0].contains("no-such-option") && errors[1].contains("ca: "),
            "{errors:?}"
        );
        assert!(judgement.profile.is_none());
    }
}
