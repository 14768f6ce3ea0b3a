//! Certificates, keys, checks, ciphers and compression.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{INLINE, Interpreter, words_in};
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::profile::cipher_list;
use crate::profile::lexer::Directive;
use crate::profile::model::Material;
use crate::profile::transfer::{self, Compression};
use crate::profile::tunnel::Applied;
use crate::profile::value::{BadValue, choice, hex, number, word};
use crate::secret::SecretBytes;
use crate::settings::{CertProfile, CertType, CompressionPolicy, HashCheck, NameCheck, TlsVersion};

/// What is settled when all is known.
#[derive(Debug, Default)]
pub(super) struct TlsDraft {
    /// `data-ciphers`.
    pub(super) ciphers: Option<Vec<Cipher>>,
    /// `cipher`.
    pub(super) cipher: Option<Cipher>,
    /// `data-ciphers-fallback`.
    pub(super) fallback: Option<Cipher>,
    /// `tls-auth-digest`.
    pub(super) auth_digest: Option<Digest>,
    /// `allow-compression` is there.
    pub(super) compression_named: bool,
}

/// What `replay-window` alone means. Without the option our window is wider: packets that several processors handled
/// come in a looser order than that.
const OPENVPN_WINDOW: u32 = 64;

const SIDES: &[(&str, CertType)] = &[("server", CertType::Server), ("client", CertType::Client)];

