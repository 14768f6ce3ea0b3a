//! `ConnectionTemplate`: a profile to the configuration of each attempt.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{
    ConnectionConfig, Credentials, Endpoint, Environment, PeerInfo, TlsConfig, TlsVersion, Wrapping,
};
use crate::event::AuthToken;
use crate::pki::pkcs12::Bundle;
use crate::pki::{self, Identity, PkiError, Trust};
use crate::profile::model::{Material, Profile, Remote, TlsOptions, WrappingText};
use crate::profile::proxy::Proxy;
use crate::secret::SecretText;

/// What is the same in every attempt of a session: keys, certificates, limits.
#[derive(Debug)]
pub struct ConnectionTemplate {
    remotes: Vec<RemoteBlueprint>,
}

/// What is the same in every attempt at one of the profile's remotes.
#[derive(Debug)]
pub struct RemoteBlueprint {
    template: ConnectionConfig,
    /// How the socket is to be.
    pub socket: SocketSettings,
    /// The way through a proxy.
    pub proxy: Option<Proxy>,
}

/// How the socket of an attempt is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SocketSettings {
    /// Where to bind (`local`): an address or a name.
    pub local: Option<String>,
    /// The port to bind to (`lport`).
    pub local_port: Option<u16>,
    /// The interface to bind to (`bind-dev`).
    pub device: Option<String>,
    /// The firewall mark (`mark`).
    pub mark: Option<u32>,
    /// `SO_SNDBUF` in bytes (`sndbuf`).
    pub send_buffer: Option<u32>,
    /// `SO_RCVBUF` in bytes (`rcvbuf`).
    pub receive_buffer: Option<u32>,
    /// Packets from any address are let in (`float`).
    pub float: bool,
}

/// Why there is no blueprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// The private key is encrypted.
    #[error("the private key needs its passphrase")]
    PassphraseNeeded,
    /// The passphrase is not the private key's.
    #[error("the passphrase does not open the private key")]
    PassphraseWrong,
    /// The profile cannot be used; the text says what cannot be and why.
    #[error("{0}")]
    Unusable(String),
}

impl ConnectionTemplate {
    /// Reads all keys and certificates of a profile. `about` is what is said about us where the profile says nothing.
    ///
    /// # Errors
    ///
    /// [`TemplateError`].
    pub fn new(
        profile: &Profile,
        passphrase: Option<&SecretText>,
        about: &PeerInfo,
        environment: &Environment,
    ) -> Result<Self, TemplateError> {
        let tls = Arc::new(tls(&profile.tls, passphrase)?);
        let material = profile.tls.key.as_ref().or(profile.tls.pkcs12.as_ref());
        if let (Some(own), Some(material)) = (&tls.identity, material) {
            own.signing_key(&environment.provider)
                .map_err(|error| refused(material, "key", error))?;
        }
        let mut remotes = Vec::with_capacity(profile.remotes.len());
        for remote in &profile.remotes {
            let wrapping = Arc::new(wrapping(&remote.options.wrapping)?);
            let template = ConnectionConfig {
                endpoint: Endpoint {
                    host: remote.host.clone(),
                    address: ([0, 0, 0, 0], remote.port).into(),
                    transport: remote.transport,
                },
                wrapping,
                tls: Arc::clone(&tls),
                credentials: None,
                token: None,
                data: profile.data(remote),
                peer_info: peer_info(&profile.peer_info, about),
                timing: profile.timing(remote),
                pull: profile.pull.clone(),
                environment: environment.clone(),
            };
            remotes.push(RemoteBlueprint {
                template,
                socket: socket(profile, remote),
                proxy: remote.options.proxy.clone(),
            });
        }
        Ok(Self { remotes })
    }

    /// Our certificate and its key.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        let first = self.remotes.first()?;
        first.template.tls.identity.as_ref()
    }

    /// The profile's remote `index`.
    #[must_use]
    pub fn remote(&self, index: usize) -> Option<&RemoteBlueprint> {
        self.remotes.get(index)
    }
}

impl RemoteBlueprint {
    /// The configuration of one attempt.
    #[must_use]
    pub fn attempt(
        &self,
        endpoint: Endpoint,
        credentials: Option<Arc<Credentials>>,
        token: Option<Arc<AuthToken>>,
    ) -> ConnectionConfig {
        ConnectionConfig {
            endpoint,
            credentials,
            token,
            ..self.template.clone()
        }
    }

