//! What the pushed options, the profile and the server's options string agree on for the data channel.

use std::str::FromStr;
use std::time::Duration;

use rustls::crypto::SecureRandom;

use crate::config::{ConnectionConfig, DataConfig, Framing};
use crate::control::auth::printable;
use crate::control::occ;
use crate::crypto::cipher::Cipher;
use crate::crypto::hmac::Digest;
use crate::data::key::Format;
use crate::data::setup::DataSetup;
use crate::error::ConnectionError;
use crate::profile::pushed::{PushError, PushedOptions};

/// How data packets are to look, for the whole connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) cipher: Cipher,
    pub(super) format: Format,
    pub(super) framing: Framing,
    pub(super) peer_id: Option<u32>,
}

impl Agreed {
    /// Settles the data channel after a push.
    pub(super) fn new(
        data: &DataConfig,
        pushed: &PushedOptions,
        server_options: &str,
    ) -> Result<Self, ConnectionError> {
        let cipher = agree_on_cipher(data, pushed.cipher, server_options)?;
        let digest = pushed.digest.unwrap_or(data.digest);
        warn_of_other_digest(cipher, digest, server_options);
        let format = match (cipher.is_aead(), pushed.flags.aead_epoch) {
            (true, false) => Format::Classic,
            (true, true) if pushed.peer_id.is_some() => Format::Epoch,
            (true, true) => return Err(incompatible(&PushError::Epoch("a peer-id"))),
            (false, false) => Format::Legacy { digest },
            (false, true) => return Err(incompatible(&PushError::Epoch("an AEAD cipher"))),
        };
        Ok(Self {
            cipher,
            format,
            framing: pushed.framing.unwrap_or(data.framing),
            peer_id: pushed.peer_id,
        })
    }
}

/// What the data channel is made with.
pub(super) fn data_setup(
    config: &ConnectionConfig,
    pushed: &PushedOptions,
    random: &'static dyn SecureRandom,
) -> DataSetup {
    let data = &config.data;
    DataSetup {
        compression: data.compression,
        mssfix: pushed.mssfix.unwrap_or(data.mssfix),
        outer_ipv6: config.endpoint.address.is_ipv6(),
        random,
        reneg_bytes: limit(pushed.reneg_bytes, config.timing.reneg_bytes),
        reneg_packets: limit(pushed.reneg_packets, config.timing.reneg_packets),
        replay_window: data.replay_window,
        socks_header: data.socks_header,
        transport: config.endpoint.transport,
        tun_mtu: tun_mtu(data, pushed),
        tun_mtu_max: data.tun_mtu_max,
    }
}

/// The device's MTU after a push.
pub(super) fn tun_mtu(data: &DataConfig, pushed: &PushedOptions) -> u16 {
    pushed
        .tun_mtu
        .map_or(data.tun_mtu, |mtu| mtu.min(data.tun_mtu_max))
}

/// A pushed time, or ours; zero is never.
pub(super) fn interval(pushed: Option<Duration>, ours: Option<Duration>) -> Option<Duration> {
    pushed.or(ours).filter(|time| !time.is_zero())
}

fn limit(pushed: Option<u64>, ours: Option<u64>) -> Option<u64> {
    pushed.or(ours).filter(|limit| *limit > 0)
}

fn agree_on_cipher(
    data: &DataConfig,
    pushed: Option<Cipher>,
    server_options: &str,
) -> Result<Cipher, ConnectionError> {
    let acceptable =
        |cipher: &Cipher| data.ciphers.contains(cipher) || data.fallback == Some(*cipher);
    if let Some(cipher) = pushed {
        return Some(cipher).filter(acceptable).ok_or_else(|| {
            ConnectionError::PeerIncompatible(format!(
                "it wants the data cipher {cipher}, which data-ciphers does not allow"
            ))
        });
    }
    let named = occ::server_cipher(server_options);
    named
        .and_then(|name| Cipher::from_str(name).ok())
        .filter(acceptable)
        .or(data.fallback)
        .ok_or_else(|| {
            ConnectionError::PeerIncompatible(match named {
                Some(name) => {
                    format!("it uses the data cipher {name}, which data-ciphers does not allow")
                }
                None => "it names no data cipher, and the profile has no data-ciphers-fallback"
                    .to_owned(),
            })
        })
}