impl Interpreter<'_, '_> {
    pub(super) fn apply_tls(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        let mut applied = self.apply_identity(directive, args)?;
        if applied == Applied::NotMine {
            applied = self.apply_checks(directive, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_handshake(&directive.name, args)?;
        }
        if applied == Applied::NotMine {
            applied = self.apply_ciphers(directive, args)?;
        }
        Ok(applied)
    }

    fn apply_identity(
        &mut self,
        directive: &Directive,
        args: &[&str],
    ) -> Result<Applied, BadValue> {
        match directive.name.as_str() {
            "crl-verify" if args.get(1).is_some() => {
                let reason = "a directory of revoked certificates is not supported";
                return Err(BadValue::because(
                    1,
                    reason,
                    "crl-verify FILE, a revocation list in PEM",
                ));
            }
            "client-cert-not-required" => {
                self.profile.tls.no_certificate = true;
                return Ok(Applied::Done);
            }
            "ca" | "cert" | "crl-verify" | "extra-certs" | "key" | "pkcs12" => {}
            _ => return Ok(Applied::NotMine),
        }
        let Some(material) = self.material(directive)? else {
            return Ok(Applied::Done);
        };
        let tls = &mut self.profile.tls;
        match directive.name.as_str() {
            "ca" => tls.ca.push(material),
            "cert" => tls.cert = Some(material),
            "crl-verify" => tls.crl.get_or_insert_default().push(material),
            "extra-certs" => tls.extra_certs.push(material),
            "key" => tls.key = Some(material),
            _ => tls.pkcs12 = Some(decoded(material)?),
        }
        Ok(Applied::Done)
    }

    fn apply_checks(&mut self, directive: &Directive, args: &[&str]) -> Result<Applied, BadValue> {
        match directive.name.as_str() {
            "peer-fingerprint" => {
                let list = self.list(directive)?;
                let mut fingerprints = Vec::new();
                for line in words_in(list.as_deref().unwrap_or_default()) {
                    fingerprints.push(fingerprint(line)?);
                }
                self.profile.tls.fingerprints.extend(fingerprints);
                return Ok(Applied::Done);
            }
            "verify-hash" => {
                let list = self.list(directive)?;
                if let Some(list) = list {
                    self.profile.tls.checks.hash = Some(hash_check(&list, args)?);
                }
                return Ok(Applied::Done);
            }
            _ => {}
        }
        let checks = &mut self.profile.tls.checks;
        match directive.name.as_str() {
            "remote-cert-tls" => checks.cert_type = Some(choice(args, 0, SIDES)?),
            "remote-cert-eku" => checks.extended_key_usage = Some(word(args, 0)?.to_owned()),
            "remote-cert-ku" => checks.key_usage = Some(key_usages(args)?),
            "ns-cert-type" => checks.netscape_type = Some(choice(args, 0, SIDES)?),
            "verify-x509-name" => checks.name = Some(name_check(args)?),
            "tls-remote" => checks.name = Some(tls_remote(name(args)?)?),
            "x509-username-field" => checks.username_field = Some(args.join("_")),
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn apply_handshake(&mut self, name: &str, args: &[&str]) -> Result<Applied, BadValue> {
        let tls = &mut self.profile.tls;
        match name {
            "key-method" => {
                choice(args, 0, &[("2", ())])?;
            }
            "sni" => tls.sni = Some(crate::profile::value::host(args, 0)?),
            "tls-cert-profile" => {
                const PROFILES: &[(&str, CertProfile)] = &[
                    ("insecure", CertProfile::Insecure),
                    ("legacy", CertProfile::Legacy),
                    ("preferred", CertProfile::Preferred),
                    ("suiteb", CertProfile::SuiteB),
                ];
                tls.cert_profile = choice(args, 0, PROFILES)?;
            }
            "tls-cipher" => tls.cipher_list = Some(names(args)?),
            "tls-ciphersuites" => tls.cipher_suites = Some(names(args)?),
            "tls-groups" => tls.groups = Some(names(args)?),
            "tls-version-max" => {
                let right = "1.2 or 1.3; lower versions are broken and not available";
                tls.version_max = Some(version(args).map_err(|_| {
                    BadValue::new(0, args.first().copied().unwrap_or_default(), right)
                })?);
            }
            "tls-version-min" => {
                if let Some("1.0" | "1.1") = args.first().copied() {
                    tls.version_min = Some(TlsVersion::V1_2);
                    return Ok(Applied::Ignored(
                        "TLS below 1.2 is not available".to_owned(),
                    ));
                }
                tls.version_min = Some(version(args)?);
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn apply_ciphers(&mut self, directive: &Directive, args: &[&str]) -> Result<Applied, BadValue> {
        let data = &mut self.profile.data;
        match directive.name.as_str() {
            "auth" if word(args, 0)?.eq_ignore_ascii_case("none") => {
                return Ok(Applied::Ignored(
                    "packets are always authenticated".to_owned(),
                ));
            }
            "auth" => data.digest = digest(args)?,
            "tls-auth-digest" => self.tls.auth_digest = Some(digest(args)?),
            "data-ciphers" | "ncp-ciphers" => {
                let list = cipher_list::parse(word(args, 0)?)
                    .map_err(|bad| BadValue::because(0, bad.to_string(), available()))?;
                self.tls.ciphers = Some(list.ciphers);
                if !list.left_out.is_empty() {
                    let text = format!("not available and left out: {}", list.left_out.join(", "));
                    self.note(directive, text);
                }
            }
            "cipher" | "data-ciphers-fallback" => {
                let Some(cipher) = single_cipher(word(args, 0)?)? else {
                    let text = "this cipher is not available; the server must agree on another";
                    return Ok(Applied::Ignored(text.to_owned()));
                };
                let is_nominal = directive.name == "cipher";
                let slot = if is_nominal {
                    &mut self.tls.cipher
                } else {
                    &mut self.tls.fallback
                };
                *slot = Some(cipher);
            }
            "comp-lzo" => self.compression(directive, transfer::comp_lzo(args)?),
            "compress" => self.compression(directive, transfer::compress(args)?),
            "allow-compression" => {
                const WORDS: &[(&str, CompressionPolicy)] = &[
                    ("no", CompressionPolicy::No),
                    ("asym", CompressionPolicy::Asymmetric),
                    ("yes", CompressionPolicy::Asymmetric),
                ];
                self.profile.pull.compression = choice(args, 0, WORDS)?;
                self.tls.compression_named = true;
            }
            "replay-window" => {
                // Zero switches the check off in other clients; the smallest window is as good as that.
                let window = if args.is_empty() {
                    OPENVPN_WINDOW
                } else {
                    number(args, 0, 0..=65_536)?
                };
                data.replay_window = window;
            }
            _ => return Ok(Applied::NotMine),
        }
        Ok(Applied::Done)
    }

    fn compression(&mut self, directive: &Directive, form: Compression) {
        self.profile.data.framing = form.framing;
        if form.real {
            // As OpenVPN 2.6: whoever names an algorithm expects the server to use it.
            if !self.tls.compression_named {
                self.profile.pull.compression = CompressionPolicy::Asymmetric;
            }
            let text = "the server's compressed packets are understood (unless there is allow-compression no); \
                        nothing that is sent is compressed";
            self.note(directive, text.to_owned());
        }
    }

    /// The text of a block, or the first argument; `None` if the block comes on its own.
    fn list(&mut self, directive: &Directive) -> Result<Option<String>, BadValue> {
        if let Some(content) = &directive.content {
            return Ok(Some(content.expose().to_owned()));
        }
        if directive.args.first().is_some_and(|arg| arg.text == INLINE) {
            return self.ahead.block_of(directive).map(|()| None);
        }
        directive
            .args
            .first()
            .map(|arg| Some(arg.text.clone()))
            .ok_or_else(|| BadValue::because(0, "nothing is given", "a fingerprint"))
    }
}

/// Base64 to the bytes it stands for, if the material is inline.
fn decoded(material: Material) -> Result<Material, BadValue> {
    if material.file.is_some() {
        return Ok(material);
    }
    let text: Vec<u8> = material
        .content
        .expose()
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| BadValue::because(0, "the block is not base64", "the file in base64"))?;
    Ok(Material {
        content: Arc::new(SecretBytes::new(bytes)),
        ..material
    })
}

fn fingerprint(text: &str) -> Result<[u8; 32], BadValue> {
    hex(text)
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            BadValue::new(
                0,
                text,
                "the SHA-256 of a certificate: 32 bytes in hexadecimal",
            )
        })
}

fn hash_check(list: &str, args: &[&str]) -> Result<HashCheck, BadValue> {
    let right = "SHA1 (20 bytes) or SHA256 (32 bytes) in hexadecimal";
    let wanted: Option<usize> = match args.get(1).map(|name| name.to_ascii_uppercase()).as_deref() {
        Some("SHA1") => Some(20),
        Some("SHA256") => Some(32),
        Some(other) => return Err(BadValue::new(1, other, "SHA1 or SHA256")),
        None => None,
    };
    let mut fingerprints = Vec::new();
    for line in words_in(list) {
        let bytes = hex(line)
            .filter(|bytes| wanted.map_or(matches!(bytes.len(), 20 | 32), |len| bytes.len() == len))
            .ok_or_else(|| BadValue::new(0, line, right))?;
        fingerprints.push(bytes);
    }
    let depth = if args.len() > 2 {
        number(args, 2, 0..=16)?
    } else {
        1
    };
    Ok(HashCheck {
        fingerprints,
        depth,
    })
}

fn key_usages(args: &[&str]) -> Result<Vec<u8>, BadValue> {
    let mut usages = Vec::new();
    for (index, text) in args.iter().enumerate() {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let usage = u8::from_str_radix(digits, 16)
            .map_err(|_| BadValue::new(index, text, "a byte in hexadecimal, like a0"))?;
        usages.push(usage);
    }
    Ok(usages)
}

fn name_check(args: &[&str]) -> Result<NameCheck, BadValue> {
    let form: fn(String) -> NameCheck = match args.get(1) {
        None => NameCheck::Subject,
        Some(_) => choice(
            args,
            1,
            &[
                ("subject", NameCheck::Subject as fn(String) -> NameCheck),
                ("name", NameCheck::Name),
                ("name-prefix", NameCheck::NamePrefix),
            ],
        )?,
    };
    Ok(form(name(args)?.to_owned()))
}

/// A name that is not empty: every certificate begins with nothing.
fn name<'a>(args: &[&'a str]) -> Result<&'a str, BadValue> {
    let text = word(args, 0)?;
    if text.trim().is_empty() {
        return Err(BadValue::because(
            0,
            "the name is empty",
            "the name of the server's certificate",
        ));
    }
    Ok(text)
}