    /// How long opening the transport may take.
    #[must_use]
    pub const fn open_timeout(&self) -> Duration {
        self.template.timing.server_poll
    }
}

fn peer_info(profile: &PeerInfo, about: &PeerInfo) -> PeerInfo {
    let said = profile.clone();
    PeerInfo {
        gui_version: said.gui_version.or_else(|| about.gui_version.clone()),
        sso: said.sso.or_else(|| about.sso.clone()),
        hardware_address: said
            .hardware_address
            .or_else(|| about.hardware_address.clone()),
        platform_version: said
            .platform_version
            .or_else(|| about.platform_version.clone()),
        ..said
    }
}

/// All that stands in the way of a blueprint, not only the first of it; each problem once.
#[must_use]
pub fn problems(profile: &Profile, passphrase: Option<&SecretText>) -> Vec<TemplateError> {
    let mut found = material_problems(profile, passphrase);
    if found.is_empty() {
        found.extend(tls(&profile.tls, passphrase).err());
    }
    found
}

/// What is wrong with the certificates, keys and lists that a profile has, whatever else is wrong with it.
#[must_use]
pub fn material_problems(profile: &Profile, passphrase: Option<&SecretText>) -> Vec<TemplateError> {
    let options = &profile.tls;
    let passphrase = passphrase.or(options.key_passphrase.as_deref());
    let own = match &options.pkcs12 {
        Some(pkcs12) => Bundle::open(pkcs12.content.expose(), passphrase)
            .map(drop)
            .map_err(|error| refused(pkcs12, "pkcs12", error)),
        None => identity(options, passphrase).map(drop),
    };
    let mut found: Vec<TemplateError> = own.err().into_iter().collect();
    found.extend(options.ca.iter().filter_map(|ca| certificates_of(ca).err()));
    let lists = options.crl.iter().flatten();
    found.extend(lists.filter_map(|list| revocation_lists(list).err()));
    for remote in &profile.remotes {
        if let Err(error) = wrapping(&remote.options.wrapping) {
            if !found.contains(&error) {
                found.push(error);
            }
        }
    }
    found
}

fn socket(profile: &Profile, remote: &Remote) -> SocketSettings {
    SocketSettings {
        local: remote.options.local.clone(),
        local_port: remote.options.local_port,
        device: profile.socket.device.clone(),
        mark: profile.socket.mark,
        send_buffer: profile.socket.sndbuf,
        receive_buffer: profile.socket.rcvbuf,
        float: remote.options.float,
    }
}

fn wrapping(text: &WrappingText) -> Result<Wrapping, TemplateError> {
    Ok(match text {
        WrappingText::None => Wrapping::None,
        WrappingText::TlsAuth {
            key,
            direction,
            digest,
        } => Wrapping::TlsAuth {
            key: parsed(key, "tls-auth")?,
            direction: *direction,
            digest: *digest,
        },
        WrappingText::TlsCrypt { key } => Wrapping::TlsCrypt {
            key: parsed(key, "tls-crypt")?,
        },
        WrappingText::TlsCryptV2 { key } => Wrapping::TlsCryptV2 {
            key: parsed(key, "tls-crypt-v2")?,
        },
    })
}

fn tls(options: &TlsOptions, passphrase: Option<&SecretText>) -> Result<TlsConfig, TemplateError> {
    let passphrase = passphrase.or(options.key_passphrase.as_deref());
    let bundle = match &options.pkcs12 {
        Some(pkcs12) => Some(
            Bundle::open(pkcs12.content.expose(), passphrase)
                .map_err(|error| refused(pkcs12, "pkcs12", error))?,
        ),
        None => None,
    };
    let (own, authorities) = match bundle {
        Some(Bundle {
            identity,
            authorities,
        }) => (Some(identity), authorities),
        None => (identity(options, passphrase)?, Vec::new()),
    };
    Ok(TlsConfig {
        identity: own,
        trust: trust(options, authorities)?,
        checks: options.checks.clone(),
        version_min: options.version_min.unwrap_or(TlsVersion::V1_2),
        version_max: options.version_max.unwrap_or(TlsVersion::V1_3),
        cipher_list: options.cipher_list.clone(),
        cipher_suites: options.cipher_suites.clone(),
        groups: options.groups.clone(),
        cert_profile: options.cert_profile,
        sni: options.sni.clone(),
    })
}

