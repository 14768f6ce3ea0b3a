//! Rustls as a machine of bytes; the exporter.

mod error;
mod hybrid;
mod p521;
mod parameters;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection};

pub use self::error::{TlsError, TlsSetupError};
#[cfg(test)]
pub use self::hybrid::X25519_MLKEM768;
use self::parameters::Parameters;
use super::verify::Verifier;
use crate::config::{Environment, TlsConfig};
use crate::pki::certificate::Certificate;
use crate::pki::chain::complete;
use crate::pki::name::subject_of;
use crate::pki::{Identity, PkiError};
use crate::secret::SecretBytes;

/// What all TLS sessions of one attempt have in common: the first one and those of renegotiations.
#[derive(Debug, Clone)]
pub struct TlsFactory {
    client: Arc<ClientConfig>,
    server_name: ServerName<'static>,
    ignored: Vec<String>,
}

impl TlsFactory {
    /// Settles versions, suites, groups, our identity and the judgement of the server's.
    ///
    /// # Errors
    ///
    /// [`TlsSetupError`] if the profile leaves no way to a TLS session, or if our own key cannot be used.
    pub fn new(tls: &TlsConfig, environment: &Environment) -> Result<Self, TlsSetupError> {
        let parameters = Parameters::choose(tls, &environment.provider)?;
        let identity = tls
            .identity
            .as_ref()
            .map(|identity| certified_key(identity, &tls.trust.anchors, environment))
            .transpose()?;
        let verifier = Verifier::new(tls);
        let builder = ClientConfig::builder_with_details(
            Arc::new(parameters.provider),
            Arc::clone(&environment.wall_clock),
        )
        .with_protocol_versions(&parameters.versions)
        .map_err(|error| TlsSetupError::Library(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
        let mut client = match identity {
            Some(key) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key))),
            None => builder.with_no_client_auth(),
        };
        client.resumption = Resumption::disabled();
        client.enable_sni = tls.sni.is_some();
        let server_name = match &tls.sni {
            Some(name) => ServerName::try_from(name.clone())
                .map_err(|_| TlsSetupError::ServerName(name.clone()))?,
            None => ServerName::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        Ok(Self {
            client: Arc::new(client),
            server_name,
            ignored: parameters.ignored,
        })
    }

    /// Names in `tls-cipher`, `tls-ciphersuites` and `tls-groups` that mean nothing here and were passed over.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Begins a TLS session; the `ClientHello` is ready at once.
    ///
    /// # Errors
    ///
    /// [`TlsError::Local`] if no randomness could be had.
    pub fn start(&self) -> Result<Tls, TlsError> {
        let connection = ClientConnection::new(Arc::clone(&self.client), self.server_name.clone())?;
        Ok(Tls {
            connection,
            received: VecDeque::new(),
            closed: false,
        })
    }
}

/// One TLS session, client side, on byte slices.
///
/// After [`Tls::read_tls`], [`Tls::send`] and at the start, take what [`Tls::write_tls`] has; this holds for errors
/// too, since the alert that tells the server is among it.
#[derive(Debug)]
pub struct Tls {
    connection: ClientConnection,
    /// What has been decrypted, one chunk per record.
    received: VecDeque<SecretBytes>,
    closed: bool,
}

impl Tls {
    /// Takes bytes that the server sent, in order. Any cut is fine.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says who was wrong. The session is over then, but for the alert in [`Tls::write_tls`].
    pub fn read_tls(&mut self, mut bytes: &[u8]) -> Result<(), TlsError> {
        while !bytes.is_empty() {
            let taken = self
                .connection
                .read_tls(&mut bytes)
                .map_err(|error| TlsError::Local(error.to_string()))?;
            let state = self.connection.process_new_packets()?;
            self.closed |= state.peer_has_closed();
            self.collect();
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    /// All bytes that are to be sent to the server; `None` if there are none.
    pub fn write_tls(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Encrypts one message as one record. Before the end of the handshake it waits until then.
    ///
    /// # Errors
    ///
    /// [`TlsError::Local`] if the message is longer than a record, or if too much waits to be sent.
    pub fn send(&mut self, message: &[u8]) -> Result<(), TlsError> {
        if message.len() > LONGEST_MESSAGE {
            return Err(TlsError::Local("a message is longer than a record".into()));
        }
        match self.connection.writer().write(message) {
            Ok(written) if written == message.len() => Ok(()),
            Ok(_) => Err(TlsError::Local("too much waits to be sent".into())),
            Err(error) => Err(TlsError::Local(error.to_string())),
        }
    }

    /// The next record's worth of what the server sent, decrypted.
    pub fn receive(&mut self) -> Option<SecretBytes> {
        self.received.pop_front()
    }

    /// Whether the handshake is still going on.
    #[must_use]
    pub fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the server has said that it will send no more.
    #[must_use]
    pub const fn is_closed_by_peer(&self) -> bool {
        self.closed
    }

    /// Fills `key` with keying material for `label`, without context.
    ///
    /// # Errors
    ///
    /// [`TlsError::Local`] before the end of the handshake.
    pub fn export(&self, label: &str, key: &mut [u8]) -> Result<(), TlsError> {
        self.connection
            .export_keying_material(key, label.as_bytes(), None)?;
        Ok(())
    }

    /// Version, suite and group, as text for people; empty parts before they are agreed on.
    #[must_use]
    pub fn describe(&self) -> String {
        let version = self.connection.protocol_version();
        let suite = self.connection.negotiated_cipher_suite();
        let group = self.connection.negotiated_key_exchange_group();
        let parts = [
            version.map(parameters::version_name),
            suite.map(|suite| parameters::suite_name(suite.suite())),
            group.map(|group| parameters::group_name(group.name())),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    /// The subject of the server's certificate as OpenVPN prints it, once it was accepted.
    #[must_use]
    pub fn server_subject(&self) -> Option<String> {
        let leaf = self.connection.peer_certificates()?.first()?;
        subject_of(leaf).ok()
    }

    fn collect(&mut self) {
        let mut reader = self.connection.reader();
        loop {
            let chunk = match reader.fill_buf() {
                Ok(chunk) if !chunk.is_empty() => chunk.to_vec(),
                // The end of the stream, or nothing more for now.
                Ok(_) | Err(_) => break,
            };
            reader.consume(chunk.len());
            self.received.push_back(SecretBytes::new(chunk));
        }
    }
}

/// The longest message that fits into one TLS record.
const LONGEST_MESSAGE: usize = 16384;

/// Our key and chain. A chain of the leaf alone is completed from `ca`, as OpenSSL does.
fn certified_key(
    identity: &Identity,
    anchors: &[CertificateDer<'static>],
    environment: &Environment,
) -> Result<CertifiedKey, TlsSetupError> {
    let key = identity.signing_key(&environment.provider)?;
    let leaf = identity
        .chain
        .first()
        .ok_or(PkiError::Missing("certificate in cert"))?;
    if let Some(public) = key.public_key() {
        if !Certificate::parse(leaf)?.has_key(&public) {
            return Err(PkiError::Mismatch.into());
        }
    }
    let mut chain = identity.chain.clone();
    if chain.len() == 1 {
        complete(&mut chain, anchors);
    }
    Ok(CertifiedKey::new(chain, key))
}