/// With CBC ciphers both sides must have the same `auth`; nothing would get through otherwise.
fn warn_of_other_digest(cipher: Cipher, ours: Digest, server_options: &str) {
    let ours = occ::digest_name(ours);
    let Some(theirs) = occ::server_digest(server_options) else {
        return;
    };
    if !cipher.is_aead() && !theirs.eq_ignore_ascii_case(ours) {
        tracing::warn!(
            ours,
            theirs,
            "the server authenticates data with another digest"
        );
    }
}

/// What a push that cannot be honoured means for the attempt.
pub(super) fn incompatible(error: &PushError) -> ConnectionError {
    match error {
        PushError::Rejected(option) => ConnectionError::PushRejected(printable(option)),
        PushError::Algorithm { .. }
        | PushError::Compression(_)
        | PushError::Epoch(_)
        | PushError::KeyDerivation(_)
        | PushError::Malformed(_)
        | PushError::PeerId(_)
        | PushError::ProtocolFlag(_)
        | PushError::UpdateUnsupported(_) => {
            ConnectionError::PeerIncompatible(printable(&error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CompressionPolicy, MssFix};

    fn data() -> DataConfig {
        DataConfig {
            ciphers: Cipher::DEFAULT.to_vec(),
            fallback: None,
            digest: Digest::Sha1,
            framing: Framing::None,
            compression: CompressionPolicy::No,
            tun_mtu: 1500,
            tun_mtu_max: 1600,
            mssfix: MssFix::Default,
            fragment: None,
            probe_path: false,
            replay_window: 2048,
            socks_header: 0,
        }
    }

    #[test]
    fn a_pushed_cipher_must_be_one_of_ours() {
        let cipher = |pushed| agree_on_cipher(&data(), Some(pushed), "V4,cipher AES-128-GCM");
        assert_eq!(cipher(Cipher::Aes256Gcm), Ok(Cipher::Aes256Gcm));
        assert!(matches!(
            cipher(Cipher::Aes256Cbc),
            Err(ConnectionError::PeerIncompatible(_))
        ));
    }

    #[test]
    fn without_a_pushed_cipher_the_options_string_decides_and_then_the_fallback() {
        let mut data = data();
        assert_eq!(
            agree_on_cipher(&data, None, "V4,cipher aes-128-gcm"),
            Ok(Cipher::Aes128Gcm)
        );
        assert!(agree_on_cipher(&data, None, "V4,cipher BF-CBC").is_err());
        assert!(agree_on_cipher(&data, None, "").is_err());
        data.fallback = Some(Cipher::Aes256Cbc);
        assert_eq!(
            agree_on_cipher(&data, None, "V4,cipher BF-CBC"),
            Ok(Cipher::Aes256Cbc)
        );
        assert_eq!(
            agree_on_cipher(&data, None, "V4,cipher AES-256-CBC"),
            Ok(Cipher::Aes256Cbc)
        );
        assert_eq!(agree_on_cipher(&data, None, ""), Ok(Cipher::Aes256Cbc));
    }

    #[test]
    fn what_the_server_names_is_shown_in_bounds() {
        let endless = PushError::ProtocolFlag("x".repeat(60_000));
        assert!(incompatible(&endless).to_string().len() < 600);
    }

    #[test]
    fn epoch_packets_need_a_peer_id() {
        let mut pushed = PushedOptions {
            cipher: Some(Cipher::Aes256Gcm),
            ..PushedOptions::default()
        };
        pushed.flags.aead_epoch = true;
        assert!(Agreed::new(&data(), &pushed, "").is_err());
        pushed.peer_id = Some(3);
        let agreed = Agreed::new(&data(), &pushed, "").unwrap();
        assert_eq!((agreed.format, agreed.peer_id), (Format::Epoch, Some(3)));
    }

    #[test]
    fn a_pushed_mtu_is_capped() {
        let pushed = |tun_mtu| PushedOptions {
            tun_mtu,
            ..PushedOptions::default()
        };
        assert_eq!(tun_mtu(&data(), &pushed(None)), 1500);
        assert_eq!(tun_mtu(&data(), &pushed(Some(1400))), 1400);
        assert_eq!(tun_mtu(&data(), &pushed(Some(9000))), 1600);
    }

    #[test]
    fn a_pushed_zero_switches_off() {
        let ten = Some(Duration::from_secs(10));
        assert_eq!(interval(None, ten), ten);
        assert_eq!(interval(Some(Duration::ZERO), ten), None);
    }
}