fn identity(
    options: &TlsOptions,
    passphrase: Option<&SecretText>,
) -> Result<Option<Identity>, TemplateError> {
    let (Some(cert), Some(key)) = (&options.cert, &options.key) else {
        return Ok(None);
    };
    let chain = pki::certificates(text(cert, "cert")?);
    if chain
        .map_err(|error| refused(cert, "cert", error))?
        .is_empty()
    {
        let missing = PkiError::Missing("complete certificate in it");
        return Err(refused(cert, "cert", missing));
    }
    let extra = joined(&options.extra_certs, "extra-certs")?;
    let identity = Identity::from_pem(
        text(cert, "cert")?,
        text(key, "key")?,
        passphrase,
        Some(extra.as_str()),
    )
    .map_err(|error| refused(key, "key", error))?;
    Ok(Some(identity))
}

/// `ca`, or what a bundle has in its place; `crl-verify` in PEM or DER.
fn trust(
    options: &TlsOptions,
    authorities: Vec<CertificateDer<'static>>,
) -> Result<Trust, TemplateError> {
    let mut trust = Trust {
        anchors: authorities,
        revocation_lists: None,
        fingerprints: options.fingerprints.clone(),
    };
    for ca in &options.ca {
        trust.anchors.extend(certificates_of(ca)?);
    }
    if trust.anchors.is_empty() && trust.fingerprints.is_empty() {
        return Err(TemplateError::Unusable(
            "the profile names nobody to trust: ca or peer-fingerprint is missing".to_owned(),
        ));
    }
    if let Some(lists) = &options.crl {
        let mut found = Vec::new();
        for list in lists {
            found.extend(revocation_lists(list)?);
        }
        for ca in &options.ca {
            let more = pki::revocation_lists(text(ca, "ca")?);
            found.extend(more.map_err(|e| refused(ca, "ca", e))?);
        }
        trust.revocation_lists = Some(found);
    }
    Ok(trust)
}

fn certificates_of(ca: &Material) -> Result<Vec<CertificateDer<'static>>, TemplateError> {
    let found = pki::certificates(text(ca, "ca")?).map_err(|error| refused(ca, "ca", error))?;
    if found.is_empty() {
        return Err(refused(
            ca,
            "ca",
            PkiError::Missing("complete certificate in it"),
        ));
    }
    Ok(found)
}

fn revocation_lists(
    list: &Material,
) -> Result<Vec<CertificateRevocationListDer<'static>>, TemplateError> {
    let read = match list.text() {
        Ok(text) if text.contains("-----BEGIN") || text.trim().is_empty() => {
            pki::revocation_lists(text)
        }
        Ok(_) | Err(_) => {
            pki::revocation_list_from_der(list.content.expose()).map(|list| vec![list])
        }
    };
    read.map_err(|error| refused(list, "crl-verify", error))
}

fn text<'a>(material: &'a Material, directive: &str) -> Result<&'a str, TemplateError> {
    material
        .text()
        .map_err(|_| unusable(material, directive, "it is not text"))
}

fn joined(materials: &[Material], directive: &str) -> Result<Zeroizing<String>, TemplateError> {
    let mut all = Zeroizing::new(String::new());
    for material in materials {
        all.push_str(text(material, directive)?);
        all.push('\n');
    }
    Ok(all)
}

fn parsed<K>(material: &Material, directive: &str) -> Result<K, TemplateError>
where
    K: FromStr<Err: Display>,
{
    text(material, directive)?
        .parse()
        .map_err(|error| unusable(material, directive, error))
}

fn refused(material: &Material, directive: &str, error: PkiError) -> TemplateError {
    match error {
        PkiError::PassphraseNeeded => TemplateError::PassphraseNeeded,
        PkiError::WrongPassphrase => TemplateError::PassphraseWrong,
        PkiError::Damaged(_)
        | PkiError::Malformed(_)
        | PkiError::Mismatch
        | PkiError::Missing(_)
        | PkiError::Unsupported(_) => unusable(material, directive, error),
    }
}

fn unusable(material: &Material, directive: &str, why: impl Display) -> TemplateError {
    let place = &material.place;
    TemplateError::Unusable(match &material.file {
        Some(file) => format!("{place}: {directive}: {file}: {why}"),
        None => format!("{place}: {directive}: {why}"),
    })
}