/// A subject, in the form of today or in the old one with slashes, else the beginning of the common name.
fn tls_remote(text: &str) -> Result<NameCheck, BadValue> {
    let Some(old) = text.strip_prefix('/') else {
        let form = if text.contains('=') {
            NameCheck::Subject
        } else {
            NameCheck::NamePrefix
        };
        return Ok(form(text.to_owned()));
    };
    if old.split('/').all(|part| part.contains('=')) {
        return Ok(NameCheck::OldSubject(text.to_owned()));
    }
    let right = "verify-x509-name \"C=DE, CN=server\" subject";
    Err(BadValue::new(0, text, right))
}

fn names(args: &[&str]) -> Result<Vec<String>, BadValue> {
    let text = word(args, 0)?;
    let names: Vec<_> = text
        .split(':')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Err(BadValue::new(0, text, "names with : between them"));
    }
    Ok(names)
}

fn version(args: &[&str]) -> Result<TlsVersion, BadValue> {
    choice(
        args,
        0,
        &[("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)],
    )
}

fn digest(args: &[&str]) -> Result<Digest, BadValue> {
    let name = word(args, 0)?;
    let right = "MD5, SHA1, SHA224, SHA256, SHA384 or SHA512";
    cipher_list::digest(name).ok_or_else(|| BadValue::new(0, name, right))
}

/// `None`: a cipher that OpenVPN has or had, but not this client.
fn single_cipher(name: &str) -> Result<Option<Cipher>, BadValue> {
    match name.parse() {
        Ok(cipher) => Ok(Some(cipher)),
        Err(_) if cipher_list::is_of_the_past(name) => Ok(None),
        Err(_) => Err(BadValue::new(0, name, available())),
    }
}

fn available() -> String {
    "AES-256-GCM, AES-192-GCM, AES-128-GCM, CHACHA20-POLY1305, AES-256-CBC, AES-192-CBC, AES-128-CBC".to_owned()
}
